"""One call as a generator: pick, check, send, record, decode or try the next instance. No IO, no clock."""
