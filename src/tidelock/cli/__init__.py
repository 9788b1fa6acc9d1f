"""The `tidelock` command: lazy groups, one file per command. The composition root of the house."""
