"""Schemas and values as the Java side of the golden cases prints them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tidelock.connect.api import Schema, Struct, Type, logical_type


def describe(schema: Schema | None, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Struct):
        pairs = zip(value.schema.fields, value.row, strict=True)
        return {"struct": {field.name: describe(field.schema, item) for field, item in pairs}}
    if isinstance(value, dict):
        keys, values = (schema.key_schema, schema.value_schema) if schema else (None, None)
        return {"map": sorted(([describe(keys, k), describe(values, v)] for k, v in value.items()), key=str)}
    if isinstance(value, list):
        return {"list": [describe(schema.value_schema if schema else None, item) for item in value]}
    return plain(schema, value)


def plain(schema: Schema | None, value: Any) -> Any:
    logical = logical_type(schema)
    if isinstance(value, Decimal):
        return {"decimal": value}
    if logical is not None:
        unit = 86_400_000 if type(value) is dt.date else 1
        return {"ms": logical.to_base(schema, value) * unit}
    if isinstance(value, dt.date | dt.time):
        [kind] = ({dt.datetime: Schema.timestamp, dt.time: Schema.time, dt.date: Schema.date}[type(value)],)
        return plain(kind(), value)
    if isinstance(value, bool):
        return {"boolean": value}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return {{int: "int", float: "float", str: "string"}[type(value)]: value}


def expected(described: Any) -> Any:
    """Read a description of the Java side."""
    if isinstance(described, list):
        return [expected(item) for item in described]
    if not isinstance(described, dict):
        return described
    [(kind, value)] = described.items() if len(described) == 1 else [("", None)]
    reads = {"decimal": Decimal, "int": int, "float": float}
    if kind in reads:
        return {kind: reads[kind](value)}
    if kind == "struct":
        return {"struct": {name: expected(item) for name, item in value.items()}}
    if kind == "map":
        return {"map": sorted(expected(value), key=str)}
    return {kind: expected(value)}


def describe_schema(schema: Schema | None) -> Any:
    if schema is None:
        return None
    out: dict[str, Any] = {"type": schema.type.value}
    if schema.optional:
        out["optional"] = True
    for name in ("name", "version", "doc"):
        if getattr(schema, name) is not None:
            out[name] = getattr(schema, name)
    if schema.parameters:
        out["parameters"] = dict(schema.parameters)
    if schema.default is not None:
        out["default"] = describe(schema, schema.default)
    if schema.type is Type.STRUCT:
        out["fields"] = [[field.name, describe_schema(field.schema)] for field in schema.fields]
    elif schema.type is Type.MAP:
        out["keys"] = describe_schema(schema.key_schema)
        out["values"] = describe_schema(schema.value_schema)
    elif schema.type is Type.ARRAY:
        out["items"] = describe_schema(schema.value_schema)
    return out


def expected_schema(described: Any) -> Any:
    """Read a schema's description of the Java side."""
    if not isinstance(described, dict):
        return described
    made = dict(described)
    if "default" in made:
        made["default"] = expected(made["default"])
    if "fields" in made:
        made["fields"] = [[name, expected_schema(schema)] for name, schema in made["fields"]]
    for name in ("keys", "values", "items"):
        if name in made:
            made[name] = expected_schema(made[name])
    return made
