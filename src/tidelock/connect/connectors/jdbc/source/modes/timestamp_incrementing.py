"""Mode timestamp+incrementing: rows with a later time, and at the same time with a higher id. Pure.

Source: Confluent `io.confluent.connect.jdbc.source.TimestampIncrementingCriteria`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.connect.connectors.jdbc.source.modes.mode import Condition
from tidelock.connect.connectors.jdbc.source.position import Position


@dataclass(frozen=True, slots=True)
class TimestampIncrementing:
    """See Mode.

    Args:
        time: SQL of the time.
        identity: SQL of the id.
    """

    time: str
    identity: str
    has_time: bool = True

    @property
    def places(self) -> Sequence[str]:
        """See Mode."""
        return (self.time, self.identity)

    def condition(self, after: Position, until: dt.datetime | None) -> Condition:
        """See Mode."""
        parts: list[str] = []
        values: dict[str, int | dt.datetime] = {}
        if after.timestamp is not None:
            values["last_time"] = after.timestamp
            values["last_id"] = -1 if after.incrementing is None else after.incrementing
            same = f"{self.time} = :last_time AND {self.identity} > :last_id"
            parts.append(f"(({same}) OR {self.time} > :last_time)")
        if until is not None:
            parts.append(f"{self.time} < :until")
            values["until"] = until
        where = " AND ".join(parts) or f"{self.time} IS NOT NULL"
        return Condition(where, values, f"{self.time}, {self.identity}")

    def position(self, values: Sequence[Any]) -> Position:
        """See Mode."""
        return Position(incrementing=int(values[1]), timestamp=values[0])

    def split(self, found: Sequence[Position], limit: int) -> int | None:
        """See Mode."""
        return min(len(found), limit)
