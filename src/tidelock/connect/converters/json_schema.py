"""Connect schemas as JSON: the `schema` half of JsonConverter's envelope, both ways.

    {"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},
    ...],"optional":false,"name":"row"}

The order of keys on output is Kafka's. Reading is as lenient as the original where that is harmless (a name
that is no text is ignored) and strict where guessing would corrupt data. Defaults need the value codec, so
both functions take it as an argument. Imports the api only.

Source: Kafka `org.apache.kafka.connect.json.{JsonConverter.asJsonSchema, asConnectSchema, JsonSchema}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidelock.connect.api import DataError, Field, Schema, Type

JSON_NAMES = {one: one.value for one in Type} | {Type.FLOAT32: "float", Type.FLOAT64: "double"}
TYPES = {name: kind for kind, name in JSON_NAMES.items()}

ValueCodec = Callable[[Schema, Any], Any]


def schema_to_json(schema: Schema, to_json: ValueCodec) -> dict[str, Any]:
    """Return the JSON object of a schema.

    Args:
        schema: any schema.
        to_json: turns a default into its JSON value.
    """
    made: dict[str, Any] = {"type": JSON_NAMES[schema.type]}
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        made["items"] = schema_to_json(schema.value_schema, to_json)
    elif schema.type is Type.MAP and schema.key_schema is not None and schema.value_schema is not None:
        made["keys"] = schema_to_json(schema.key_schema, to_json)
        made["values"] = schema_to_json(schema.value_schema, to_json)
    elif schema.type is Type.STRUCT:
        made["fields"] = [
            {**schema_to_json(field.schema, to_json), "field": field.name} for field in schema.fields
        ]
    made["optional"] = schema.optional
    for name in ("name", "version", "doc"):
        if (part := getattr(schema, name)) is not None:
            made[name] = part
    if schema.parameters:
        made["parameters"] = dict(schema.parameters)
    if schema.default is not None:
        made["default"] = to_json(schema, schema.default)
    return made


def schema_from_json(given: Any, from_json: ValueCodec) -> Schema:
    """Return the schema that a JSON value describes.

    Args:
        given: the parsed JSON.
        from_json: turns the JSON value of a default into a value of the schema.

    Raises:
        DataError: it describes none.
    """
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise DataError("Schema must contain 'type' field")
    kind = TYPES.get(given["type"])
    if kind is None:
        raise DataError(f"Unknown schema type: {given['type']}")
    schema = Schema(type=kind, **_inner(kind, given, from_json), **_described(given))
    default = given.get("default")
    return schema if default is None else schema.with_(default=from_json(schema, default))


def _inner(kind: Type, given: dict[str, Any], from_json: ValueCodec) -> dict[str, Any]:
    if kind is Type.ARRAY:
        return {
            "value_schema": _part(given, "items", "Array schema did not specify the element type", from_json)
        }
    if kind is Type.MAP:
        return {
            "key_schema": _part(given, "keys", "Map schema did not specify the key type", from_json),
            "value_schema": _part(given, "values", "Map schema did not specify the value type", from_json),
        }
    if kind is Type.STRUCT:
        return {"fields": tuple(_fields(given.get("fields"), from_json))}
    return {}


def _part(given: dict[str, Any], name: str, missing: str, from_json: ValueCodec) -> Schema:
    part = given.get(name)
    if part is None:
        raise DataError(missing)
    return schema_from_json(part, from_json)


def _fields(given: Any, from_json: ValueCodec) -> list[Field]:
    if not isinstance(given, list):
        raise DataError("Struct schema's 'fields' argument is not an array")
    made = []
    for index, item in enumerate(given):
        if not isinstance(item, dict) or not isinstance(item.get("field"), str):
            raise DataError("Struct schema's field name not specified properly")
        made.append(Field(item["field"], index, schema_from_json(item, from_json)))
    return made


def _described(given: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"optional": given.get("optional") is True}
    for name, kind in (("name", str), ("version", int), ("doc", str)):
        part = given.get(name)
        if isinstance(part, kind) and not isinstance(part, bool):
            made[name] = part
    parameters = given.get("parameters")
    if isinstance(parameters, dict):
        for name, part in parameters.items():
            if not isinstance(part, str):
                raise DataError(f"Schema parameter {name!r} must be a string")
        made["parameters"] = parameters
    return made
