"""Connect schemas to JSON Schema: what it cannot say is in `connect.*` keywords. Pure.

Source: Confluent `io.confluent.connect.json.JsonSchemaData.fromConnectSchema`.
"""

from __future__ import annotations

from typing import Any

from tidelock.connect.api import DECIMAL, DataError, Schema, Type
from tidelock.connect.converters.jsonschema.settings import (
    ENUM,
    NAMESPACE,
    ONE_OF,
    JsonSchemaConverterSettings,
)
from tidelock.connect.converters.jsonschema.values import Values

NULL = {"type": "null"}
NULL_SYMBOL = "<NULL>"
_INTEGERS = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_NUMBERS = (*_INTEGERS, Type.FLOAT32, Type.FLOAT64)


class FromConnect:
    """Translates schemas.

    Args:
        settings: see JsonSchemaConverterSettings.
    """

    def __init__(self, settings: JsonSchemaConverterSettings) -> None:
        self._settings = settings
        self._values = Values(settings)

    def schema(self, schema: Schema, index: int | None = None, *, required: bool = False) -> dict[str, Any]:
        """Return the JSON Schema.

        Args:
            schema: of ours.
            index: of the field in its struct.
            required: whether the schema's own optionality is told elsewhere.
        """
        if schema.name == ONE_OF:
            nulls = [NULL] if schema.optional else []
            branches = [self.schema(one.schema, one.index, required=True) for one in schema.fields]
            made: dict[str, Any] = {"oneOf": [*nulls, *branches]}
        else:
            made = self._bare(schema) | self._meta(schema)
            if schema.optional and not required:
                made = {"oneOf": [NULL, made]}
        if index is not None:
            made["connect.index"] = index
        return made

    def _bare(self, schema: Schema) -> dict[str, Any]:
        if schema.type in _NUMBERS:
            kind = "integer" if schema.type in _INTEGERS else "number"
            return {"type": kind, "connect.type": schema.type.value}
        if schema.type is Type.BOOLEAN:
            return {"type": "boolean"}
        if schema.type is Type.STRING:
            return self._text(schema)
        if schema.type is Type.BYTES:
            is_number = schema.name == DECIMAL and self._settings.decimal_format.upper() == "NUMERIC"
            return {"type": "number" if is_number else "string", "connect.type": "bytes"}
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            return {"type": "array", "items": self.schema(schema.value_schema)}
        if schema.type is Type.MAP:
            return self._map(schema)
        if schema.type is Type.STRUCT:
            return self._object(schema)
        raise DataError("an array has no schema for what is in it")

    def _text(self, schema: Schema) -> dict[str, Any]:
        if ENUM not in schema.parameters:
            return {"type": "string"}
        start = f"{ENUM}."
        symbols = [one.removeprefix(start) for one in schema.parameters if one.startswith(start)]
        return {"enum": [None if one == NULL_SYMBOL else one for one in symbols]}

    def _map(self, schema: Schema) -> dict[str, Any]:
        key, value = schema.key_schema, schema.value_schema
        if key is None or value is None:
            raise DataError("a map has no schema for its keys or values")
        if key.type is Type.STRING and not key.optional:
            return {"type": "object", "connect.type": "map", "additionalProperties": self.schema(value)}
        entry = {"key": self.schema(key, 0), "value": self.schema(value, 1)}
        return {"type": "array", "connect.type": "map", "items": {"type": "object", "properties": entry}}

    def _object(self, schema: Schema) -> dict[str, Any]:
        properties = {one.name: self.schema(one.schema, one.index) for one in schema.fields}
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if not self._settings.object_additional_properties:
            made["additionalProperties"] = False
        return made

    def _meta(self, schema: Schema) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if schema.name is not None:
            made["title"] = schema.name
        if schema.version is not None:
            made["connect.version"] = schema.version
        if schema.doc is not None:
            made["description"] = schema.doc
        parameters = {one: text for one, text in schema.parameters.items() if not one.startswith(NAMESPACE)}
        if parameters:
            made["connect.parameters"] = parameters
        if schema.default is not None:
            made["default"] = self._values.write(schema, schema.default)
        return made
