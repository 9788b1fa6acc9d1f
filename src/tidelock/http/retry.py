"""Retry rules: what may be sent again, when, and within which budget. No IO, no clock."""
