"""The modes that go on after a position, one file each: what to ask for, and the position of a row. Pure.

`mode_of` picks one. A mode knows the SQL of its columns, and the values that they had in a row.
"""

from __future__ import annotations

from tidelock.connect.connectors.jdbc.source.modes.incrementing import Incrementing
from tidelock.connect.connectors.jdbc.source.modes.mode import Condition, Mode
from tidelock.connect.connectors.jdbc.source.modes.timestamp import Timestamp
from tidelock.connect.connectors.jdbc.source.modes.timestamp_incrementing import TimestampIncrementing

__all__ = ["Condition", "Incrementing", "Mode", "Timestamp", "TimestampIncrementing", "mode_of"]


def mode_of(name: str, identity: str, timestamp: str) -> Mode:
    """Return a mode.

    Args:
        name: as key `mode` has it, but for bulk.
        identity: SQL of the incrementing column.
        timestamp: SQL of the timestamp.
    """
    made: dict[str, Mode] = {
        "incrementing": Incrementing(identity),
        "timestamp": Timestamp(timestamp),
        "timestamp+incrementing": TimestampIncrementing(timestamp, identity),
    }
    return made[name]
