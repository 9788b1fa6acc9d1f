"""Consumer groups, classic protocol: decide (rules), apply (state), replayed from `__consumer_offsets`."""
