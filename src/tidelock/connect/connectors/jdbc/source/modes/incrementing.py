"""Mode incrementing: rows with a higher id than the last one. Pure.

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
class Incrementing:
    """See Mode.

    Args:
        identity: SQL of the column.
    """

    identity: str
    has_time: bool = False

    @property
    def places(self) -> Sequence[str]:
        """See Mode."""
        return (self.identity,)

    def condition(self, after: Position, until: dt.datetime | None) -> Condition:
        """See Mode."""
        if after.incrementing is None:
            return Condition(f"{self.identity} IS NOT NULL", {}, self.identity)
        return Condition(f"{self.identity} > :last_id", {"last_id": after.incrementing}, self.identity)

    def position(self, values: Sequence[Any]) -> Position:
        """See Mode."""
        return Position(incrementing=int(values[0]))

    def split(self, found: Sequence[Position], limit: int) -> int | None:
        """See Mode."""
        return min(len(found), limit)
