"""From a table's columns to the value's schema, and from what a driver returns to what the schema says.

Made once per table and shape. A column without anything to convert costs nothing per row. Pure.

Source: Confluent `io.confluent.connect.jdbc.dialect.GenericDatabaseDialect` (addFieldToSchema,
columnConverterFor), `source.JdbcSourceConnectorConfig.NumericMapping`.
"""

from __future__ import annotations

import datetime as dt
import logging
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidelock.connect.api import ConnectError, Schema, Struct, Type
from tidelock.sql.types import Column, ColumnType, Kind

log = logging.getLogger(__name__)

Convert = Callable[[Any], Any]
UNLIMITED_SCALE = 30
"""Fraction digits of a numeric column that has no limit; as many as every database's DECIMAL can take."""
_WIDEST_WHOLE = 18  # decimal digits that a 64 bit number holds for certain
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a configuration says about values.

    Attributes:
        numeric: `numeric.mapping`.
        zone: of timestamps that keep none.
        database: `postgresql`, `mysql` or `sqlite`.
        granularity: `timestamp.granularity`.
    """

    numeric: str
    zone: zoneinfo.ZoneInfo
    database: str
    granularity: str = "connect_logical"


class Shape:
    """How rows of one shape become structs.

    Args:
        name: of the schema; None for a query.
        columns: as the database describes them.
        rules: see Rules.
    """

    def __init__(self, name: str | None, columns: Sequence[Column], rules: Rules) -> None:
        self._name = name
        self._places: list[int] = []
        self._converts: list[tuple[int, str, Convert]] = []
        fields: list[tuple[str, Schema]] = []
        for place, column in enumerate(columns):
            made = _field(column, rules)
            if made is None:
                log.warning("column %s is left out: no type for %s", column.name, column.type.declared)
                continue
            schema, convert = made
            if convert is not None:
                self._converts.append((len(fields), column.name, convert))
            fields.append((column.name, schema))
            self._places.append(place)
        self.schema = Schema.struct(fields, name=name)

    def struct(self, row: Sequence[Any]) -> Struct:
        """Return a row as the schema has it.

        Raises:
            ConnectError: a value is not what its column's type says.
        """
        values = [row[place] for place in self._places]
        for index, name, convert in self._converts:
            if values[index] is not None:
                try:
                    values[index] = convert(values[index])
                except (ValueError, TypeError, ArithmeticError) as error:
                    raise ConnectError(
                        f"column {name!r} holds {type(values[index]).__name__} data that its type does not: "
                        f"{error}",
                        where=f"table {self._name}" if self._name else "the query",
                        hint="declare the column as what it holds, or convert it in a query",
                    ) from error
        return Struct.from_row(self.schema, values)


def numeric_type(mapping: str, precision: int | None, scale: int | None) -> Type | None:
    """Return the type that `numeric.mapping` gives a decimal column, or None: it stays a Decimal.

    Args:
        mapping: none, precision_only, best_fit or best_fit_eager_double.
        precision: digits; None is unlimited.
        scale: fraction digits; None is unlimited.
    """
    if mapping == "none" or scale is None:
        return None
    if scale > 0:
        eager = mapping == "best_fit_eager_double"
        fits = mapping == "best_fit" and precision is not None and precision <= _WIDEST_WHOLE
        return Type.FLOAT64 if eager or fits else None
    if precision is None or precision > _WIDEST_WHOLE:
        return None
    if precision > 9:
        return Type.INT64
    if precision > 4:
        return Type.INT32
    return Type.INT16 if precision > 2 else Type.INT8


def micros(moment: dt.datetime) -> int:
    """Return the microseconds from the epoch to an instant."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def instant(value: Any, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Return a timestamp as an instant in UTC.

    Args:
        value: what a driver returns: a datetime, text in ISO form, or milliseconds since the epoch.
        zone: of a wall-clock time.
    """
    if isinstance(value, (int, float)):
        return _EPOCH + dt.timedelta(milliseconds=value)
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if not isinstance(value, dt.datetime):
        raise TypeError(f"{value!r} is no timestamp")
    moment = value if value.tzinfo is not None else value.replace(tzinfo=zone)
    return moment.astimezone(dt.UTC)


def _field(column: Column, rules: Rules) -> tuple[Schema, Convert | None] | None:
    kind, nullable = column.type, column.nullable
    if kind.kind is Kind.INTEGER:
        return Schema.of(_integer(kind, rules), optional=nullable), None
    if kind.kind is Kind.DECIMAL:
        return _decimal(kind, rules, nullable=nullable)
    if kind.kind is Kind.BOOLEAN:
        if rules.database == "mysql":  # TINYINT(1) and BIT(1), which Java's drivers give as small numbers
            return Schema.int8(optional=nullable), _small
        return Schema.boolean(optional=nullable), bool
    if kind.kind is Kind.FLOAT:
        wide = kind.bits == 64 or rules.database == "sqlite"
        return Schema.of(Type.FLOAT64 if wide else Type.FLOAT32, optional=nullable), float
    if kind.kind is Kind.BYTES:
        return Schema.bytes(optional=nullable), _bytes
    if kind.kind in _TIMES:
        return _time(kind.kind, rules, nullable=nullable)
    if kind.kind is Kind.OTHER and (rules.database == "mysql" or kind.declared.endswith("[]")):
        return None
    return Schema.string(optional=nullable), _text


_TIMES = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP)


def _time(kind: Kind, rules: Rules, *, nullable: bool) -> tuple[Schema, Convert]:
    if kind is Kind.DATE:
        return Schema.date(optional=nullable), _date
    if kind is Kind.TIME:
        return Schema.time(optional=nullable), _time_of_day
    return _timestamp(rules, nullable=nullable)


def _timestamp(rules: Rules, *, nullable: bool) -> tuple[Schema, Convert]:
    """Return a timestamp column's schema and conversion; no database here knows more than microseconds."""
    zone = rules.zone
    unit, _, form = rules.granularity.partition("_")
    factor = 1000 if unit == "nanos" else 1
    if form == "long":
        return Schema.int64(optional=nullable), lambda value: micros(instant(value, zone)) * factor
    if form == "string":
        return Schema.string(optional=nullable), lambda value: str(micros(instant(value, zone)) * factor)
    if form == "iso_datetime_string":
        return Schema.string(optional=nullable), lambda value: _iso(instant(value, zone), zone, unit)
    return Schema.timestamp(optional=nullable), lambda value: instant(value, zone)


