"""One text per value, the same whichever database keeps it; the ground that `verify` stands on.

A `Rule` says how two columns are compared; `agree` finds it from their types. `column_texts` turns values
that a driver returned into canonical texts; tidelock.sql.checksum has the SQL that yields the very same
text inside the server. The forms:

    integer, boolean    digits; true is 1                     decimal   no exponent, no trailing zeros: -0.5
    text                length in characters, `:`, the text   bytes     hexadecimal, lower case
    date                2011-01-04                            uuid      lower case
    timestamp           2011-01-04 10:00:00.25 in UTC, at the coarser precision of the two, no trailing zeros
    time, float, json   in Python only: 10:00:00, the shortest digits that name the double, sorted keys

Fields are joined by `|`, NULL is `~`. Only text can hold those characters, and it is told apart by its
length, so two different rows never have one text: NULL is not '', 'a' is not 'a '.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tidelock.sql.types import ColumnType, Kind

NULL = "~"
SEPARATOR = "|"
_NUMBERS = {Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}
_CACHE = 1 << 14  # distinct decimals and timestamps remembered; real columns repeat themselves
_PLAIN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d(?::?\d\d)?)?")
_TEXT_OR_NULL = {str, type(None)}

ColumnTexts = Callable[[Sequence[Any]], list[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a column is compared.

    Args:
        kind: what the values of all sides are read as.
        scale: for TIME and TIMESTAMP, the fraction digits that all sides have.
        bits: for FLOAT, 32 when one side has no more.
    """

    kind: Kind
    scale: int = 6
    bits: int = 64


def agree(types: Sequence[ColumnType]) -> Rule:
    """Return the rule under which columns of these types, one per side, can be equal."""
    kinds = {one.kind for one in types}
    scales = [one.scale for one in types if one.kind in (Kind.TIME, Kind.TIMESTAMP) and one.scale is not None]
    scale = min(scales, default=6)
    if len(kinds) == 1:
        bits = min(one.bits for one in types)
        return Rule(Kind.INTEGER if kinds == {Kind.BOOLEAN} else kinds.pop(), scale, bits)
    if kinds <= _NUMBERS:
        if Kind.FLOAT in kinds:
            return Rule(Kind.FLOAT, bits=min(one.bits for one in types if one.kind is Kind.FLOAT))
        return Rule(Kind.DECIMAL if Kind.DECIMAL in kinds else Kind.INTEGER)
    if kinds == {Kind.DATE, Kind.TIMESTAMP}:
        return Rule(Kind.TIMESTAMP, scale)
    others = kinds - {Kind.TEXT}
    if Kind.TEXT in kinds and len(others) == 1:  # one side keeps as text what the other has a type for
        other = others.pop()
        kind = Kind.DECIMAL if other in (Kind.INTEGER, Kind.BOOLEAN) else other
        return Rule(kind, scale)
    return Rule(Kind.OTHER)


def column_texts(rule: Rule, own: ColumnType) -> ColumnTexts:
    """Return the function from a column's values, as a driver returns them, to their canonical texts."""
    convert = _converter(rule, own)
    integral, textual = rule.kind in (Kind.INTEGER, Kind.DECIMAL), rule.kind is Kind.TEXT

    def text(value: Any) -> str:
        return NULL if value is None else convert(value)

    if rule.kind in (Kind.DECIMAL, Kind.TIMESTAMP):
        text = functools.lru_cache(_CACHE, typed=True)(text)

    def texts(values: Sequence[Any]) -> list[str]:
        # Most columns hold one type; a look at all types costs less than asking each value.
        kinds = set(map(type, values))
        if integral and kinds == {int}:
            return list(map(str, values))
        if textual and kinds <= _TEXT_OR_NULL:
            return [NULL if value is None else f"{len(value)}:{value}" for value in values]
        return list(map(text, values))

    return texts


def _converter(rule: Rule, own: ColumnType) -> Callable[[Any], str]:
    if rule.kind is Kind.DECIMAL:
        return decimal_text
    # Only a side that may keep more digits than the others is rounded. What SQLite keeps beyond its own
    # declaration is a difference.
    scale = rule.scale if own.scale is None or own.scale > rule.scale else 6
    if rule.kind is Kind.TIMESTAMP:
        return functools.partial(timestamp_text, scale=scale)
    if rule.kind is Kind.TIME:
        return functools.partial(time_text, scale=scale)
    if rule.kind is Kind.FLOAT:
        return functools.partial(float_text, bits=rule.bits)
    return _PLAIN.get(rule.kind, _text)


