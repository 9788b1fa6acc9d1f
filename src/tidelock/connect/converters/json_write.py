"""Writers: compiled once per schema, they turn values of the data model into what msgspec encodes as JSON.

A Writer checks while it converts: type, range and nulls, so nothing reaches Kafka that a reader would refuse.
Imports the api and msgspec.

Source: Kafka `org.apache.kafka.connect.json.JsonConverter.convertToJson`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tidelock.connect.api import DECIMAL, DataError, LogicalType, Schema, Struct, Type, logical_type, validate

Write = Callable[[Any], Any]

INTEGERS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
FLOATS = frozenset({Type.FLOAT32, Type.FLOAT64})


class JsonWriter:
    """Writes values of one schema.

    Args:
        schema: of the values.
        numeric_decimals: decimals become JSON numbers (`decimal.format=NUMERIC`), else base64.
        replace_nulls: a null becomes the schema's default, where it has one.
    """

    def __init__(self, schema: Schema, *, numeric_decimals: bool, replace_nulls: bool) -> None:
        self._numeric = numeric_decimals
        self._replace_nulls = replace_nulls
        self.write = self._nullable(schema, "value")

    def _nullable(self, schema: Schema, name: str) -> Write:
        write = self._of(schema, name)
        default = write(schema.default) if schema.default is not None and self._replace_nulls else None
        optional = schema.optional

        def checked(value: Any) -> Any:
            if value is not None:
                return write(value)
            if default is None and not optional:
                raise DataError(f"null for field {name!r} that is required and has no default value")
            return default

        return checked

    def _of(self, schema: Schema, name: str) -> Write:
        logical = logical_type(schema)
        if logical is not None:
            return self._logical(schema, logical, name)
        if schema.type is Type.STRUCT:
            return self._struct(schema, name)
        if schema.type is Type.ARRAY:
            return self._array(schema, name)
        if schema.type is Type.MAP:
            return self._map(schema, name)
        return _primitive(schema, name)

    def _logical(self, schema: Schema, logical: LogicalType, name: str) -> Write:
        to_number = self._numeric and schema.name == DECIMAL

        def write(value: Any) -> Any:
            if not isinstance(value, logical.python):
                validate(schema, value, name)
            base = logical.to_base(schema, value)
            return value if to_number else base

        return write

    def _struct(self, schema: Schema, name: str) -> Write:
        fields = [(field.name, self._nullable(field.schema, field.name)) for field in schema.fields]

        def write(value: Any) -> Any:
            if not isinstance(value, Struct) or len(value.row) != len(fields):
                raise DataError(f"field {name!r} needs a Struct of its schema, not {type(value).__name__}")
            return {
                title: write_field(item) for (title, write_field), item in zip(fields, value.row, strict=True)
            }

        return write

    def _array(self, schema: Schema, name: str) -> Write:
        assert schema.value_schema is not None
        item = self._nullable(schema.value_schema, name)

        def write(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise DataError(f"field {name!r} needs a list, not {type(value).__name__}")
            return [item(one) for one in value]

        return write

    def _map(self, schema: Schema, name: str) -> Write:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        key, item = self._nullable(schema.key_schema, name), self._nullable(schema.value_schema, name)
        is_object = schema.key_schema.type is Type.STRING

        def write(value: Any) -> Any:
            if not isinstance(value, dict):
                raise DataError(f"field {name!r} needs a dict, not {type(value).__name__}")
            pairs = [(key(one), item(other)) for one, other in value.items()]
            return dict(pairs) if is_object else pairs

        return write


def _primitive(schema: Schema, name: str) -> Write:
    """The usual Python type goes through at once; for the rest `validate` decides."""
    if schema.type in INTEGERS:
        return _integer(schema, name)
    if schema.type in FLOATS:
        return lambda value: _float(schema, name, value)
    usual = {Type.STRING: str, Type.BOOLEAN: bool, Type.BYTES: bytes}[schema.type]

    def write(value: Any) -> Any:
        if type(value) is not usual:
            validate(schema, value, name)
            return bytes(value) if usual is bytes else value
        return value

    return write


def _integer(schema: Schema, name: str) -> Write:
    bound = 1 << (INTEGERS[schema.type] - 1)

    def write(value: Any) -> Any:
        if type(value) is not int or not -bound <= value < bound:
            validate(schema, value, name)
        return value

    return write


def _float(schema: Schema, name: str, value: Any) -> float | str:
    validate(schema, value, name)
    return finite(float(value))


def finite(number: float) -> float | str:
    """Return a number as JSON can say it: NaN and the infinities as Kafka's text."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def write_schemaless(value: Any, *, numeric_decimals: bool) -> Any:
    """Return a plain Python value as msgspec can encode it.

    Raises:
        DataError: a value has no JSON form without a schema.
    """
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, dict):
        return {
            _key(key): write_schemaless(item, numeric_decimals=numeric_decimals)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [write_schemaless(item, numeric_decimals=numeric_decimals) for item in value]
    if isinstance(value, Struct):
        return write_schemaless(value.as_dict(), numeric_decimals=numeric_decimals)
    if isinstance(value, Decimal) and numeric_decimals and value.is_finite():
        return value
    raise DataError(
        f"{type(value).__name__} has no JSON form without a schema",
        hint="give the record a schema, or turn the value into text or a number",
    )


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise DataError(f"a JSON object's key is text, not {type(key).__name__}")
    return key
