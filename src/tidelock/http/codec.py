"""Turning values into bodies and answers into values: msgspec, dataclass or pydantic, chosen per type.

msgspec handles Structs, dataclasses, TypedDicts and the built-in types; a type that mentions a pydantic
model goes to pydantic, which is used only if the user's code has imported it. Each type's encoder and
decoder is made once. No IO. Invariant: what does not fit raises ValueError whose text says where in the
value.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Decoder = Callable[[bytes], Any]
Encoder = Callable[[Any], bytes]


def decoder(kind: Any) -> Decoder:
    """Return the function that reads a JSON body as this type.

    Raises:
        TypeError: no codec knows the type.
    """
    if kind is bytes:
        return bytes
    if mentions_pydantic(kind):
        adapter = sys.modules["pydantic"].TypeAdapter(kind)
        validate: Decoder = adapter.validate_json
        return validate
    read: Decoder = msgspec.json.Decoder(kind).decode
    return read


def encoder(kind: Any) -> Encoder:
    """Return the function that writes a value of this type as JSON."""
    if kind is bytes:
        return bytes
    if mentions_pydantic(kind):
        adapter = sys.modules["pydantic"].TypeAdapter(kind)
        dump: Encoder = adapter.dump_json
        return dump
    write: Encoder = msgspec.json.Encoder().encode
    return write


def mentions_pydantic(kind: Any) -> bool:
    """Whether the type is a pydantic model or has one among its arguments."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return False
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return True
    if hasattr(kind, "__pydantic_validator__"):
        return True  # a pydantic dataclass
    return any(mentions_pydantic(argument) for argument in typing.get_args(kind))


def mentions_struct(kind: Any) -> bool:
    """Whether the type is a msgspec Struct or has one among its arguments."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return True
    return any(mentions_struct(argument) for argument in typing.get_args(kind))


def reader(kind: Any) -> Callable[[list[str]], Any]:
    """Return the function that reads the texts of a path, query or header parameter as this type.

    One text, unless the type is a sequence. ValueError says what does not fit.
    """
    many = is_many(kind)

    def read(texts: list[str]) -> Any:
        return msgspec.convert(texts if many else texts[-1], kind, strict=False)

    return read


def is_many(kind: Any) -> bool:
    """Whether values of this type are collections, or None."""
    plain = [argument for argument in typing.get_args(kind) if argument is not type(None)]
    bare = plain[0] if typing.get_origin(kind) in (typing.Union, types.UnionType) and plain else kind
    origin = typing.get_origin(bare) or bare
    return isinstance(origin, type) and issubclass(origin, (list, tuple, set, frozenset))


def is_structured(kind: Any) -> bool:
    """Whether a parameter of this type is a body rather than a query parameter."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return is_structured(typing.get_args(kind)[0])
    if origin is not None:
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return True
        return any(is_structured(argument) for argument in typing.get_args(kind))
    if typing.is_typeddict(kind) or dataclasses.is_dataclass(kind) or mentions_pydantic(kind):
        return True
    if not isinstance(kind, type):
        return any(is_structured(argument) for argument in typing.get_args(kind))
    return kind is bytes or issubclass(kind, (msgspec.Struct, Mapping))


def text_of(value: Any) -> str:
    """Return a value as it stands in a path, a query or a header.

    Raises:
        TypeError: a value without one obvious text, such as a list.
    """
    kind = type(value)
    if kind is str:
        return typing.cast("str", value)
    if kind is int or kind is float:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    plain = value.value if isinstance(value, enum.Enum) else msgspec.to_builtins(value)
    if type(plain) in (str, int, float, bool):
        return text_of(plain)
    raise TypeError(f"{value!r} has no text for a path, a query or a header")
