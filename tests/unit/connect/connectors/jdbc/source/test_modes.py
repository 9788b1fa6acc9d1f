"""What each mode asks for after a position."""

import datetime as dt

from tidelock.connect.connectors.jdbc.source.modes import (
    Incrementing,
    Timestamp,
    TimestampIncrementing,
    mode_of,
)
from tidelock.connect.connectors.jdbc.source.position import Position

AT = dt.datetime(2024, 1, 2, 3, 4, 5, 678_000, dt.UTC)
LATER = AT + dt.timedelta(seconds=1)


def test_incrementing() -> None:
    mode = mode_of("incrementing", "id", "")
    assert isinstance(mode, Incrementing)
    assert mode.condition(Position(), None).where == "id IS NOT NULL"
    condition = mode.condition(Position(7), None)
    assert (condition.where, condition.values, condition.order) == ("id > :last_id", {"last_id": 7}, "id")
    bounded = condition.up_to("id", 9)
    assert bounded.where == "id > :last_id AND id <= :settled"
    assert bounded.values == {"last_id": 7, "settled": 9}
    assert mode.position([8]) == Position(8)


def test_timestamp() -> None:
    mode = mode_of("timestamp", "", "ts")
    assert isinstance(mode, Timestamp)
    assert mode.condition(Position(), None).where == "ts IS NOT NULL"
    condition = mode.condition(Position(timestamp=AT), LATER)
    assert condition.where == "ts > :last_time AND ts < :until"
    assert condition.values == {"last_time": AT, "until": LATER}


def test_a_batch_ends_between_times() -> None:
    mode = Timestamp("ts")
    one, two, three = (Position(timestamp=AT + dt.timedelta(seconds=number)) for number in range(3))
    assert mode.split([one, one, two], 3) == 3
    assert mode.split([one, two, two], 2) == 1
    assert mode.split([one, two, three], 2) == 2
    assert mode.split([one, one, one], 2) is None


def test_both() -> None:
    mode = mode_of("timestamp+incrementing", "id", "ts")
    assert isinstance(mode, TimestampIncrementing)
    condition = mode.condition(Position(7, AT), LATER)
    assert condition.where == ("((ts = :last_time AND id > :last_id) OR ts > :last_time) AND ts < :until")
    assert condition.order == "ts, id"
    assert mode.condition(Position(timestamp=AT), None).values["last_id"] == -1
    assert mode.position([AT, 8]) == Position(8, AT)
