"""Objects as pairs of names and texts: query objects, collection formats, forms, multipart bodies. No IO.

The client writes with it and the server reads with it, so that both sides cannot differ. A field that is None
is left out; a sequence is repeated, or joined where the parameter says so. Invariant: what cannot be read
raises ValueError whose text says where.

Source: OpenFeign `@QueryMap`, `CollectionFormat`; WHATWG URL (application/x-www-form-urlencoded); RFC 7578
(multipart/form-data); RFC 2046, 5.1.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tidelock.http.codec import is_many, mentions_pydantic, text_of

Pairs = list[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """One file of a multipart body.

    Attributes:
        content: its bytes.
        name: as the sender calls it; never to be used as a path.
        content_type: its media type.
    """

    content: bytes
    name: str = "file"
    content_type: str = "application/octet-stream"


def pairs_of(value: Any) -> Pairs:
    """Return an object's fields as pairs.

    Raises:
        TypeError: a field without a text.
    """
    pairs: Pairs = []
    for name, item in fields_of(value).items():
        if item is None:
            continue
        many = isinstance(item, (list, tuple, set, frozenset))
        pairs += [(name, text_of(each)) for each in (item if many else (item,))]
    return pairs


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return an object's fields under their names on the wire, values as they are.

    Raises:
        TypeError: something without fields.
    """
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        named = msgspec.structs.fields(value)
        return {each.encode_name: getattr(value, each.name) for each in named}
    if hasattr(type(value), "model_fields"):  # pydantic's
        models = type(value).model_fields
        return {each.alias or name: getattr(value, name) for name, each in models.items()}
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    raise TypeError(f"{value!r} has no fields for a query or a form")


def object_reader(kind: Any) -> Callable[[Mapping[str, list[Any]]], Any]:
    """Return the function that makes an object of this type from texts (or Files) by name.

    ValueError says what does not fit.
    """
    many = _many_fields(kind)

    def read(given: Mapping[str, list[Any]]) -> Any:
        plain = {
            name: values if many is not None and name in many else values[-1]
            for name, values in given.items()
            if values
        }
        if mentions_pydantic(kind):
            return sys.modules["pydantic"].TypeAdapter(kind).validate_python(plain)
        return msgspec.convert(plain, kind, strict=False)

    return read


def names_of(kind: Any) -> tuple[str, ...] | None:
    """Return the names that an object of this type takes from a query; None is all."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return tuple(each.encode_name for each in msgspec.structs.fields(kind))
    if isinstance(kind, type) and mentions_pydantic(kind) and hasattr(kind, "model_fields"):
        return tuple(each.alias or name for name, each in kind.model_fields.items())
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind))
    return tuple(typing.get_type_hints(kind)) if typing.is_typeddict(kind) else None


def _many_fields(kind: Any) -> frozenset[str] | None:
    names = names_of(kind)
    if names is None:
        return None
    hints = typing.get_type_hints(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        attributes = {each.encode_name: each.name for each in msgspec.structs.fields(kind)}
    elif hasattr(kind, "model_fields"):
        attributes = {each.alias or name: name for name, each in kind.model_fields.items()}
    else:
        attributes = {name: name for name in names}
    return frozenset(name for name, attribute in attributes.items() if is_many(hints[attribute]))


# urlencoded


def write_form(value: Any) -> bytes:
    """Return an object as application/x-www-form-urlencoded."""
    return urllib.parse.urlencode(pairs_of(value)).encode("ascii")


def read_form(body: bytes) -> dict[str, list[Any]]:
    """Read application/x-www-form-urlencoded; ValueError for what is none."""
    text = body.decode("ascii")  # UnicodeDecodeError is a ValueError
    return urllib.parse.parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=10_000)


# multipart


def write_multipart(value: Any, boundary: str) -> bytes:
    """Return an object as multipart/form-data: Files and bytes become files, the rest texts.

    Raises:
        TypeError: a field without a text.
    """
    mark, parts = boundary.encode(), list[bytes]()
    for name, item in fields_of(value).items():
        each = item if isinstance(item, (list, tuple)) else (item,)
        parts += [b"--%b\r\n%b\r\n" % (mark, _part(name, one)) for one in each if one is not None]
    return b"".join(parts) + b"--%b--\r\n" % mark


def _part(name: str, item: Any) -> bytes:
    head = f'content-disposition: form-data; name="{_escaped(name)}"'
    if isinstance(item, bytes):
        item = File(item, name)
    if not isinstance(item, File):
        return head.encode() + b"\r\n\r\n" + text_of(item).encode()
    kind = re.sub(r"[\r\n]", "", item.content_type)
    head += f'; filename="{_escaped(item.name)}"\r\ncontent-type: {kind}'
    return head.encode() + b"\r\n\r\n" + item.content


def _escaped(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def read_multipart(body: bytes, content_type: str) -> dict[str, list[Any]]:
    """Read multipart/form-data; ValueError for what is none.

    Args:
        body: the whole body.
        content_type: the header, which names the boundary.
    """
    found = re.search(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', content_type, re.IGNORECASE)
    if found is None:
        raise ValueError("the content type names no boundary")
    mark = b"--" + (found[1] or found[2]).encode()
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if not parts or not parts[-1].startswith(b"--"):
        raise ValueError("the body has no closing boundary")
    given: dict[str, list[Any]] = {}
    for part in parts[:-1]:
        name, item = _read_part(part)
        given.setdefault(name, []).append(item)
    return given


def _read_part(part: bytes) -> tuple[str, Any]:
    head, blank, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        raise ValueError("a part has no head")
    lines = dict(_header(line) for line in head.decode("utf-8").split("\r\n"))
    disposition = lines.get("content-disposition", "")
    name = re.search(r'[; ]name="([^"]*)"', disposition)
    if name is None:
        raise ValueError("a part has no name")
    file = re.search(r'[; ]filename="([^"]*)"', disposition)
    if file is None:
        return _unescaped(name[1]), content.decode("utf-8")
    kind = lines.get("content-type", "application/octet-stream")
    return _unescaped(name[1]), File(content, _unescaped(file[1]), kind)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _unescaped(text: str) -> str:
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def joined(values: Sequence[Any], separator: str) -> str:
    """Return a collection as one text.

    Raises:
        TypeError: an element that contains the separator, which could not be told apart.
    """
    texts = [text_of(each) for each in values]
    for text in texts:
        if separator in text:
            raise TypeError(f"{text!r} contains {separator!r}, which separates the values")
    return separator.join(texts)
