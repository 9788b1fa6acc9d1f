"""Circuit breaker over a sliding window. No IO, no clock."""
