"""Schemas: the types of Connect's data model, as immutable values.

A Schema is a type with optionality, a name, a version, parameters and a default; arrays, maps and structs
have inner schemas. The four logical types (Decimal, Date, Time, Timestamp) are primitive types with a
reserved name; api/logical.py turns their values into Python's and back. Two schemas are equal when all their
parts are; converters hand out the same object for the same schema text, so code may compare with `is` first.
Imports only api/errors.py. Never changes after it is made.

Source: Kafka `org.apache.kafka.connect.data.{Schema, ConnectSchema, Field}`.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute  # Schema has a method of that name
from typing import Any, Self

from tidelock.connect.api.errors import DataError

DECIMAL = "org.apache.kafka.connect.data.Decimal"
DATE = "org.apache.kafka.connect.data.Date"
TIME = "org.apache.kafka.connect.data.Time"
TIMESTAMP = "org.apache.kafka.connect.data.Timestamp"
SCALE = "scale"  # the parameter of a Decimal schema


class Type(enum.Enum):
    """The types of the data model; the value is the name that Java's `Type.getName` gives."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct schema; `index` counts from 0 in declaration order."""

    name: str
    index: int
    schema: Schema


@dataclass(frozen=True, eq=True)
class Schema:
    """The description of a value.

    Make one with the class methods: `Schema.struct({"id": Schema.int64(), "note":
    Schema.string(optional=True)})`. Each takes `optional`, `name`, `version`, `doc`, `parameters` and
    `default` as keywords.

    Attributes:
        type: how the value is stored; a logical type is told by `name`.
        optional: whether null is allowed.
        default: used where a value is absent; in Python's form (a Decimal, not its bytes).
        key_schema: of a map.
        value_schema: of a map or an array.
        fields: of a struct, in order.
    """

    type: Type
    optional: bool = False
    name: str | None = None
    version: int | None = None
    doc: str | None = None
    parameters: Mapping[str, str] = attribute(default_factory=dict, hash=False)
    default: Any = attribute(default=None, hash=False)
    key_schema: Schema | None = None
    value_schema: Schema | None = None
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {one.name: one for one in self.fields})
        if len(self.fields) != len(self._by_name):
            raise DataError(f"schema {self.name or 'struct'!r} has the same field name twice")

    @property
    def _by_name(self) -> dict[str, Field]:
        found: dict[str, Field] = self.__dict__["_index"]
        return found

    def field(self, name: str) -> Field | None:
        """Return the struct's field of that name."""
        return self._by_name.get(name)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the struct's fields, in order."""
        return tuple(self._by_name)

    @functools.cached_property
    def scale(self) -> int:
        """Digits after the point of a Decimal schema.

        Raises:
            DataError: the schema is no Decimal, or says no whole number.
        """
        given = self.parameters.get(SCALE)
        try:
            return int(given or "")
        except ValueError:
            raise DataError(f"Invalid Decimal schema: {SCALE} parameter is {given!r}") from None

    def with_(self, **changes: Any) -> Self:
        """Return a copy with some parts changed, e.g. `schema.with_(optional=True)`."""
        return replace(self, **changes)

    @classmethod
    def of(cls, kind: Type, **parts: Any) -> Self:
        """Return a schema of a primitive type."""
        return cls(type=kind, **parts)

    @classmethod
    def int8(cls, **parts: Any) -> Self:
        """Whole numbers from -128 to 127."""
        return cls(type=Type.INT8, **parts)

    @classmethod
    def int16(cls, **parts: Any) -> Self:
        """Whole numbers of 16 bits."""
        return cls(type=Type.INT16, **parts)

    @classmethod
    def int32(cls, **parts: Any) -> Self:
        """Whole numbers of 32 bits."""
        return cls(type=Type.INT32, **parts)

    @classmethod
    def int64(cls, **parts: Any) -> Self:
        """Whole numbers of 64 bits."""
        return cls(type=Type.INT64, **parts)

    @classmethod
    def float32(cls, **parts: Any) -> Self:
        """Floating point numbers of 32 bits."""
        return cls(type=Type.FLOAT32, **parts)

    @classmethod
    def float64(cls, **parts: Any) -> Self:
        """Floating point numbers of 64 bits."""
        return cls(type=Type.FLOAT64, **parts)

    @classmethod
    def boolean(cls, **parts: Any) -> Self:
        """True or false."""
        return cls(type=Type.BOOLEAN, **parts)

    @classmethod
    def string(cls, **parts: Any) -> Self:
        """Text."""
        return cls(type=Type.STRING, **parts)

    @classmethod
    def bytes(cls, **parts: Any) -> Self:
        """Bytes."""
        return cls(type=Type.BYTES, **parts)

    @classmethod
    def array(cls, of: Schema, **parts: Any) -> Self:
        """A list whose elements all have the schema `of`."""
        return cls(type=Type.ARRAY, value_schema=of, **parts)

    @classmethod
    def map(cls, keys: Schema, values: Schema, **parts: Any) -> Self:
        """A dict."""
        return cls(type=Type.MAP, key_schema=keys, value_schema=values, **parts)

    @classmethod
    def struct(cls, fields: Mapping[str, Schema] | Iterable[tuple[str, Schema]], **parts: Any) -> Self:
        """A struct with named fields, in the order given."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        made = tuple(Field(name, index, schema) for index, (name, schema) in enumerate(pairs))
        return cls(type=Type.STRUCT, fields=made, **parts)

    @classmethod
    def decimal(cls, scale: int, **parts: Any) -> Self:
        """Exact decimal numbers with `scale` digits after the point."""
        parameters = {SCALE: str(scale), **parts.pop("parameters", {})}
        return cls(type=Type.BYTES, name=DECIMAL, version=1, parameters=parameters, **parts)

    @classmethod
    def date(cls, **parts: Any) -> Self:
        """Days."""
        return cls(type=Type.INT32, name=DATE, version=1, **parts)

    @classmethod
    def time(cls, **parts: Any) -> Self:
        """Times of day, to the millisecond."""
        return cls(type=Type.INT32, name=TIME, version=1, **parts)

    @classmethod
    def timestamp(cls, **parts: Any) -> Self:
        """Instants (UTC), to the millisecond."""
        return cls(type=Type.INT64, name=TIMESTAMP, version=1, **parts)
