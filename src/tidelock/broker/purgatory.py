"""Parked requests: what waits for data, and until when.

A parked fetch knows how many bytes it still misses; an append to one of its partitions takes them off, and
the fetch completes when none are missing or its deadline has come. Group requests park too, but their
coordinator decides when they end. No IO, no clock of its own: `now` is an argument. Imports nothing of the
house.

Source: Kafka `DelayedFetch`, `DelayedOperationPurgatory`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any


class Parked:
    """A request whose answer comes later.

    The shell sets `owner` to whatever it needs to find the connection again; `cancelled` once that is gone.
    """

    __slots__ = ("cancelled", "owner")

    def __init__(self) -> None:
        self.owner: object | None = None
        self.cancelled = False


class ParkedFetch(Parked):
    """A fetch that waits for more bytes.

    Args:
        keys: the partitions it reads.
        missing: bytes until its min.bytes are reached, >= 1.
        deadline: monotonic seconds; it is answered then with what there is.
        answer: builds the reply from the partitions' state at that time.

    Attributes:
        committed: partitions of which only decided records count.
    """

    __slots__ = ("answer", "committed", "deadline", "keys", "missing")

    def __init__(
        self,
        keys: Iterable[Hashable],
        missing: int,
        deadline: float,
        answer: Callable[[], list[bytes | bytearray | memoryview]],
    ) -> None:
        super().__init__()
        self.keys = tuple(keys)
        self.missing = missing
        self.deadline = deadline
        self.answer = answer
        self.committed: tuple[Any, ...] = ()


class Purgatory:
    """All parked fetches, by partition and by deadline."""

    def __init__(self) -> None:
        self.waiting: dict[Hashable, dict[ParkedFetch, None]] = {}
        self._deadlines: list[tuple[float, int, ParkedFetch]] = []
        self._order = itertools.count()

    def park(self, fetch: ParkedFetch) -> None:
        """Let a fetch wait."""
        for key in fetch.keys:
            self.waiting.setdefault(key, {})[fetch] = None
        heapq.heappush(self._deadlines, (fetch.deadline, next(self._order), fetch))

    def appended(self, key: Hashable, size: int) -> list[ParkedFetch]:
        """Tell that bytes were appended to a partition; returns the fetches that are complete now."""
        complete = []
        for fetch in list(self.waiting.get(key, ())):
            fetch.missing -= size
            if fetch.missing <= 0:
                self.forget(fetch)
                complete.append(fetch)
        return complete

    def disturbed(self, key: Hashable) -> list[ParkedFetch]:
        """Tell that a partition is gone or failed; everything that waits for it is complete."""
        complete = list(self.waiting.get(key, ()))
        for fetch in complete:
            self.forget(fetch)
        return complete

    def overdue(self, now: float) -> list[ParkedFetch]:
        """Take out the fetches whose deadline has come."""
        complete = []
        while self._deadlines and self._deadlines[0][0] <= now:
            fetch = heapq.heappop(self._deadlines)[2]
            if self.forget(fetch):
                complete.append(fetch)
        return complete

    def forget(self, fetch: ParkedFetch) -> bool:
        """Take a fetch out; False if it was not waiting any more."""
        found = False
        for key in fetch.keys:
            waiting = self.waiting.get(key)
            if waiting is not None and waiting.pop(fetch, 0) is None:
                found = True
                if not waiting:
                    del self.waiting[key]
        return found

    def wake_at(self) -> float:
        """When the next fetch is overdue; infinite if none waits."""
        while self._deadlines and not self._is_waiting(self._deadlines[0][2]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    def _is_waiting(self, fetch: ParkedFetch) -> bool:
        return any(fetch in self.waiting.get(key, ()) for key in fetch.keys)
