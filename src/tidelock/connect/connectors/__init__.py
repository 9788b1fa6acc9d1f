"""The connectors that come with tidelock, one file or folder each."""
