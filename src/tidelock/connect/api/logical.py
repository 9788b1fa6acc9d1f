"""Logical types: how Decimal, Date, Time and Timestamp look in Python and in the primitive type beneath.

In Python: `decimal.Decimal`, `datetime.date`, `datetime.time` and an aware `datetime.datetime` in UTC.
Beneath: the unscaled number as big-endian two's complement, days since 1970-01-01, milliseconds of the day,
milliseconds since the epoch. Conversions are exact or raise DataError, but for one documented loss: time of
day and instants have milliseconds, so microseconds are cut off. Imports api/schema.py and api/errors.py.

Source: Kafka `org.apache.kafka.connect.data.{Decimal, Date, Time, Timestamp}`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from tidelock.connect.api.errors import DataError
from tidelock.connect.api.schema import DATE, DECIMAL, TIME, TIMESTAMP, Schema

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
DAY_MS = 86_400_000

# Wide enough that moving the point never rounds.
EXACT = Context(prec=100_000, Emax=1_000_000, Emin=-1_000_000, traps=[InvalidOperation])


@dataclass(frozen=True, slots=True)
class LogicalType:
    """One logical type: its Python class and the two conversions, each given schema and value."""

    name: str
    python: type
    to_base: Callable[[Schema, Any], Any]
    from_base: Callable[[Schema, Any], Any]


def logical_type(schema: Schema | None) -> LogicalType | None:
    """Return the logical type of a schema, or None where its values are plain."""
    return LOGICAL_TYPES.get(schema.name) if schema is not None and schema.name is not None else None


def decimal_to_bytes(schema: Schema, value: Decimal) -> bytes:
    """Return the unscaled number in the bytes that Java's `BigInteger.toByteArray` gives."""
    return unscaled_to_bytes(unscaled(schema, value))


def unscaled(schema: Schema, value: Decimal) -> int:
    """Return value * 10**scale as a whole number; DataError when digits would be lost."""
    scale = schema.scale
    try:
        moved = EXACT.scaleb(value, scale)
        whole = int(moved)
    except (InvalidOperation, ValueError, OverflowError):  # NaN, infinity, absurd exponents
        raise DataError(f"Decimal {value} does not fit the schema's scale {scale}") from None
    if moved != whole:
        raise DataError(f"Decimal {value} does not fit the schema's scale {scale}")
    return whole


def unscaled_to_bytes(number: int) -> bytes:
    """Return a whole number in as few bytes as two's complement needs."""
    bits = number.bit_length() if number >= 0 else (-number - 1).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def decimal_from_bytes(schema: Schema, value: bytes) -> Decimal:
    """Return the exact decimal of an unscaled number."""
    return scaled(int.from_bytes(value, "big", signed=True), schema.scale)


def scaled(number: int, scale: int) -> Decimal:
    """Return number / 10**scale with exactly `scale` digits after the point."""
    return EXACT.scaleb(Decimal(number), -scale)


def date_to_days(schema: Schema, value: dt.date) -> int:
    """Return the days since 1970-01-01."""
    if isinstance(value, dt.datetime):
        raise DataError("a Date has no time of day; give a datetime.date")
    return value.toordinal() - EPOCH_DAY


def date_from_days(schema: Schema, value: int) -> dt.date:
    """Return the day that is `value` days after 1970-01-01."""
    try:
        return dt.date.fromordinal(value + EPOCH_DAY)
    except (ValueError, OverflowError):
        raise DataError(f"Date {value} (days) is outside the years 1 to 9999") from None


def time_to_ms(schema: Schema, value: dt.time) -> int:
    """Return the milliseconds of the day."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1000 + value.microsecond // 1000


def time_from_ms(schema: Schema, value: int) -> dt.time:
    """Return the time of day."""
    if not 0 <= value < DAY_MS:
        raise DataError(f"Time {value} (ms) is not within one day")
    seconds, ms = divmod(value, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return dt.time(hour, minute, second, ms * 1000)


def timestamp_to_ms(schema: Schema, value: dt.datetime) -> int:
    """Return the milliseconds since the epoch; a naive datetime is refused."""
    if value.tzinfo is None:
        raise DataError("a Timestamp needs a datetime with a time zone", hint="use datetime.timezone.utc")
    return (value - EPOCH) // dt.timedelta(milliseconds=1)


def timestamp_from_ms(schema: Schema, value: int) -> dt.datetime:
    """Return the instant, in UTC."""
    try:
        return EPOCH + dt.timedelta(milliseconds=value)
    except OverflowError:
        raise DataError(f"Timestamp {value} (ms) is outside the years 1 to 9999") from None


LOGICAL_TYPES = {
    one.name: one
    for one in (
        LogicalType(DECIMAL, Decimal, decimal_to_bytes, decimal_from_bytes),
        LogicalType(DATE, dt.date, date_to_days, date_from_days),
        LogicalType(TIME, dt.time, time_to_ms, time_from_ms),
        LogicalType(TIMESTAMP, dt.datetime, timestamp_to_ms, timestamp_from_ms),
    )
}
