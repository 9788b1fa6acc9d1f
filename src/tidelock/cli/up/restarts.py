"""When a dead process comes back: the restart rule of one part, as a pure function of time.

The first restart is almost immediate, each further one waits twice as long up to a cap; a part that ran well
for a while starts over. No IO, no clock of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_DELAY = 0.05
LONGEST_DELAY = 10.0
RAN_WELL = 30.0


@dataclass(slots=True)
class Restarts:
    """The restart state of one part; times are seconds on a monotonic clock."""

    started_at: float
    in_a_row: int = 0
    total: int = 0
    due_at: float | None = None

    def died(self, now: float) -> float:
        """Note a death; returns the seconds until the restart is due."""
        if now - self.started_at >= RAN_WELL:
            self.in_a_row = 0
        delay = min(FIRST_DELAY * 2.0**self.in_a_row, LONGEST_DELAY)
        self.in_a_row += 1
        self.total += 1
        self.due_at = now + delay
        return delay

    def is_due(self, now: float) -> bool:
        """Whether the part waits for a restart whose time has come."""
        return self.due_at is not None and now >= self.due_at

    def restarted(self, now: float) -> None:
        """Note that the process runs again."""
        self.started_at = now
        self.due_at = None