def _iso(moment: dt.datetime, zone: zoneinfo.ZoneInfo, unit: str) -> str:
    """Return the wall-clock time in a zone, as Java writes it; strftime would not fill up early years."""
    text = moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}000" if unit == "nanos" else text


def _integer(kind: ColumnType, rules: Rules) -> Type:
    if rules.database == "sqlite":
        return Type.INT64  # whatever it is declared as, it holds 64 bits
    bits = kind.bits * 2 if "unsigned" in kind.declared and kind.bits < 64 else kind.bits
    if kind.declared.startswith("year"):
        bits = 16
    return {8: Type.INT8, 16: Type.INT16, 32: Type.INT32}.get(bits, Type.INT64)


def _decimal(kind: ColumnType, rules: Rules, *, nullable: bool) -> tuple[Schema, Convert]:
    number = numeric_type(rules.numeric, kind.precision, kind.scale)
    if number is Type.FLOAT64:
        return Schema.float64(optional=nullable), float
    if number is not None:
        return Schema.of(number, optional=nullable), int
    scale = UNLIMITED_SCALE if kind.scale is None else kind.scale
    return Schema.decimal(scale, optional=nullable), lambda value: Decimal(str(value))


def _small(value: Any) -> int:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode()
    return str(value)


def _date(value: Any) -> dt.date:
    if isinstance(value, (int, float)):
        return (_EPOCH + dt.timedelta(milliseconds=value)).date()
    if isinstance(value, str):
        return dt.date.fromisoformat(value[:10])
    return value.date() if isinstance(value, dt.datetime) else _checked(value, dt.date)


def _time_of_day(value: Any) -> dt.time:
    if isinstance(value, dt.timedelta):  # MySQL: may be negative, or more than a day
        if not dt.timedelta(0) <= value < dt.timedelta(days=1):
            raise ValueError(f"{value} is no time of day")
        return (_EPOCH + value).time()
    if isinstance(value, (int, float)):
        return (_EPOCH + dt.timedelta(milliseconds=value)).time()
    return dt.time.fromisoformat(value) if isinstance(value, str) else _checked(value, dt.time)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
