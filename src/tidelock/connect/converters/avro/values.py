"""Values between what fastavro makes of the bytes and Connect's: functions compiled once per pair of schemas.

`reader` and `writer` return None where a value goes through as it is, which is what most fields do.

Source: Confluent `io.confluent.connect.avro.AvroData.{toConnectData, fromConnectData}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidelock.connect.api import DataError, Schema, Struct, Type, logical_type
from tidelock.connect.converters.avro.to_connect import UNION, ToConnect, default_of
from tidelock.connect.converters.avro.types import FIELD, AvroType, branch_name, branch_place, branches_of

Convert = Callable[[Any], Any]
_KINDS: dict[Type, tuple[str, ...]] = {
    Type.INT8: ("int", "long", "float", "double"),
    Type.INT16: ("int", "long", "float", "double"),
    Type.INT32: ("int", "long", "float", "double"),
    Type.INT64: ("long", "float", "double"),
    Type.FLOAT32: ("float", "double"),
    Type.FLOAT64: ("double",),
    Type.BOOLEAN: ("boolean",),
    Type.STRING: ("string", "enum", "bytes"),
    Type.BYTES: ("bytes", "fixed", "string"),
    Type.ARRAY: ("array",),
    Type.MAP: ("map", "array"),
    Type.STRUCT: ("record",),
}
"""The Avro types that can hold a Connect type, the best first."""
_SMALL = {Type.INT8: 1 << 7, Type.INT16: 1 << 15}


def reader(avro: AvroType, schema: Schema | None) -> Convert | None:
    """Return what turns fastavro's value into Connect's; None: nothing to do."""
    if schema is None:
        return read_anything
    if avro.kind == "union":
        return _union_reader(avro, schema)
    if avro.kind == "record":
        made = row_reader(avro, schema)
        return lambda raw: Struct.from_row(schema, made(raw))
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        inner = reader(avro.element(), schema.value_schema)
        return None if inner is None else lambda raw: [inner(one) for one in raw]
    if schema.type is Type.MAP:
        return _map_reader(avro, schema)
    logical = logical_type(schema)
    if logical is not None:
        from_base = logical.from_base
        return lambda raw: from_base(schema, raw)
    if schema.type in _SMALL:
        return lambda raw: _in_range(schema, raw)
    return None


def row_reader(avro: AvroType, schema: Schema) -> Convert:
    """Return what turns a record into its fields in the schema's order."""
    names = [one.name for one in avro.fields]
    pairs = zip(avro.fields, schema.fields, strict=True)
    made = [(place, reader(each.type, one.schema)) for place, (each, one) in enumerate(pairs)]
    changes = [(place, change) for place, change in made if change is not None]

    def read(raw: Any) -> list[Any]:
        row = [raw[name] for name in names]
        for place, change in changes:
            row[place] = change(row[place])
        return row

    return read


def _in_range(schema: Schema, raw: int) -> int:
    bound = _SMALL[schema.type]
    if not -bound <= raw < bound:
        raise DataError(f"{raw} is out of range for {schema.type.value}")
    return raw


def _union_reader(avro: AvroType, schema: Schema) -> Convert | None:
    found = branches_of(avro)
    if len(found) == 1 and schema.name != UNION:
        inner = reader(found[0][1], schema)
        return None if inner is None else lambda raw: None if raw is None else inner(raw)
    inners = {
        place: (one.name, reader(branch, one.schema))
        for (place, branch), one in zip(found, schema.fields, strict=True)
    }
    alone = found[0][0] if len(found) == 1 else None

    def read(raw: Any) -> Any:
        if raw is None:
            return None
        place, value = (alone, raw) if alone is not None else (branch_place(raw[0]), raw[1][FIELD])
        name, inner = inners[place]
        return Struct(schema, {name: value if inner is None else inner(value)})

    return read


