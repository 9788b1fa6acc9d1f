"""Values between JSON, as it is parsed, and Connect's.

Numbers with a point come as Decimal, so no digit of a decimal is lost. Nothing is guessed: what the original
cuts off or turns into null is refused.

Source: Confluent `io.confluent.connect.json.JsonSchemaData.{toConnectData, fromConnectData}`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tidelock.connect.api import DECIMAL, DataError, Schema, Struct, Type, logical_type
from tidelock.connect.api.logical import decimal_from_bytes
from tidelock.connect.converters.json_values import read_json
from tidelock.connect.converters.jsonschema.settings import ONE_OF, JsonSchemaConverterSettings

_INTEGERS = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)


class Values:
    """Reads and writes values.

    Args:
        settings: see JsonSchemaConverterSettings.
    """

    def __init__(self, settings: JsonSchemaConverterSettings) -> None:
        self._numeric = settings.decimal_format.upper() == "NUMERIC"
        self._fills = not settings.ignore_default_for_nullables

    def read(self, schema: Schema, given: Any, name: str = "value") -> Any:
        """Return a value of parsed JSON.

        Raises:
            DataError: it does not fit.
        """
        if given is None:
            if schema.default is not None:
                return schema.default
            if schema.optional:
                return None
            raise DataError(f"null for the required {schema.type.value} {name!r}")
        if logical_type(schema) is None:
            if schema.type is Type.STRUCT:
                return self._read_struct(schema, given, name)
            if schema.type is Type.ARRAY and schema.value_schema is not None:
                if not isinstance(given, list):
                    raise DataError(f"{name!r} is no array")
                return [self.read(schema.value_schema, one, name) for one in given]
            if schema.type is Type.MAP:
                return self._read_map(schema, given, name)
        return read_json(schema, given, name=name)

    def _read_struct(self, schema: Schema, given: Any, name: str) -> Struct:
        if schema.name == ONE_OF:
            return self._read_one_of(schema, given, name)
        if not isinstance(given, Mapping):
            raise DataError(f"{name!r} is no object")
        row = [
            self.read(one.schema, given[one.name], one.name) if one.name in given else one.schema.default
            for one in schema.fields
        ]
        return Struct.from_row(schema, row)

    def _read_one_of(self, schema: Schema, given: Any, name: str) -> Struct:
        best, most = None, 0
        for one in schema.fields:
            if _is_simple(one.schema, given):
                return Struct(schema, {one.name: self.read(one.schema, given, name)})
            matching = _matching(one.schema, given)
            if matching > most:
                best, most = one, matching
        if best is None:
            raise DataError(f"{name!r} fits none of the {len(schema.fields)} schemas that it may have")
        return Struct(schema, {best.name: self.read(best.schema, given, name)})

    def _read_map(self, schema: Schema, given: Any, name: str) -> dict[Any, Any]:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            raise DataError("a map has no schema for its keys or values")
        if keys.type is Type.STRING and not keys.optional:
            if not isinstance(given, Mapping):
                raise DataError(f"{name!r} is no object")
            return {key: self.read(values, one, key) for key, one in given.items()}
        if not isinstance(given, list) or not all(_is_entry(one) for one in given):
            raise DataError(f"{name!r} is no list of keys and values")
        try:
            return {self.read(keys, one["key"], name): self.read(values, one["value"], name) for one in given}
        except TypeError as error:
            raise DataError(f"a key of {name!r} cannot be one: {error}") from error

    def write(self, schema: Schema, value: Any) -> Any:
        """Return a value as JSON is made of; of a decimal as a number, a Decimal."""
        if value is None:
            return None
        logical = logical_type(schema)
        if schema.name == DECIMAL and self._numeric:
            return value
        if logical is not None:
            value = logical.to_base(schema, value)
        if schema.type is Type.BYTES:
            return base64.b64encode(bytes(value)).decode()
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            return [self._written(schema.value_schema, one) for one in value]
        if schema.type is Type.MAP:
            return self._write_map(schema, value)
        if schema.type is Type.STRUCT:
            return self._write_struct(schema, value)
        return value

    def _written(self, schema: Schema, value: Any) -> Any:
        """Return a value inside another: its default in place of a null."""
        if value is None and self._fills:
            value = schema.default
        return self.write(schema, value)

    def _write_map(self, schema: Schema, value: Mapping[Any, Any]) -> Any:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            raise DataError("a map has no schema for its keys or values")
        if keys.type is Type.STRING and not keys.optional:
            return {key: self._written(values, one) for key, one in value.items()}
        return [
            {"key": self._written(keys, key), "value": self._written(values, one)}
            for key, one in value.items()
        ]

    def _write_struct(self, schema: Schema, value: Struct) -> Any:
        if schema.name == ONE_OF:
            pairs = zip(schema.fields, value.row, strict=True)
            return next((self.write(one.schema, item) for one, item in pairs if item is not None), None)
        made = {}
        for one, item in zip(schema.fields, value.row, strict=True):
            written = self._written(one.schema, item)
            if written is not None or one.schema.optional:
                made[one.name] = written
        return made


def _is_entry(given: Any) -> bool:
    return isinstance(given, Mapping) and given.keys() == {"key", "value"}


def _is_simple(schema: Schema, given: Any) -> bool:
    if isinstance(given, bool):
        return schema.type is Type.BOOLEAN
    if schema.type in _INTEGERS:
        return isinstance(given, int)
    if schema.type in (Type.FLOAT32, Type.FLOAT64):
        return isinstance(given, int | float | Decimal)
    if schema.type is Type.STRING:
        return isinstance(given, str)
    if schema.type is Type.BYTES:
        return _is_bytes(schema, given)
    if schema.type is Type.ARRAY:
        return isinstance(given, list)
    return schema.type is Type.MAP and isinstance(given, list | Mapping)


def _is_bytes(schema: Schema, given: Any) -> bool:
    if not isinstance(given, str):
        return schema.name == DECIMAL and isinstance(given, int | Decimal)
    try:
        decoded = base64.b64decode(given, validate=True)
    except binascii.Error:
        return False
    return schema.name != DECIMAL or decimal_from_bytes(schema, decoded) is not None


def _matching(schema: Schema, given: Any) -> int:
    """Return how many fields an object has in common with a struct, inner ones too."""
    if schema.type is not Type.STRUCT or not isinstance(given, Mapping):
        return 0
    common = [one for one in schema.fields if one.name in given]
    return len(common) + sum(_matching(one.schema, given[one.name]) for one in common)
