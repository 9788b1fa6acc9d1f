"""Connect schemas to Avro's: one without a name is ConnectDefault, what Avro cannot say is in properties.

A named type is written whole where it comes first and by its name after that, as Avro wants it. Pure.

Source: Confluent `io.confluent.connect.avro.AvroData.fromConnectSchema`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from tidelock.connect.api import DECIMAL, DataError, Schema, Struct, Type, logical_type
from tidelock.connect.api.schema import DATE, SCALE, TIME, TIMESTAMP
from tidelock.connect.converters.avro.settings import DEFAULT_NAME, NAMESPACE, AvroConverterSettings
from tidelock.connect.converters.avro.to_connect import (
    ANYTHING,
    DEFAULT_PRECISION,
    ENUM,
    ENUM_DEFAULT,
    ENUM_DOC,
    FIELD_DEFAULT,
    FIELD_DOC,
    FIXED_SIZE,
    PRECISION,
    RECORD_DOC,
    UNION,
)

MAP_ENTRY = "MapEntry"
_PLAIN = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_LOGICAL = {DATE: "date", TIME: "time-millis", TIMESTAMP: "timestamp-millis"}
_MARKED = {Type.INT8: "int8", Type.INT16: "int16"}  # the types that Avro has not got
_FIRST = re.compile(r"[A-Za-z_]")
_INVALID = re.compile(r"[^A-Za-z0-9_]")
_ANYTHING_FIELDS = ("boolean", "bytes", "double", "float", "int", "long", "string")


def anything() -> dict[str, Any]:
    """Return the schema of values without one: a record with a field per type."""
    fields: list[dict[str, Any]] = [
        {"name": one, "type": ["null", one], "default": None} for one in _ANYTHING_FIELDS
    ]
    array = {"type": "array", "items": "Anything"}
    entry = {
        "type": "record",
        "name": MAP_ENTRY,
        "fields": [{"name": "key", "type": "Anything"}, {"name": "value", "type": "Anything"}],
    }
    fields.append({"name": "array", "type": ["null", array]})
    fields.append({"name": "map", "type": ["null", {"type": "array", "items": entry}]})
    return {"type": "record", "name": "Anything", "namespace": NAMESPACE, "fields": fields}


def scrubbed(name: str) -> str:
    """Return a name in a form that Avro allows."""
    found = quote_plus(name, safe="*")
    if not _FIRST.match(found):
        found = f"x{found}"
    return _INVALID.sub("_", found)


class FromConnect:
    """Translates one schema; made anew for each, as it remembers what was defined.

    Args:
        settings: see AvroConverterSettings.
    """

    def __init__(self, settings: AvroConverterSettings) -> None:
        self._settings = settings
        self._defined: dict[Schema, tuple[str, str]] = {}  # schema -> namespace and name
        self._unnamed = 0

    def text(self, schema: Schema | None) -> str:
        """Return the Avro schema as JSON."""
        if schema is None:
            return json.dumps(anything(), separators=(",", ":"))
        made = self._schema(schema, "")
        return json.dumps(made, ensure_ascii=False, separators=(",", ":"))

    def _schema(self, schema: Schema, space: str) -> Any:
        """Return a schema's JSON.

        Args:
            schema: of ours.
            space: namespace around it.
        """
        if schema.name == UNION:
            return self._union(schema, space)
        made = self._required(schema.with_(optional=False), space)
        if not schema.optional:
            return made
        return ["null", made] if schema.default is None or schema.type is Type.STRUCT else [made, "null"]

    def _union(self, schema: Schema, space: str) -> list[Any]:
        made: list[Any] = ["null"] if schema.optional else []
        return made + [self._required(one.schema.with_(optional=False), space) for one in schema.fields]

    def _required(self, schema: Schema, space: str) -> Any:
        if schema in self._defined:
            namespace, name = self._defined[schema]
            return name if namespace == space else f"{namespace}.{name}"
        if schema.type is Type.STRUCT:
            return self._record(schema, space)
        if schema.type is Type.ARRAY:
            return self._finished(schema, {"type": "array", "items": self._inner(schema.value_schema, space)})
        if schema.type is Type.MAP:
            return self._map(schema, space)
        if schema.type is Type.STRING and self._is_enum(schema):
            return self._enum(schema, space)
        if schema.type is Type.BYTES and FIXED_SIZE in schema.parameters:
            return self._fixed(schema, space)
        made = self._finished(schema, {"type": _PLAIN[schema.type]})
        return made["type"] if len(made) == 1 else made

    def _inner(self, schema: Schema | None, space: str) -> Any:
        if schema is None:
            raise DataError("an array or a map has no schema for what is in it")
        return self._schema(schema, space)

    def _named(self, schema: Schema, space: str, given: str | None = None) -> tuple[str, dict[str, Any]]:
        """Return the namespace inside a named type, and its JSON so far; it is defined from here on."""
        name = given or schema.name
        if name is None:
            self._unnamed += 1
            namespace = NAMESPACE
            short = DEFAULT_NAME if self._unnamed == 1 else f"{DEFAULT_NAME}{self._unnamed}"
        else:
            namespace, _, short = ".".join(self.name(part) for part in name.split(".")).rpartition(".")
        self._defined[schema] = namespace, short
        made: dict[str, Any] = {"name": short}
        if namespace != space:
            made["namespace"] = namespace
        return namespace, made

    def name(self, name: str) -> str:
        """Return a field's or type's name as Avro gets it."""
        return scrubbed(name) if self._settings.scrub_invalid_names else name

    def _record(self, schema: Schema, space: str) -> dict[str, Any]:
        namespace, head = self._named(schema, space)
        made = {"type": "record", **head}
        if RECORD_DOC in schema.parameters:
            made["doc"] = schema.parameters[RECORD_DOC]
        made["fields"] = []  # in its place; the fields come when the name is known
        made["fields"] = [
            self._field(
                self.name(one.name), one.schema, namespace, schema.parameters.get(FIELD_DOC + one.name)
            )
            for one in schema.fields
        ]
        return self._finished(schema, made)

    def _field(self, name: str, schema: Schema, space: str, doc: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name, "type": self._schema(schema, space)}
        if doc is not None:
            made["doc"] = doc
        default = None if schema.default is None else self._default(schema, schema.default)
        if default is not None:
            if is_default(made["type"], default):
                made["default"] = default
        elif schema.optional:
            made["default"] = None
        return made

    def _map(self, schema: Schema, space: str) -> dict[str, Any]:
        key, value = schema.key_schema, schema.value_schema
        if key is None or value is None:
            raise DataError("a map has no schema for its keys or values")
        if self.has_text_keys(schema):
            return self._finished(schema, {"type": "map", "values": self._schema(value, space)})
        if schema.name is None:
            namespace, head = NAMESPACE, {"name": MAP_ENTRY}
            if space != NAMESPACE:
                head["namespace"] = NAMESPACE
        else:
            namespace, head = self._named(schema, space)
            del self._defined[schema]  # the name is the entry's, not the array's
        entry = {
            "type": "record",
            **head,
            "fields": [self._field("key", key, namespace), self._field("value", value, namespace)],
        }
        if schema.name is not None:
            entry["connect.internal.type"] = MAP_ENTRY
        return self._finished(schema, {"type": "array", "items": entry})

    def has_text_keys(self, schema: Schema) -> bool:
        """Whether a map is an Avro map, not an array of entries."""
        key = schema.key_schema
        return (
            key is not None
            and key.type is Type.STRING
            and (not key.optional or self._settings.allow_optional_map_keys)
        )

    def _is_enum(self, schema: Schema) -> bool:
        return self._settings.enhanced_avro_schema_support and ENUM in schema.parameters

    def _enum(self, schema: Schema, space: str) -> dict[str, Any]:
        _, head = self._named(schema, space, schema.parameters[ENUM])
        name = head["name"] if schema.name is None else schema.name.rpartition(".")[2]
        made: dict[str, Any] = {"type": "enum", **head}
        if (doc := schema.parameters.get(ENUM_DOC + name)) is not None:
            made["doc"] = doc
        start = f"{ENUM}."
        made["symbols"] = [one.removeprefix(start) for one in schema.parameters if one.startswith(start)]
        if (default := schema.parameters.get(ENUM_DEFAULT + name)) is not None:
            made["default"] = default
        return self._finished(schema, made)

    def _fixed(self, schema: Schema, space: str) -> dict[str, Any]:
        _, head = self._named(schema, space)
        return self._finished(schema, {"type": "fixed", **head, "size": int(schema.parameters[FIXED_SIZE])})

    def _finished(self, schema: Schema, made: dict[str, Any]) -> dict[str, Any]:
        """Add what only Connect's schemas have, and the logical type."""
        if self._settings.connect_meta_data:
            made |= self._meta(schema)
        if schema.name == DECIMAL:
            made |= _decimal(schema)
        elif schema.name in _LOGICAL:
            made["logicalType"] = _LOGICAL[schema.name]
        return made | {name: text for name, text in schema.parameters.items() if name.startswith("avro")}

    def _meta(self, schema: Schema) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if schema.doc is not None:
            made["connect.doc"] = schema.doc
        if schema.version is not None:
            made["connect.version"] = schema.version
        parameters = {one: text for one, text in schema.parameters.items() if one != FIELD_DEFAULT}
        if parameters:
            made["connect.parameters"] = parameters
        if schema.default is not None and FIELD_DEFAULT not in schema.parameters:
            made["connect.default"] = self._default(schema, schema.default)
        if schema.name is not None:
            made["connect.name"] = schema.name
        if schema.type in _MARKED:
            made["connect.type"] = _MARKED[schema.type]
        return made

    def _default(self, schema: Schema, value: Any) -> Any:
        """Return a default as Avro's JSON has it."""
        if value is None:
            return None
        logical = logical_type(schema)
        if logical is not None:
            value = logical.to_base(schema, value)
        if schema.type is Type.BYTES:
            return bytes(value).decode("latin-1")
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            return [self._default(schema.value_schema, one) for one in value]
        if schema.type is Type.MAP:
            return self._map_default(schema, value)
        if schema.type is Type.STRUCT:
            return self._struct_default(schema, value)
        return value

    def _map_default(self, schema: Schema, value: Mapping[Any, Any]) -> Any:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            raise DataError("a map has no schema for its keys or values")
        if self.has_text_keys(schema):
            return {one: self._default(values, other) for one, other in value.items()}
        return [[self._default(keys, one), self._default(values, other)] for one, other in value.items()]

    def _struct_default(self, schema: Schema, value: Struct) -> Any:
        made = {self.name(one.name): self._default(one.schema, value[one.name]) for one in schema.fields}
        return next(iter(made.values())) if schema.name == UNION else made


