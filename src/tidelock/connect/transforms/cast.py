"""Cast: fields, or the whole key or value, to another primitive type.

Numbers are cut to fewer bits as Java does; text is read as a number of the wanted type; bytes become base64;
dates and times become their number, or their ISO text. Imports the api, part, paths and rewrite.

Source: Kafka `org.apache.kafka.connect.transforms.Cast`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, key
from tidelock.connect.api import DataError, Schema, Struct, Type, float32, logical_type, to_text
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan, required_map
from tidelock.connect.transforms.paths import Path, PathSettings, parse_path
from tidelock.connect.transforms.rewrite import (
    Change,
    ColumnChange,
    required_fields,
    rewritten,
    rewritten_map,
    struct_plan,
)

BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
FLOATS = (Type.FLOAT32, Type.FLOAT64)
TARGETS = {one.value: one for one in (*BITS, *FLOATS, Type.BOOLEAN, Type.STRING)}
CONTAINERS = (Type.ARRAY, Type.MAP, Type.STRUCT)
INTEGER_TEXT = re.compile(r"[+-]?\d+")
FLOAT_TEXT = re.compile(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?)")
PURPOSE = "cast types"


def parse_spec(spec: tuple[str, ...], version: str) -> tuple[dict[Path, Type], Type | None]:
    """Return the casts by path, and that of the whole value.

    Raises:
        ConfigError: the specification is not understood.
    """
    casts: dict[Path, Type] = {}
    whole: Type | None = None
    for item in spec:
        name, _, target = item.rpartition(":")
        try:
            if target.strip() not in TARGETS:
                raise ValueError(f"{target!r} is no type to cast to; these are: {', '.join(TARGETS)}")
            if ":" in item:
                casts[parse_path(name.strip(), version)] = TARGETS[target.strip()]
            else:
                whole = TARGETS[target.strip()]
        except ValueError as error:
            raise ConfigError((Problem("spec", item, str(error)),)) from None
    if not spec or (whole is not None and len(spec) > 1):
        why = "give fields with types, or one type for the whole value"
        raise ConfigError((Problem("spec", ",".join(spec), why),))
    return casts, whole


class CastSettings(PathSettings, NullSettings):
    """Keys of Cast."""

    spec: tuple[str, ...] = key(
        importance=Importance.HIGH,
        doc="field:type, by comma; or one type for the whole value. Types: " + ", ".join(TARGETS) + ".",
    )


class Cast(PartTransform):
    """Casts fields or the whole."""

    settings = CastSettings
    skips_null = True

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = CastSettings.parse(props, strict=False)
        self._fill = given.replace_null_with_default
        self._casts, self._whole = parse_spec(given.spec, given.field_syntax_version)

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if self._whole is not None:
            target = self._whole
            if schema is None:
                return Plan(None, lambda value, record: cast_untyped(value, target))
            new, change = cast_plan(schema, target)
            if logical_type(schema) is None:  # its name would say what the new type cannot hold
                kept = {"name": schema.name, "version": schema.version, "doc": schema.doc}
                new = new.with_(parameters=schema.parameters, **kept)
            return Plan(new, lambda value, record: change(value))
        if schema is None:
            convert_map = rewritten_map({path: _untyped(target) for path, target in self._casts.items()})
            return Plan(None, lambda value, record: convert_map(required_map(value, PURPOSE)))
        required_fields(schema, PURPOSE)
        leaves = {path: _leaf(target) for path, target in self._casts.items()}
        return struct_plan(rewritten(schema, leaves, fill=self._fill), PURPOSE)


class CastKey(Cast):
    """Of the key."""

    is_key = True


class CastValue(Cast):
    """Of the value."""


def _leaf(target: Type) -> Callable[[Schema], tuple[Schema, Change]]:
    return lambda schema: cast_plan(schema, target)


def _untyped(target: Type) -> Change:
    return lambda value: cast_untyped(value, target)


def cast_plan(schema: Schema, target: Type) -> tuple[Schema, Change]:
    """Plan the cast of values of a schema."""
    if schema.type in CONTAINERS:

        def refuse(value: Any) -> Any:
            if value is None:
                return None
            raise DataError(f"Cast transformation does not support casting to/from {schema.type.value}")

        return Schema.of(target, optional=schema.optional), refuse

    def change(value: Any) -> Any:
        return None if value is None else cast_value(schema, value, target)

    default = None if schema.default is None else change(schema.default)
    new = Schema.of(target, optional=schema.optional, default=default)
    return new, ColumnChange(change, partial(_plain_integers, schema, target))


def _plain_integers(schema: Schema, target: Type, values: list[Any]) -> list[Any] | None:
    """Cast a column of integers that needs no look at each: to as many bits or more, or to text."""
    bits = BITS.get(schema.type)
    if bits is None or schema.name is not None or set(map(type, values)) != {int}:
        return None
    if target is Type.STRING:
        return list(map(str, values))
    return values if BITS.get(target, 0) >= bits else None


def cast_untyped(value: Any, target: Type) -> Any:
    """Cast a value that has no schema."""
    if isinstance(value, dict | list | Struct):
        raise DataError("Cast transformation does not support casting to/from containers")
    return None if value is None else cast_value(None, value, target)


def cast_value(schema: Schema | None, value: Any, target: Type) -> Any:
    """Cast one value that is not null.

    Raises:
        DataError: it has no meaning in that type.
    """
    if target is Type.STRING:
        return to_text(schema, value)
    logical = logical_type(schema)
    if logical is not None and schema is not None and not isinstance(value, Decimal):
        value = logical.to_base(schema, value)
    if isinstance(value, str):
        return _from_text(value, target)
    if not isinstance(value, bool | int | float | Decimal):
        raise DataError(f"Unexpected type in Cast transformation: {type(value).__name__}")
    if target is Type.BOOLEAN:
        return _whole(value, 64) != 0
    if target is Type.FLOAT32:
        return float32(float(value))
    return float(value) if target is Type.FLOAT64 else _whole(value, BITS[target])


def _whole(value: bool | int | float | Decimal, bits: int) -> int:
    """Return the number in so many bits: a float is first brought into range, then all is cut."""
    if isinstance(value, float):
        if math.isnan(value):
            return 0
        bound = 1 << (max(bits, 32) - 1)
        value = bound - 1 if value >= bound else -bound if value <= -bound else value
    number = int(value) & ((1 << bits) - 1)
    return number - (1 << bits) if number >> (bits - 1) else number


def _from_text(text: str, target: Type) -> Any:
    if target is Type.BOOLEAN:
        return text.lower() == "true"
    if target in FLOATS:
        stripped = text.strip()
        if not FLOAT_TEXT.fullmatch(stripped):
            raise DataError(f"Value ({text}) was out of range for requested data type")
        number = float(stripped if stripped.endswith(("NaN", "Infinity")) else stripped.rstrip("fFdD"))
        return float32(number) if target is Type.FLOAT32 else number
    bound = 1 << (BITS[target] - 1)
    number = int(text) if INTEGER_TEXT.fullmatch(text) and len(text) < 30 else bound
    if not -bound <= number < bound:
        raise DataError(f"Value ({text}) was out of range for requested data type")
    return number
