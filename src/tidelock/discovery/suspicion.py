"""Whether an instance whose stream broke has crashed. No IO, no clock.

1. The last stream of an instance breaks: it is suspect. Its port is connected to at once.
2. After `GATHER` seconds the verdict: back (a new stream, or its lease is gone), alive (the port did not
   refuse), cut off (too many streams broke together: the network, or this machine, is what failed), or
   crashed.

Only a refused connection proves a crash, and only a crash ends a lease before its time; in all other cases
heartbeats decide, as for instances without a stream. May import `lease`. Invariant: while the guard holds,
nothing is called crashed.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

from tidelock.discovery.lease import LeaseKey

GATHER = 0.1
"""Seconds between the break and the verdict, in which other streams may break too."""

WINDOW = 1.0
"""Seconds within which breaks count as one event."""

QUIET = 1.0
"""Seconds for which a reported instance is not suspected again."""


class Verdict(enum.Enum):
    """What became of a suspicion; the value goes into the log."""

    BACK = "it is back, or it left"
    ALIVE = "its port does not refuse connections"
    CUT_OFF = "too many streams broke together"
    CRASHED = "its connection broke and its host refuses connections"


@dataclass(slots=True)
class Suspicion:
    """The suspects of one registry.

    Args:
        minimum: fewer breaks than this never count as a broken network.
        share: 0..1; a smaller part of all bound instances never does.
    """

    minimum: int = 3
    share: float = 0.15
    _bound: dict[LeaseKey, set[int]] = field(default_factory=dict)
    _suspects: dict[LeaseKey, float] = field(default_factory=dict)
    _breaks: deque[float] = field(default_factory=deque)
    _reports: dict[LeaseKey, float] = field(default_factory=dict)

    def bound(self, stream: int, key: LeaseKey) -> None:
        """An instance hangs on a stream (too)."""
        self._bound.setdefault(key, set()).add(stream)
        self._suspects.pop(key, None)

    def release(self, key: LeaseKey) -> None:
        """An instance left: no stream of it matters any more."""
        self._bound.pop(key, None)
        self._suspects.pop(key, None)

    def lost(self, stream: int, now: float) -> tuple[LeaseKey, ...]:
        """A stream broke; returns the instances that hang on no other."""
        alone = []
        for key in [key for key, streams in self._bound.items() if stream in streams]:
            self._bound[key].discard(stream)
            if not self._bound[key]:
                del self._bound[key]
                self._suspects[key] = now
                self._breaks.append(now)
                alone.append(key)
        return tuple(alone)

    def reported(self, key: LeaseKey, now: float) -> bool:
        """A caller could not connect to an instance; returns whether that is worth a probe."""
        self._reports = {one: at for one, at in self._reports.items() if at > now - QUIET}
        if key in self._reports or key in self._suspects:
            return False
        self._reports[key] = self._suspects[key] = now
        return True

    def since(self, key: LeaseKey) -> float | None:
        """Monotonic second since when an instance is suspect."""
        return self._suspects.get(key)

    def verdict(self, key: LeaseKey, now: float, *, is_refused: bool) -> Verdict:
        """Judge a suspect, `GATHER` seconds after it became one."""
        if self._suspects.pop(key, None) is None:
            return Verdict.BACK
        if not is_refused:
            return Verdict.ALIVE
        return Verdict.CUT_OFF if self._is_cut_off(now) else Verdict.CRASHED

    def _is_cut_off(self, now: float) -> bool:
        while self._breaks and self._breaks[0] < now - WINDOW:
            self._breaks.popleft()
        broken = len(self._breaks)
        return broken >= self.minimum and broken > self.share * (broken + len(self._bound))
