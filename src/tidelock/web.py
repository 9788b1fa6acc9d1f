"""ASGI helpers that discovery and Connect share: JSON replies, error bodies, serving on a bound socket."""
