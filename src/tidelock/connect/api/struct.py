"""Struct: a value with a struct schema; and `validate`, which holds any value against its schema.

A Struct keeps its values in the schema's field order and knows no other fields. It is cheap to make from a
row and checks nothing until asked: `validate` is what a converter calls before it writes. Imports schema,
logical and errors of the api.

Source: Kafka `org.apache.kafka.connect.data.{Struct, ConnectSchema.validateValue}`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tidelock.connect.api.errors import DataError
from tidelock.connect.api.logical import logical_type
from tidelock.connect.api.schema import Schema, Type

INTEGER_BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
FLOAT32_MAX = 3.4028234663852886e38
PYTHON_TYPES: dict[Type, tuple[type[Any], ...]] = {
    Type.FLOAT32: (float, int),
    Type.FLOAT64: (float, int),
    Type.BOOLEAN: (bool,),
    Type.STRING: (str,),
    Type.BYTES: (bytes, bytearray, memoryview),
    Type.ARRAY: (list, tuple),
    Type.MAP: (dict,),
}


class Struct:
    """A record with named fields.

    Args:
        schema: a struct schema.
        values: field name -> value; absent fields get their default, or null.

    Raises:
        DataError: the schema is no struct, or a name is none of its fields.
    """

    __slots__ = ("_row", "schema")

    def __init__(self, schema: Schema, values: Mapping[str, Any] | None = None) -> None:
        if schema.type is not Type.STRUCT:
            raise DataError(f"Not a struct schema: {schema.type.value}")
        self.schema = schema
        self._row: list[Any] = [field.schema.default for field in schema.fields]
        for name, value in (values or {}).items():
            self[name] = value

    @classmethod
    def from_row(cls, schema: Schema, row: Sequence[Any]) -> Struct:
        """Make a struct from the values in field order, without checks; the fast way in."""
        made = cls.__new__(cls)
        made.schema = schema
        made._row = list(row)
        return made

    def __getitem__(self, name: str) -> Any:
        """Return a field's value; a null stays null (converters put defaults in, if so configured)."""
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name", where=self.schema.name)
        return self._row[field.index]

    def __setitem__(self, name: str, value: Any) -> None:
        field = self.schema.field(name)
        if field is None:
            raise DataError(f"{name} is not a valid field name", where=self.schema.name)
        self._row[field.index] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field's value, or `default` where the schema has no such field."""
        return default if self.schema.field(name) is None else self[name]

    @property
    def row(self) -> Sequence[Any]:
        """The values in field order; do not change it."""
        return self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self.schema.field_names)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield field name and value."""
        return zip(self.schema.field_names, self._row, strict=True)

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and values."""
        return {name: _plain(value) for name, value in self.items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Struct):
            return NotImplemented
        return self._row == other._row and (self.schema is other.schema or self.schema == other.schema)

    __hash__ = None  # type: ignore[assignment]  # mutable, as a dict is

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.items())
        return f"Struct({shown})"


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.as_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def validate(schema: Schema, value: Any, name: str = "value") -> None:
    """Raise DataError unless a value fits its schema: type, range, nulls, and so for all inner values.

    Args:
        schema: what the value must be.
        value: in Python's form.
        name: the field, for the error text.
    """
    if value is None:
        if not schema.optional and schema.default is None:
            raise DataError(f"Invalid value: null used for required field {name!r}, {_described(schema)}")
        return
    logical = logical_type(schema)
    if logical is not None:
        if not isinstance(value, logical.python):
            raise _mismatch(schema, value, name)
        logical.to_base(schema, value)
    elif schema.type in INTEGER_BITS:
        _validate_integer(schema, value, name)
    elif schema.type is Type.STRUCT:
        _validate_struct(schema, value, name)
    else:
        _validate_other(schema, value, name)


def _validate_integer(schema: Schema, value: Any, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mismatch(schema, value, name)
    bound = 1 << (INTEGER_BITS[schema.type] - 1)
    if not -bound <= value < bound:
        raise DataError(f"Invalid value: {value} is out of range for field {name!r}, {_described(schema)}")


def _validate_struct(schema: Schema, value: Any, name: str) -> None:
    if not isinstance(value, Struct):
        raise _mismatch(schema, value, name)
    if value.schema is not schema and value.schema.fields != schema.fields:
        raise DataError(f"Struct schemas do not match for field {name!r}")
    for field, item in zip(schema.fields, value.row, strict=True):
        validate(field.schema, item, field.name)


def _validate_other(schema: Schema, value: Any, name: str) -> None:
    kinds = PYTHON_TYPES[schema.type]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _mismatch(schema, value, name)
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        for item in value:
            validate(schema.value_schema, item, name)
    elif schema.type is Type.MAP and schema.key_schema is not None and schema.value_schema is not None:
        for key, item in value.items():
            validate(schema.key_schema, key, f"{name} (map key)")
            validate(schema.value_schema, item, name)
    elif schema.type is Type.FLOAT32 and FLOAT32_MAX < abs(value) < float("inf"):
        raise DataError(f"Invalid value: {value} is out of range for field {name!r}, {_described(schema)}")


def infer_schema(value: Any) -> Schema | None:
    """Return the schema of a plain Python value, or None where it has none (null, list, dict)."""
    if isinstance(value, Struct):
        return value.schema
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return Schema.decimal(max(0, -exponent)) if isinstance(exponent, int) else None
    for kind, schema in INFERRED:
        if isinstance(value, kind):
            return schema
    return None


INFERRED: tuple[tuple[type, Schema], ...] = (  # the first that fits: bool is an int, datetime is a date
    (bool, Schema.boolean()),
    (int, Schema.int64()),
    (float, Schema.float64()),
    (str, Schema.string()),
    (bytes, Schema.bytes()),
    (dt.datetime, Schema.timestamp()),
    (dt.date, Schema.date()),
    (dt.time, Schema.time()),
)


def _described(schema: Schema) -> str:
    return f"schema {schema.name!r}" if schema.name else f"schema type {schema.type.name}"


def _mismatch(schema: Schema, value: Any, name: str) -> DataError:
    kind = type(value).__name__
    return DataError(f"Invalid Python object for field {name!r}, {_described(schema)}: {kind}")
