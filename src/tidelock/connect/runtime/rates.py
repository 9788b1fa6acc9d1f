"""How fast a task moves records and when it will have caught up: a meter over the last seconds. Pure.

Lag in records is what its partitions hold beyond its position; lag in seconds is the age of the newest
record that it delivered, while more wait. The time to the end needs the net speed: taken minus coming in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 15.0
"""Seconds that a rate is taken over."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Records a second, and seconds until the lag is gone (None: unknown, or it grows)."""

    rate: float
    eta: float | None


@dataclass(slots=True)
class Meter:
    """Takes samples of (now, records moved, lag) and tells the speed over the last WINDOW seconds."""

    _samples: deque[tuple[float, int, int | None]] = field(default_factory=deque)

    def sample(self, now: float, records: int, lag: int | None = None) -> Speed:
        """Note a sample and return the speed.

        Args:
            now: monotonic seconds, not before the last sample's.
            records: moved so far.
            lag: records that wait; None where nobody knows.
        """
        self._samples.append((now, records, lag))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()
        then, before, lag_before = self._samples[0]
        passed = now - then
        if passed <= 0:
            return Speed(0.0, 0.0 if lag == 0 else None)
        rate = (records - before) / passed
        return Speed(rate, _eta(lag, lag_before, passed))


def _eta(lag: int | None, before: int | None, passed: float) -> float | None:
    if lag == 0:
        return 0.0
    if lag is None or before is None or lag >= before:
        return None
    return lag / ((before - lag) / passed)
