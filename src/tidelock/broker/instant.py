"""The moment at which something is decided: both clocks, read once by the shell and handed down.

Rules take an `Instant` instead of reading a clock, so tests run in virtual time. Timeouts compare
`monotonic`; timestamps that others see come from `wall_ms`. Imports nothing of the house.
"""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """One moment on both clocks.

    Args:
        monotonic: seconds that never go back; for timeouts.
        wall_ms: milliseconds since the Unix epoch; for record and commit timestamps.
    """

    monotonic: float
    wall_ms: int
