"""Commands on services: what the registry knows."""
