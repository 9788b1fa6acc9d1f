"""Values of a type, drawn at random from a seed: what a contract test calls methods with. No IO."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import random
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidelock.errors import UsageError
from tidelock.http.forms import File

ALPHABET = "aZ09 -_.~&=?#%+/üß漢💧'\""
TRIES = 50
"""Draws until a model whose fields have further rules accepts one."""

PLAIN: dict[Any, Callable[[random.Random], Any]] = {
    int: lambda rng: rng.choice([0, 1, -1, rng.randint(-(2**31), 2**31 - 1)]),
    float: lambda rng: rng.choice([0.0, -1.5, rng.uniform(-1e6, 1e6)]),
    bool: lambda rng: rng.random() < 0.5,
    str: lambda rng: "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 12))).strip(" .") or "x",
    bytes: lambda rng: rng.randbytes(rng.randint(1, 20)),
    type(None): lambda rng: None,
    Any: lambda rng: rng.choice([None, 1, "x", [1], {"a": True}]),
    datetime.date: lambda rng: datetime.date(2000, 1, 1) + datetime.timedelta(rng.randint(0, 20_000)),
    datetime.datetime: lambda rng: (
        datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=rng.randint(0, 10**9))
    ),
    datetime.time: lambda rng: datetime.time(rng.randint(0, 23), rng.randint(0, 59)),
    decimal.Decimal: lambda rng: decimal.Decimal(rng.randint(-(10**6), 10**6)) / 100,
    uuid.UUID: lambda rng: uuid.UUID(int=rng.getrandbits(128), version=4),
    File: lambda rng: File(rng.randbytes(rng.randint(0, 50)), "file.bin"),
}


def value_of(kind: Any, rng: random.Random) -> Any:
    """Return a value of a type.

    Raises:
        UsageError: a type of which nothing is known.
    """
    if kind in PLAIN:
        return PLAIN[kind](rng)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return value_of(arguments[0], rng)
    if origin is typing.Literal:
        return rng.choice(arguments)
    if origin in (typing.Union, types.UnionType):
        return value_of(rng.choice(arguments), rng)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return rng.choice(list(kind))
    if isinstance(origin or kind, type) and origin is not None:
        return _collection(origin, arguments, rng)
    if typing.is_typeddict(kind):
        return {name: value_of(each, rng) for name, each in typing.get_type_hints(kind).items()}
    return _model(kind, rng)


def _collection(origin: Any, arguments: tuple[Any, ...], rng: random.Random) -> Any:
    count = rng.randint(0, 3)
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        return tuple(value_of(each, rng) for each in arguments)
    if issubclass(origin, Mapping):
        return {value_of(arguments[0], rng): value_of(arguments[1], rng) for _ in range(count)}
    made = [value_of(arguments[0], rng) for _ in range(count)]
    return made if issubclass(list, origin) else origin(made)


def _model(kind: Any, rng: random.Random) -> Any:
    known = (
        dataclasses.is_dataclass(kind)
        or hasattr(kind, "model_fields")
        or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))
    )
    if not known:
        raise UsageError(f"no value of {kind!r} can be made up", hint="give examples={...} for this type")
    hints = typing.get_type_hints(kind, include_extras=False)
    names = {(each.alias or name): name for name, each in getattr(kind, "model_fields", {}).items()} or {
        name: name for name in _fields(kind)
    }
    for _ in range(TRIES):
        given = {alias: value_of(hints[name], rng) for alias, name in names.items()}
        try:
            return kind(**given)
        except ValueError as error:
            refused = error
    raise UsageError(
        f"no value of {kind!r} was accepted in {TRIES} draws: {refused}", hint="give examples={...}"
    )


def _fields(kind: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind) if each.init)
    return tuple(each.name for each in msgspec.structs.fields(kind))
