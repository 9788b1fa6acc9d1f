"""Offsets as the JDBC source stores them."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.connect.api import ConnectError
from tidelock.connect.connectors.jdbc.source.position import Position, partitions_of
from tidelock.sql.types import TableName

AT = dt.datetime(2024, 1, 2, 3, 4, 5, 678_901, dt.UTC)


def test_the_form_of_an_offset() -> None:
    offset = Position(7, AT).as_offset()
    assert offset == {"timestamp_nanos": 678_901_000, "timestamp": 1704164645678, "incrementing": 7}
    assert Position.of(offset) == Position(7, AT)
    assert Position.of({"incrementing": 7}) == Position(7)
    assert Position.of({"timestamp": 1704164645678}).timestamp == AT.replace(microsecond=678_000)
    assert Position.of(None) == Position()
    assert Position().as_offset() == {}


@given(
    st.dictionaries(
        st.sampled_from(["incrementing", "timestamp", "timestamp_nanos", "x"]),
        st.none() | st.integers() | st.text() | st.booleans() | st.floats(),
    )
)
def test_any_offset_is_read_or_refused(offset: dict[str, Any]) -> None:
    try:
        position = Position.of(offset)
    except ConnectError:
        return
    assert Position.of(position.as_offset()) == position


@pytest.mark.parametrize("offset", [{"incrementing": "7"}, {"timestamp": 1 << 80}, {"timestamp": True}])
def test_what_is_no_offset_is_refused(offset: dict[str, Any]) -> None:
    with pytest.raises(ConnectError):
        Position.of(offset)


def test_partitions_of_older_workers_and_drivers_are_found() -> None:
    assert partitions_of(TableName("orders", "public"), "shop") == [
        {"protocol": "1", "table": "public.orders"},
        {"protocol": "1", "table": "shop.public.orders"},
        {"protocol": "1", "table": "orders"},
        {"table": "orders"},
    ]
