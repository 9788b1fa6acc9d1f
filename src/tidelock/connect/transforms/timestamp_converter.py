"""TimestampConverter: instants from one form to another: text, a Unix number, Date, Time, Timestamp.

Source: Kafka `org.apache.kafka.connect.transforms.TimestampConverter`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, key
from tidelock.connect.api import (
    DATE,
    TIME,
    TIMESTAMP,
    DataError,
    Record,
    Schema,
    Struct,
    Type,
    as_instant,
    date_format,
)
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.paths import PathSettings, parse_paths
from tidelock.connect.transforms.rewrite import Change, in_columns, rewritten, rewritten_map

PURPOSE = "converting timestamp formats"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TEXT, UNIX, DATE_TYPE, TIME_TYPE, TIMESTAMP_TYPE = TYPES = ("string", "unix", "Date", "Time", "Timestamp")
SCHEMAS: dict[str, Callable[..., Schema]] = {
    TEXT: Schema.string,
    UNIX: Schema.int64,
    DATE_TYPE: Schema.date,
    TIME_TYPE: Schema.time,
    TIMESTAMP_TYPE: Schema.timestamp,
}
LOGICAL = {DATE: DATE_TYPE, TIME: TIME_TYPE, TIMESTAMP: TIMESTAMP_TYPE}
PER_SECOND = {"seconds": 1, "milliseconds": 1000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


def _is_date_format(value: str) -> str | None:
    try:
        date_format(value)
    except ValueError as error:
        return f"{value!r} is no SimpleDateFormat pattern: {error}"
    return None


class TimestampConverterSettings(PathSettings, NullSettings):
    """Keys of TimestampConverter."""

    field: str = key(default="", importance=Importance.HIGH, doc="The field; empty: the whole.")
    target_type: str = key(choices=TYPES, importance=Importance.HIGH, doc="The form to convert to.")
    format: str = key(default="", check=_is_date_format, doc="SimpleDateFormat pattern of text.")
    unix_precision: str = key(
        default="milliseconds",
        choices=tuple(PER_SECOND),
        importance=Importance.LOW,
        doc="Unit of Unix numbers, read and written.",
    )


class TimestampConverter(PartTransform):
    """Converts a field or the whole."""

    settings = TimestampConverterSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = TimestampConverterSettings.parse(props, strict=False)
        if given.target_type == TEXT and not given.format.strip():
            why = "is required where the target type is string"
            raise ConfigError((Problem("format", given.format, why),))
        version = given.field_syntax_version
        self._paths = parse_paths([given.field] if given.field else [], version, key_name="field")
        self._target, self._fill = given.target_type, given.replace_null_with_default
        self._format = date_format(given.format) if given.format.strip() else None
        self._unit = PER_SECOND[given.unix_precision]

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if not self._paths:
            if schema is None:
                return Plan(None, lambda value, record: self._untyped(value))
            new, change = self._leaf(schema)
            return Plan(new, lambda value, record: change(value))
        if schema is None:
            convert_map = rewritten_map(dict.fromkeys(self._paths, self._untyped))

            def convert_dict(value: Any, record: Record) -> Any:
                return None if value is None else convert_map(required_map(value, PURPOSE))

            return Plan(None, convert_dict)
        if schema.type is not Type.STRUCT:
            raise DataError(f"Only Struct objects supported for [{PURPOSE}], found: {schema.type.value}")
        new, convert, columns = rewritten(schema, dict.fromkeys(self._paths, self._leaf), fill=self._fill)

        def convert_struct(value: Any, record: Record) -> Struct | None:
            return None if value is None else convert(required_struct(value, PURPOSE))

        return Plan(new, convert_struct, in_columns(new, columns))

    def _leaf(self, schema: Schema) -> tuple[Schema, Change]:
        """Plan one field by its schema."""
        source = LOGICAL.get(schema.name or "")
        if source is None and schema.name is None:
            source = {Type.STRING: TEXT, Type.INT64: UNIX}.get(schema.type)
        if source is None:
            raise DataError(f"Schema {schema.name or schema.type.name} does not correspond to a timestamp")
        kind = source
        new = SCHEMAS[self._target](optional=schema.optional)
        return new, lambda value: None if value is None else self._written(self._instant(value, kind))

    def _untyped(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, str):
            return self._written(self._instant(value, TEXT))
        if isinstance(value, int) and not isinstance(value, bool):
            return self._written(self._instant(value, UNIX))
        if isinstance(value, dt.date | dt.time):
            return self._written(as_instant(value))
        raise DataError(f"TimestampConverter does not support {type(value).__name__} objects as timestamps")

    def _instant(self, value: Any, kind: str) -> dt.datetime:
        if kind == TEXT:
            if self._format is None:
                raise DataError("text needs the transform's key format")
            return self._format.parse(value)
        if kind != UNIX:
            return as_instant(value)
        try:
            ms = value * 1000 // self._unit if value >= 0 else -(-value * 1000 // self._unit)
            return EPOCH + dt.timedelta(milliseconds=ms)
        except OverflowError:
            raise DataError(f"{value} is outside the years 1 to 9999") from None

    def _written(self, instant: dt.datetime) -> Any:
        if self._target == TEXT:
            assert self._format is not None  # configure saw to it
            return self._format.format(instant)
        if self._target == UNIX:
            ms = (instant - EPOCH) // dt.timedelta(milliseconds=1)
            return ms * (self._unit // 1000) if self._unit >= 1000 else int(ms / 1000)
        if self._target == DATE_TYPE:
            return instant.date()
        return instant.time() if self._target == TIME_TYPE else instant


class TimestampConverterKey(TimestampConverter):
    """Of the key."""

    is_key = True


class TimestampConverterValue(TimestampConverter):
    """Of the value."""
