"""Random message objects for every generated codec, from the same schemas as the generator.

The bytes are judged by other people's codecs (tests/property/protocol/test_oracles.py), so a mistake that
generator and values share still shows. Drawn from a seed: twenty times as fast as a strategy per field.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

from tidelock.protocol.primitives import Message

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import kafka_schema  # lives in tools/, beside the generator
from kafka_schema import Field, Schema, Struct  # the same

BITS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
TEXTS = ("", "a", "orders", "한글", "x" * 200)
BYTES = (b"", b"\x00", b"payload", bytes(300))


@cache
def schemas() -> tuple[Schema, ...]:
    """Every message there is a codec for."""
    found: dict[str, Schema] = {}
    for folder in kafka_schema.folders():
        for path in sorted(folder.glob("*.json")):
            schema = kafka_schema.load(path)
            if schema.kind != "header":
                found.setdefault(schema.name, schema)
    return tuple(found.values())


@cache
def message_class(schema_name: str) -> type[Message]:
    """Our class of a schema's name."""
    stem = schema_name.removesuffix("Request").removesuffix("Response")
    module = importlib.import_module(f"tidelock.protocol.messages.{kafka_schema.snake(stem)}")
    return cast("type[Message]", getattr(module, schema_name))


def schema_of(name: str) -> Schema:
    """The schema of a message."""
    return next(schema for schema in schemas() if schema.name == name)


def versions() -> Iterator[tuple[str, int]]:
    """Every (name of a message, version)."""
    for schema in schemas():
        for version in range(schema.versions.low, schema.versions.high + 1):
            yield schema.name, version


def sample(schema: Schema, version: int, random: Random) -> Any:
    """A message whose every field is one that `version` can carry; the others have their defaults."""
    return struct(schema.root, version, message_class(schema.name), random)


def struct(one: Struct, version: int, cls: type[Any], random: Random) -> Any:
    fields = [field for field in one.fields if version in field.versions]
    return cls(**{field.name: value(field, version, cls, random) for field in fields})


def value(one: Field, version: int, owner: type[Any], random: Random) -> Any:
    nullable = version in one.nullable or (one.is_tagged(version) and one.null_default)
    if nullable and random.random() < 0.3:
        return None
    if one.is_array:
        return [element(one, version, owner, random) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    return element(one, version, owner, random)


def element(one: Field, version: int, owner: type[Any], random: Random) -> Any:
    if one.struct is not None:
        return struct(one.struct, version, inner_class(one.struct.name, owner), random)
    if one.element == "string":
        return random.choice(TEXTS)
    if one.element in ("bytes", "records"):
        return random.choice(BYTES)
    if one.element == "uuid":
        return random.choice((bytes(16), random.randbytes(16)))
    if one.element == "bool":
        return random.random() < 0.5
    if one.element == "float64":
        return random.choice((0.0, -1.5, 1e300))
    return integer(one, random)


def integer(one: Field, random: Random) -> int:
    """Any value of the type, edges often; kio makes enums, durations and dates of some, which span less."""
    if one.name.endswith("error_code"):
        return random.randint(-1, 129)
    if one.name.endswith(("_ms", "timestamp", "timeout")):
        return random.choice((0, 30_000, random.getrandbits(31)))
    if one.element == "uint16":
        return random.choice((0, 80, 65535))
    edge = 1 << BITS[one.element]
    return random.choice((-edge, edge - 1, -1, 0, 1, random.randrange(-edge, edge)))


def inner_class(name: str, owner: type[Any]) -> type[Any]:
    """The class of an inner struct; a response's may carry a prefix where the request has the same name."""
    module = sys.modules[owner.__module__]
    if owner.__name__.startswith("Response") or owner.__name__.endswith("Response"):
        prefixed = getattr(module, f"Response{name}", None)
        if prefixed is not None:
            return cast("type[Any]", prefixed)
    return cast("type[Any]", getattr(module, name))
