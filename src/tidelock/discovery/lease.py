"""One instance's lease: when it was renewed, when it ends. No IO, no clock."""
