"""What the disk refuses, for the operator: one line when it begins, and a count now and then while it lasts.

A full disk meets every request of every client; a line for each would bury the one that matters, and take
the room that is still left. So troubles are counted by kind, and the shell fetches the lines that are due
with the next tick. Pure: time is an argument. Imports nothing of the house.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

# While a trouble lasts it is said again this often; seconds.
REPEAT_INTERVAL = 300.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MORE_ROOM = "free disk space, or keep less: tidelock topic alter TOPIC -c retention.bytes=N (or retention.ms)"


@dataclass(slots=True)
class Trouble:
    """One kind of trouble; `count` of it nobody was told about yet."""

    text: str
    count: int = 0
    told_at: float | None = None


class Troubles:
    """Counts what went wrong until somebody is told.

    Attributes:
        outages: how many partitions have gone offline so far, closed and deleted ones included.
    """

    def __init__(self) -> None:
        self.outages = 0
        self._known: dict[str, Trouble] = {}

    def note(self, what: str, where: str, error: BaseException) -> None:
        """Note that the disk refused something.

        Args:
            what: e.g. "records could not be written".
            where: the partition or file, as operators know it.
            error: the reason. A full disk is one trouble, wherever it shows.
        """
        number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
        reason = "; ".join(line.strip() for line in str(reason).splitlines())
        kind, remedy = f"{where}: {reason}", ""
        if number in FULL:
            kind, reason = "full", "no space is left"
            remedy = f"; {MORE_ROOM}"
        known = self._known.setdefault(kind, Trouble(""))
        known.text = f"{where}: {what}: {reason}{remedy}"
        known.count += 1

    def due(self, now: float) -> list[str]:
        """Take the lines that the operator should read now; `now` in monotonic seconds."""
        lines = []
        for kind, trouble in list(self._known.items()):
            if trouble.told_at is not None and now < trouble.told_at + REPEAT_INTERVAL:
                continue
            if not trouble.count:
                del self._known[kind]  # it has not come again: over
                continue
            times = (
                f" ({trouble.count} times in {REPEAT_INTERVAL:g} s)" if trouble.told_at is not None else ""
            )
            lines.append(trouble.text + times)
            trouble.count, trouble.told_at = 0, now
        return lines
