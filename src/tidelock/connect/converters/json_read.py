"""Readers: compiled once per schema, they turn the JSON of a payload into values of the data model.

A Reader is a msgspec decoder for a class generated from the schema, and the fix-ups that msgspec cannot do:
logical types, defaults for nulls, inner structs. The class takes over all parsing and type checking, in C;
what it refuses is read once more by json_values.py, slowly and with an error text that names the field.
Nothing is guessed: where the original turns text into 0 or wraps a number around, this raises DataError.
Imports the api, json_values and msgspec.

Source: Kafka `org.apache.kafka.connect.json.JsonConverter.convertToConnect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from tidelock.connect.api import DECIMAL, DataError, Field, Schema, Struct, StructRows, Type, logical_type
from tidelock.connect.converters.json_values import FLOAT32_MAX, decimal_from_json, map_of, read_json

FixUp = Callable[[Any], Any]  # a value as parsed, never None -> the value of the data model


def _integers(bits: int) -> Any:
    bound = 1 << (bits - 1)
    return Annotated[int, msgspec.Meta(ge=-bound, le=bound - 1)]


PLAIN: dict[Type, Any] = {
    Type.INT8: _integers(8),
    Type.INT16: _integers(16),
    Type.INT32: _integers(32),
    Type.INT64: _integers(64),
    Type.FLOAT32: Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)],
    Type.FLOAT64: float,
    Type.BOOLEAN: bool,
    Type.STRING: str,
    Type.BYTES: bytes,
}


class _NoClass(Exception):
    """msgspec cannot make a class for a schema."""


def _refuse(payload: bytes) -> Any:
    raise msgspec.DecodeError("read it the slow way")


@dataclass(frozen=True, slots=True)
class Shape:
    """How one schema is parsed: the msgspec type, and what is done to a value that is not null."""

    annotation: Any
    fix_up: FixUp | None = None


class JsonRows(StructRows):
    """Values of a batch as the objects that msgspec made; field number i is the attribute fi."""

    def row(self, index: int) -> Sequence[Any] | None:
        """See StructRows."""
        made: Any = self._rows[index]
        return None if made is None else msgspec.structs.astuple(made)

    def column(self, index: int) -> list[Any]:
        """See StructRows."""
        name = f"f{index}"
        try:
            return list(map(attrgetter(name), self._rows))
        except AttributeError:  # a null record is among them
            return [None if made is None else getattr(made, name) for made in self._rows]

    def pick(self, indexes: Iterable[int]) -> StructRows:
        """See StructRows."""
        return JsonRows(self.schema, [self._rows[index] for index in indexes])


class Reader:
    """Reads payloads of one schema.

    Args:
        schema: of the payload.
        replace_nulls: put a field's default in place of a null (`replace.null.with.default`).

    Attributes:
        decode: payload bytes -> a parsed value for `finish`; raises msgspec.DecodeError (ValidationError is
        one)
            where `read` must have a look.
    """

    def __init__(self, schema: Schema, *, replace_nulls: bool = True) -> None:
        self.schema = schema
        self._replace_nulls = replace_nulls
        self._class: Any = None
        self._columns: list[_Column] = []
        self._fix_up: FixUp | None = None
        self.decode: Callable[[bytes], Any] = _refuse
        try:
            self._compile(_Compiler(replace_nulls))
        except _NoClass:  # every payload takes the slow way
            if schema.type is Type.STRUCT:
                self._class = msgspec.defstruct("Row", [f"f{field.index}" for field in schema.fields])

    def _compile(self, compiler: _Compiler) -> None:
        schema = self.schema
        if schema.type is Type.STRUCT:
            self._class, self._columns = compiler.struct_class(schema)
            annotation = self._class
        else:
            shape = compiler.shape(schema)
            annotation = shape.annotation
            self._fix_up = shape.fix_up and compiler.nested(schema, shape.fix_up, "value")
        self.decode = msgspec.json.Decoder(compiler.nullable(schema, annotation)).decode

    def read(self, given: Any) -> Any:
        """Return the finished value of one parsed JSON value, or raise DataError why there is none."""
        return read_json(self.schema, given, replace_nulls=self._replace_nulls)

    def finish(self, parsed: list[Any], late: Mapping[int, Any], start: int) -> Sequence[Any]:
        """Turn a run of parsed payloads into the values of a batch.

        Args:
            parsed: what `decode` gave, None for null payloads; changed in place.
            late: place in the run -> value that `read` gave; `parsed` has None there.
            start: the place of the run in its batch, for errors.
        """
        if self._class is None:
            if self._fix_up is not None:
                _each(range(len(parsed)), start, lambda index: _fix_value(parsed, index, self._fix_up))
            for index, value in late.items():
                parsed[index] = value
            return parsed
        for column in self._columns:
            column.fix(parsed, start)
        for index, value in late.items():
            parsed[index] = None if value is None else self._from_struct(value)
        return JsonRows(self.schema, parsed)

    def _from_struct(self, value: Struct) -> Any:
        return self._class(**{f"f{index}": item for index, item in enumerate(value.row)})


@dataclass(frozen=True, slots=True)
class _Column:
    """What is done to one field of every record."""

    field: Field
    fix_up: FixUp | None
    default: Any

    def fix(self, parsed: Sequence[Any], start: int) -> None:
        name = f"f{self.field.index}"
        convert = self.value
        index = start - 1
        try:
            for made in parsed:
                index += 1
                if made is not None:
                    setattr(made, name, convert(getattr(made, name)))
        except DataError as error:
            raise _at(error, index) from None

    def value(self, value: Any) -> Any:
        if value is not None and self.fix_up is not None:
            value = self.fix_up(value)
        if value is None:
            if self.default is not None:
                return self.default
            if not self.field.schema.optional:
                kind = self.field.schema.type.name
                raise DataError(f"Invalid null value for required {kind} field {self.field.name!r}")
        return value


class _Compiler:
    """Makes the shapes of a schema and all schemas in it."""

    def __init__(self, replace_nulls: bool) -> None:
        self._replace_nulls = replace_nulls

    def has_default(self, schema: Schema) -> bool:
        return schema.default is not None and self._replace_nulls

    def nullable(self, schema: Schema, annotation: Any) -> Any:
        """Allow null where it stays null; a null that becomes a default takes the slow way."""
        if schema.optional and not self.has_default(schema) and annotation is not msgspec.Raw:
            return annotation | None
        return annotation

    def nested(self, schema: Schema, fix_up: FixUp | None, name: str) -> FixUp:
        """Apply a fix-up to a value that may be null and is no field: in an array or map, or the payload."""
        if fix_up is None:
            return lambda value: value
        default = schema.default if self.has_default(schema) else None
        return _Column(Field(name, 0, schema), fix_up, default).value

    def shape(self, schema: Schema) -> Shape:
        logical = logical_type(schema)
        if logical is not None:
            if schema.name == DECIMAL:
                return Shape(msgspec.Raw, partial(decimal_from_json, schema))
            return Shape(PLAIN[schema.type], partial(logical.from_base, schema))
        if schema.type is Type.STRUCT:
            return self._struct(schema)
        if schema.type is Type.ARRAY:
            return self._array(schema)
        if schema.type is Type.MAP:
            return self._map(schema)
        return Shape(PLAIN[schema.type])

    def struct_class(self, schema: Schema) -> tuple[Any, list[_Column]]:
        """Return the class of a struct's payloads and the columns that need fixing."""
        columns, fields = [], []
        for field in schema.fields:
            shape = self.shape(field.schema)
            default = field.schema.default if self.has_default(field.schema) else None
            may_lack = field.schema.optional or default is not None
            annotation = shape.annotation
            if may_lack and annotation is not msgspec.Raw:
                annotation = annotation | None
            name = f"f{field.index}"
            fields.append((name, annotation, None) if may_lack else (name, annotation))
            if shape.fix_up is not None or default is not None:
                columns.append(_Column(field, shape.fix_up, default))
        rename = {f"f{field.index}": field.name for field in schema.fields}
        try:
            # Keyword only, or msgspec would want the required fields first; no GC, for rows hold no cycles.
            return msgspec.defstruct("Row", fields, rename=rename, kw_only=True, gc=False), columns
        except ValueError as error:  # a field name with a quote, a backslash or a control character
            raise _NoClass from error

    def _struct(self, schema: Schema) -> Shape:
        made, columns = self.struct_class(schema)

        def fix_up(parsed: Any) -> Struct:
            row = list(msgspec.structs.astuple(parsed))
            for column in columns:
                row[column.field.index] = column.value(row[column.field.index])
            return Struct.from_row(schema, row)

        return Shape(made, fix_up)

    def _array(self, schema: Schema) -> Shape:
        assert schema.value_schema is not None
        item = self.shape(schema.value_schema)
        items = self.nullable(schema.value_schema, item.annotation)
        annotation = list[items]  # type: ignore[valid-type]  # made at run time
        if item.fix_up is None:
            return Shape(annotation)
        fix = self.nested(schema.value_schema, item.fix_up, "element")
        return Shape(annotation, lambda values: [fix(value) for value in values])

    def _map(self, schema: Schema) -> Shape:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        key, item = self.shape(schema.key_schema), self.shape(schema.value_schema)
        values = self.nullable(schema.value_schema, item.annotation)
        fix = self.nested(schema.value_schema, item.fix_up, "map value")
        if schema.key_schema.type is Type.STRING and key.fix_up is None:
            annotation: Any = dict[str, values]  # type: ignore[valid-type]  # made at run time
            if item.fix_up is None:
                return Shape(annotation)
            return Shape(annotation, lambda pairs: {name: fix(value) for name, value in pairs.items()})
        keys = self.nullable(schema.key_schema, key.annotation)
        fix_key = self.nested(schema.key_schema, key.fix_up, "map key")
        annotation = list[tuple[keys, values]]  # type: ignore[valid-type]  # made at run time
        return Shape(annotation, lambda pairs: map_of((fix_key(name), fix(value)) for name, value in pairs))


def _fix_value(parsed: list[Any], index: int, fix_up: Any) -> None:
    if parsed[index] is not None:
        parsed[index] = fix_up(parsed[index])


def _each(indexes: Iterable[int], start: int, action: Callable[[int], None]) -> None:
    for index in indexes:
        try:
            action(index)
        except DataError as error:
            raise _at(error, start + index) from None


def _at(error: DataError, index: int) -> DataError:
    return DataError(error.what, where=error.where, hint=error.hint, index=index)
