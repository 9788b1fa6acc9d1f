"""The asyncio shell: listeners, frames, back-pressure, graceful stop."""
