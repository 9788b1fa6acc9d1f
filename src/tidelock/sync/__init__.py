"""Keeping databases in step: outbox, relay, verify; a thin composition over Connect's runtime.

The design page is docs/design/sync.md.
"""