def decimal_text(value: Any) -> str:
    """Return a number without exponent and trailing zeros; what is no number stays as it is.

    Args:
        value: int, Decimal, float or text; of a double all digits that name it, whatever the column says.
    """
    if isinstance(value, int):
        return str(int(value))
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))
        if not number.is_finite():
            return {"Infinity": "Infinity", "-Infinity": "-Infinity"}.get(str(number), "NaN")
    except InvalidOperation:
        return _text(value)
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def timestamp_text(value: Any, scale: int = 6) -> str:
    """Return an instant in UTC, or wall-clock time as it is, without trailing zeros.

    Args:
        value: datetime, date or text as SQLite keeps it; naive is taken as UTC.
        scale: fraction digits to round to, half up as the servers do.
    """
    if isinstance(value, str) and _PLAIN_TIMESTAMP.fullmatch(value) and not value[20 + scale :].strip("0"):
        return value[:19] + value[19:].rstrip("0").rstrip(".")  # how SQLite's columns mostly look
    moment = value if isinstance(value, datetime.datetime) else _read_moment(value)
    if moment is None:
        return _text(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    if scale < 6 and moment.microsecond:
        unit = 10 ** (6 - scale)
        rounded = (moment.microsecond + unit // 2) // unit * unit
        moment = moment.replace(microsecond=0) + datetime.timedelta(microseconds=rounded)
    text = moment.isoformat(sep=" ")
    return text.rstrip("0") if moment.microsecond else text


def _read_moment(value: Any) -> datetime.datetime | None:
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)  # noqa: DTZ001  # wall-clock time
    if not isinstance(value, str):
        return None
    text = value.strip()
    if len(text) == 10:
        text += " 00:00:00"
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    micros = (fraction or ".0")[1:7].ljust(6, "0")
    try:
        return datetime.datetime.fromisoformat(
            f"{day} {clock if len(clock) > 5 else clock + ':00'}.{micros}{zone or ''}"
        )
    except ValueError:
        return None


def time_text(value: Any, scale: int = 6) -> str:
    """Return a time of day, or MySQL's interval of up to 838 hours, without trailing zeros."""
    if isinstance(value, str):
        try:
            value = datetime.time.fromisoformat(value)
        except ValueError:
            return _text(value)
    if isinstance(value, datetime.time):
        value = datetime.timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
        )
    if not isinstance(value, datetime.timedelta):
        return _text(value)
    unit = 10 ** (6 - scale)
    micros = (abs(value) // datetime.timedelta(microseconds=1) + unit // 2) // unit * unit
    seconds, micros = divmod(micros, 1_000_000)
    sign = "-" if value < datetime.timedelta(0) else ""
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{micros:06}".rstrip("0") if micros else text


def float_text(value: Any, bits: int = 64) -> str:
    """Return the shortest digits that name this double, or the single it rounds to."""
    try:
        number = float(value)
        if bits == 32:
            number = struct.unpack("f", struct.pack("f", number))[0]
    except (ValueError, OverflowError):
        return _text(value)
    return "0.0" if number == 0 else repr(number)


def _integer(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, bytes):  # MySQL's BIT
        return str(int.from_bytes(value, "big"))
    return decimal_text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else _readable(value)
    return f"{len(text)}:{text}"


def _readable(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _hexadecimal(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").hex()
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else _text(value)


def _date(value: Any) -> str:
    """Return the day alone where that is all there is: SQLite keeps any time of day in a DATE column."""
    text = timestamp_text(value)
    return text.removesuffix(" 00:00:00")


def _uuid(value: Any) -> str:
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))
    except ValueError:
        return _text(value)


def _json(value: Any) -> str:
    try:
        parsed = json.loads(value) if isinstance(value, str | bytes) else value
        return _text(json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    except (ValueError, TypeError, RecursionError):
        return _text(value)


_PLAIN: dict[Kind, Callable[[Any], str]] = {
    Kind.BOOLEAN: _integer,
    Kind.INTEGER: _integer,
    Kind.BYTES: _hexadecimal,
    Kind.DATE: _date,
    Kind.UUID: _uuid,
    Kind.JSON: _json,
}
