"""Mode timestamp: rows with a later time than the last one. Pure.

Rows that share a time go together: a position between two of them cannot be written down. So a batch ends
between times, and where one time has more rows than a batch, the batch is as large as it needs.

Source: Confluent `io.confluent.connect.jdbc.source.TimestampTableQuerier`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.connect.connectors.jdbc.source.modes.mode import Condition
from tidelock.connect.connectors.jdbc.source.position import Position


@dataclass(frozen=True, slots=True)
class Timestamp:
    """See Mode.

    Args:
        time: SQL of the column, or of the first one that is not null.
    """

    time: str
    has_time: bool = True

    @property
    def places(self) -> Sequence[str]:
        """See Mode."""
        return (self.time,)

    def condition(self, after: Position, until: dt.datetime | None) -> Condition:
        """See Mode."""
        parts: list[str] = []
        values: dict[str, int | dt.datetime] = {}
        if after.timestamp is not None:
            parts.append(f"{self.time} > :last_time")
            values["last_time"] = after.timestamp
        if until is not None:
            parts.append(f"{self.time} < :until")
            values["until"] = until
        return Condition(" AND ".join(parts) or f"{self.time} IS NOT NULL", values, self.time)

    def position(self, values: Sequence[Any]) -> Position:
        """See Mode."""
        return Position(timestamp=values[0])

    def split(self, found: Sequence[Position], limit: int) -> int | None:
        """See Mode."""
        if len(found) <= limit:
            return len(found)
        count = limit
        while count and found[count - 1].timestamp == found[limit].timestamp:
            count -= 1
        return count or None
