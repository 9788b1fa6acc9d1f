"""Generated message codecs, one module per API key, all versions in one class; see tools/gen_messages.py."""
