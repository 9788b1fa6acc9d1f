"""Which rows may be handed over while transactions are open: nothing that commits late is left behind.

Ids are given out when a row is written and become visible when it is committed, so 7 may be visible before 6.
A reader that goes on after 7 never sees 6. Here the reader does not pass a missing id before it is settled
that it will never come:

1. `saw` notes the highest id that is visible now, and who is writing the table now.
2. When all of those are done, and `wait` seconds are over, every id up to that one is there or never will be:
   `settled` says so. Whoever began to write later got a higher id.
3. Rows without a gap behind the last one are settled by themselves.

The same rule holds for timestamps, with the time of the database in place of the highest id. Pure: time and
writers are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Any)
PREPARED = "prepared"
"""Name of all transactions in the second phase of a commit: they have lost the name that they began under."""


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    high: T
    writers: frozenset[str]
    at: float


@dataclass(slots=True)
class Settling(Generic[T]):
    """What is known of one table's ids or times.

    Attributes:
        wait: seconds that must pass besides, for writers that nobody can see.
        settled: everything up to here is there or never will be; None: nothing is known.
    """

    wait: float = 0.0
    settled: T | None = None
    _seen: _Seen[T] | None = None

    def saw(self, high: T, writers: frozenset[str], now: float) -> None:
        """Take an observation in.

        Args:
            high: the highest id, read before `writers` was asked for.
            writers: names of the transactions that are writing the table.
            now: monotonic time.
        """
        while True:
            if self._seen is None:
                self._seen = _Seen(high, writers | {PREPARED}, now)
            seen = self._seen
            if seen.writers & writers or now - seen.at < self.wait:
                return
            self._seen = None
            self.settled = seen.high if self.settled is None else max(self.settled, seen.high)
            if seen.high >= high:
                return

    def covers(self, value: T) -> bool:
        """Whether everything up to `value` is settled."""
        return self.settled is not None and bool(value <= self.settled)


def passable(last: int | None, ids: Sequence[int], settling: Settling[int]) -> int:
    """Return how many rows from the first on may be handed over.

    Args:
        last: the id of the row before; None before the first one.
        ids: of the rows, ascending.
        settling: what is known of the table.
    """
    count = 0
    for number in ids:
        follows = last is not None and number <= last + 1
        if not follows and not settling.covers(number):
            break
        last, count = number, count + 1
    return count
