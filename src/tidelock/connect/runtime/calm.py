"""What a task does while nothing moves: it looks less often and says less. Pure.

One worker may have hundreds of tasks at rest, so a look costs its share of a core. A task looks again after a
twentieth of the time that nothing has come, between two bounds: what comes after a long rest waits a little
longer, what comes after a short one does not notice. Progress that is what it was is told as a sign of life
only, often enough for the limits of the connector's `errors.stall.` keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SHARE = 0.05
LONGEST = 0.25
"""Seconds between looks, and so until a pause or a stop is noticed, of a task at rest."""
PROGRESS_INTERVAL = 0.5
SIGN_OF_LIFE = 2.0
SIGNS = 4  # within the shortest limit


@dataclass(slots=True)
class Rest:
    """How long a task waits for something to come.

    Attributes:
        shortest: seconds.
        since: when something last moved, monotonic seconds.
    """

    shortest: float
    since: float

    def wait(self, now: float) -> float:
        """Return the seconds until the next look."""
        return min(LONGEST, max(self.shortest, SHARE * (now - self.since)))


def sign_of_life(*limits_ms: int) -> float:
    """Return the seconds between signs of life that keep a task within its limits; 0 is no limit."""
    shortest = min((limit / 1000 for limit in limits_ms if limit), default=SIGN_OF_LIFE * SIGNS)
    return max(PROGRESS_INTERVAL, min(SIGN_OF_LIFE, shortest / SIGNS))


@dataclass(slots=True)
class Teller:
    """Decides when progress is looked at, and whether it is told.

    Attributes:
        sign_of_life: seconds; see the function.
        looked_at: monotonic seconds.
    """

    sign_of_life: float
    looked_at: float
    _told_at: float = float("-inf")
    _told: Mapping[str, object] = field(default_factory=dict)

    def is_due(self, now: float) -> bool:
        """Whether to look at the progress now."""
        if now - self.looked_at < PROGRESS_INTERVAL:
            return False
        self.looked_at = now
        return True

    def is_news(self, now: float, progress: Mapping[str, object]) -> bool:
        """Whether to tell the worker of it."""
        if progress == self._told and now - self._told_at < self.sign_of_life:
            return False
        self._told_at, self._told = now, progress
        return True
