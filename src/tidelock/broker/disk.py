"""Real files: the only module of the broker that touches the operating system's file calls."""
