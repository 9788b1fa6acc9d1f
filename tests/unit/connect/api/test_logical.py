import datetime as dt
from decimal import Decimal

import pytest

from tidelock.connect.api import DataError, Schema, logical_type

UTC = dt.UTC


def both(schema: Schema, value: object) -> object:
    logical = logical_type(schema)
    assert logical is not None
    return logical.from_base(schema, logical.to_base(schema, value))


@pytest.mark.parametrize(
    ("number", "scale", "unscaled"),
    [
        ("0.00", 2, b"\x00"),
        ("1.27", 2, b"\x7f"),
        ("1.28", 2, b"\x00\x80"),
        ("-1.28", 2, b"\x80"),
        ("-1.29", 2, b"\xff\x7f"),
        ("1E+3", 0, b"\x03\xe8"),
        ("12345678901234567890.1", 1, bytes.fromhex("06b14e9f812f366c35")),
    ],
)
def test_a_decimal_is_its_unscaled_twos_complement(number: str, scale: int, unscaled: bytes) -> None:
    schema = Schema.decimal(scale)
    logical = logical_type(schema)
    assert logical is not None
    assert logical.to_base(schema, Decimal(number)) == unscaled
    assert logical.from_base(schema, unscaled) == Decimal(number)


def test_a_decimal_keeps_its_trailing_zeros() -> None:
    assert str(both(Schema.decimal(2), Decimal("5"))) == "5.00"


@pytest.mark.parametrize("value", ["1.001", "NaN", "Infinity"])
def test_a_decimal_that_would_lose_digits_is_refused(value: str) -> None:
    with pytest.raises(DataError, match="scale 2"):
        both(Schema.decimal(2), Decimal(value))


def test_dates_times_and_instants_come_back() -> None:
    assert both(Schema.date(), dt.date(1969, 12, 31)) == dt.date(1969, 12, 31)
    assert both(Schema.time(), dt.time(23, 59, 59, 999_000)) == dt.time(23, 59, 59, 999_000)
    moment = dt.datetime(2010, 12, 1, 8, 26, 0, 123_000, tzinfo=UTC)
    assert both(Schema.timestamp(), moment) == moment


def test_an_instant_before_the_epoch_rounds_down_to_its_millisecond() -> None:
    moment = dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert both(Schema.timestamp(), moment) == moment.replace(microsecond=999_000)


def test_what_has_no_place_in_the_type_is_refused() -> None:
    with pytest.raises(DataError, match="time zone"):
        both(Schema.timestamp(), dt.datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    logical = logical_type(Schema.date())
    assert logical is not None
    with pytest.raises(DataError, match="years 1 to 9999"):
        logical.from_base(Schema.date(), 10_000_000)