def _map_reader(avro: AvroType, schema: Schema) -> Convert | None:
    if avro.kind == "map":
        inner = reader(avro.element(), schema.value_schema)
        return None if inner is None else lambda raw: {key: inner(one) for key, one in raw.items()}
    key_type, value_type = (avro.element().field(one) for one in ("key", "value"))
    if key_type is None or value_type is None:
        raise DataError("a map entry lacks its key or value")
    key, value = reader(key_type.type, schema.key_schema), reader(value_type.type, schema.value_schema)

    def read(raw: Any) -> Any:
        try:
            return {
                key(one["key"]) if key else one["key"]: value(one["value"]) if value else one["value"]
                for one in raw
            }
        except TypeError as error:
            raise DataError(f"a map's key cannot be one: {error}") from error

    return read


def read_anything(raw: Any) -> Any:
    """Return the value of an Anything record."""
    for name in ("boolean", "bytes", "double", "float", "int", "long", "string"):
        if raw[name] is not None:
            return raw[name]
    if raw["array"] is not None:
        return [read_anything(one) for one in raw["array"]]
    if raw["map"] is not None:
        return {read_anything(one["key"]): read_anything(one["value"]) for one in raw["map"]}
    return None


def write_anything(value: Any) -> dict[str, Any]:
    """Return a value without a schema as an Anything record; fields that are absent are null."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolean": value}
    if isinstance(value, int):
        return {"long": value}
    if isinstance(value, float):
        return {"double": value}
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": bytes(value)}
    if isinstance(value, (list, tuple)):
        return {"array": [write_anything(one) for one in value]}
    if isinstance(value, dict):
        entries = [
            {"key": write_anything(one), "value": write_anything(other)} for one, other in value.items()
        ]
        return {"map": entries}
    raise DataError(f"{type(value).__name__} has no form without a schema")


class Writers:
    """Makes writers for one schema, after `for_fastavro` has numbered its unions.

    Args:
        names: how unions' branches and fields are called.
        scrub: a field's name as Avro has it.
        ignores_defaults: whether a null stays null where there is a default.
    """

    def __init__(self, names: ToConnect, scrub: Callable[[str], str], *, ignores_defaults: bool) -> None:
        self._names = names
        self._scrub = scrub
        self._ignores_defaults = ignores_defaults

    def writer(self, schema: Schema, avro: AvroType) -> Convert:
        """Return what turns a value into fastavro's."""
        if avro.kind == "union":
            return self._union(schema, avro)
        required = self._required(schema, avro)

        def write(value: Any) -> Any:
            if value is None:
                raise DataError("null for a required value", where=schema.name)
            return required(value)

        return write

    def _union(self, schema: Schema, avro: AvroType) -> Convert:
        found = branches_of(avro)
        is_nullable = len(found) < len(avro.branches)
        if len(found) > 1:
            inner = self._branches(schema, found, avro.number)
        else:
            one = schema.fields[0].schema if schema.name == UNION else schema
            only = self._required(one, found[0][1])
            inner = (lambda value: only(_first(value))) if schema.name == UNION else only

        def write(value: Any) -> Any:
            if value is None:
                if not is_nullable:
                    raise DataError("null for a required value", where=schema.name)
                return None
            return inner(value)

        return write

    def _branches(self, schema: Schema, found: list[tuple[int, AvroType]], number: int) -> Convert:
        if schema.name != UNION:  # a latest schema's union, wider than the record's own type
            kinds = _KINDS[schema.type]
            fit = sorted((kinds.index(one.kind), place) for place, one in found if one.kind in kinds)
            if not fit:
                raise DataError(f"no branch of the Avro union holds {schema.type.value}")
            branch = dict(found)[fit[0][1]]
            inner, name = self._required(schema, branch), branch_name(fit[0][1], number)
            return lambda value: (name, {FIELD: inner(value)})
        writers = {}
        by_name = {self._names.member(one): (place, one) for place, one in found}
        for each, same in zip(schema.fields, found, strict=len(found) >= len(schema.fields)):
            place, branch = by_name.get(each.name, same)  # an enum may have become a text
            writers[each.name] = (branch_name(place, number), self._required(each.schema, branch))

        def write(value: Struct) -> Any:
            for name, one in value.items():
                if one is not None:
                    branch, inner = writers[name]
                    return branch, {FIELD: inner(one)}
            raise DataError("a union without a value", where=schema.name)

        return write

    def _required(self, schema: Schema, avro: AvroType) -> Convert:
        if avro.kind not in _KINDS[schema.type]:
            raise DataError(f"Avro's {avro.kind} cannot hold {schema.type.value}", where=schema.name)
        if schema.type is Type.STRUCT:
            return self._record(schema, avro)
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            inner = self.writer(schema.value_schema, avro.element())
            return lambda value: [inner(one) for one in value]
        if schema.type is Type.MAP:
            return self._map(schema, avro)
        return _simple(schema, avro)

    def _record(self, schema: Schema, avro: AvroType) -> Convert:
        mine = {self._scrub(one.name): one for one in schema.fields}
        writers = []
        for each in avro.fields:
            one = mine.get(each.name)
            if one is not None:
                writers.append((each.name, one.index, self._field(one.schema, each.type)))
            elif not each.has_default:
                raise DataError(f"the record has no field {each.name!r}, which the Avro schema requires")
            else:
                writers.append((each.name, -1, self._constant(each.type, each.default)))

        def write(value: Struct) -> dict[str, Any]:
            row = value.row
            made = {}
            for name, place, inner in writers:
                try:
                    made[name] = inner(row[place])
                except DataError as error:
                    raise DataError(
                        error.what, where=error.where or f"field {name}", hint=error.hint
                    ) from None
            return made

        return write

    def _field(self, schema: Schema, avro: AvroType) -> Convert:
        """Return a writer that puts a field's default in place of a null."""
        inner, default = self.writer(schema, avro), schema.default
        if self._ignores_defaults or default is None:
            return inner
        return lambda value: inner(default if value is None else value)

    def _constant(self, avro: AvroType, default: Any) -> Convert:
        schema = self._names.schema(avro)
        if schema is None:
            return lambda value: write_anything(default)
        value, inner = default_of(schema, avro, default), self.writer(schema, avro)
        return lambda ignored: inner(value)

    def _map(self, schema: Schema, avro: AvroType) -> Convert:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            raise DataError("a map has no schema for its keys or values")
        if avro.kind == "map":
            inner = self.writer(values, avro.element())
            return lambda value: {key: inner(one) for key, one in value.items()}
        key_field, value_field = avro.element().field("key"), avro.element().field("value")
        if key_field is None or value_field is None:
            raise DataError("a map entry lacks its key or value")
        first, second = self.writer(keys, key_field.type), self.writer(values, value_field.type)
        return lambda value: [{"key": first(one), "value": second(other)} for one, other in value.items()]


def _first(value: Struct) -> Any:
    return next((one for one in value.row if one is not None), None)


def _simple(schema: Schema, avro: AvroType) -> Convert:
    logical = logical_type(schema)
    size = int(avro.props["size"]) if avro.kind == "fixed" else None

    def write(value: Any) -> Any:
        if logical is not None:
            value = logical.to_base(schema, value)
        if schema.type is Type.BYTES:
            value = bytes(value)
            if size is not None and logical is not None:  # a decimal's bytes, made longer with its sign
                value = value.rjust(size, b"\xff" if value[0] & 0x80 else b"\x00")
            if size is not None and len(value) != size:
                raise DataError(f"{len(value)} bytes for an Avro fixed of {size}")
            return value.decode("utf-8") if avro.kind == "string" else value
        if avro.kind == "bytes":
            return value.encode()
        return float(value) if avro.kind in ("float", "double") else value

    return write