def is_default(avro: Any, value: Any) -> bool:
    """Whether Avro allows a field's default; of a union it must be of the first type, also further inside.

    Source: Apache Avro `Schema.isValidDefault`. A named type that is defined elsewhere is taken at its word.
    """
    if isinstance(avro, list):
        return is_default(avro[0], value)
    kind = avro["type"] if isinstance(avro, dict) else avro
    if kind == "array":
        return isinstance(value, list) and all(is_default(avro["items"], one) for one in value)
    if kind == "map":
        return isinstance(value, dict) and all(is_default(avro["values"], one) for one in value.values())
    if kind == "record":
        return isinstance(value, dict) and all(
            is_default(one["type"], value.get(one["name"], one.get("default"))) for one in avro["fields"]
        )
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("int", "long", "float", "double"):
        return isinstance(value, int | float)
    return isinstance(value, str) or kind not in ("string", "bytes", "enum", "fixed")


def _decimal(schema: Schema) -> dict[str, Any]:
    """Return the logical type of a Decimal; none where Avro would not allow its digits."""
    precision = int(schema.parameters.get(PRECISION, DEFAULT_PRECISION))
    scale = int(schema.parameters.get(SCALE, 0))
    if not 0 <= scale <= precision:
        return {}
    return {"logicalType": "decimal", "precision": precision, "scale": scale}


__all__ = ["ANYTHING", "FromConnect", "anything", "scrubbed"]
