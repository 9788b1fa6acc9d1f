"""The worker: herder, task processes, offsets, plugins, error tolerance."""
