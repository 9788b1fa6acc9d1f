"""How far a table was read: the source partition and offset, exactly as the JDBC source stores them.

So a worker of ours goes on where a Java worker stopped, and the other way round. Pure.

Source: Confluent `io.confluent.connect.jdbc.source.{OffsetProtocols, TimestampIncrementingOffset}`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.connect.api import ConnectError
from tidelock.sql.types import TableName

INCREMENTING, TIMESTAMP, NANOS = "incrementing", "timestamp", "timestamp_nanos"
QUERY_PARTITION = {"query": "query"}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: after this row.

    Attributes:
        incrementing: the last id; None before the first row.
        timestamp: the last timestamp, an instant in UTC with microseconds; None before the first row.
    """

    incrementing: int | None = None
    timestamp: dt.datetime | None = None

    def as_offset(self) -> dict[str, int]:
        """Return the source offset."""
        offset: dict[str, int] = {}
        if self.timestamp is not None:
            whole = (self.timestamp - EPOCH) // _MS
            offset[NANOS] = self.timestamp.microsecond * 1000
            offset[TIMESTAMP] = whole
        if self.incrementing is not None:
            offset[INCREMENTING] = self.incrementing
        return offset

    @classmethod
    def of(cls, offset: Mapping[str, Any] | None) -> Position:
        """Read a source offset; None is the beginning.

        Raises:
            ConnectError: it is none of this connector's.
        """
        offset = offset or {}
        for name in (INCREMENTING, TIMESTAMP, NANOS):
            value = offset.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise ConnectError(f"{name} of an offset is a whole number, not {value!r}")
        return cls(offset.get(INCREMENTING), _instant(offset.get(TIMESTAMP), offset.get(NANOS)))


def _instant(milliseconds: int | None, nanos: int | None) -> dt.datetime | None:
    if milliseconds is None:
        return None
    try:
        instant = EPOCH + dt.timedelta(milliseconds=milliseconds)
        return instant if nanos is None else instant.replace(microsecond=nanos // 1000)
    except (OverflowError, ValueError):
        raise ConnectError(f"an offset's timestamp {milliseconds} ms, {nanos} ns is no time") from None


def partition_of(table: TableName) -> dict[str, str]:
    """Return the source partition of a table."""
    return {"protocol": "1", "table": str(table)}


def partitions_of(table: TableName, database: str | None) -> Sequence[Mapping[str, str]]:
    """Return every form under which a table's offset may be stored, ours first.

    Java drivers disagree on what a catalog is, so a table may have its database in front; the oldest workers
    stored the bare name.
    """
    found = [partition_of(table)]
    if database:
        found.append({"protocol": "1", "table": f"{database}.{table}"})
    return [*found, {"protocol": "1", "table": table.name}, {"table": table.name}]
