"""The lines of one generated function, and the text of defaults: what both emitters share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kafka_schema import FIXED, Field

INT_ARRAYS = {"int8": 1, "int32": 4, "int64": 8}


class Body:
    """A function body that grows line by line; knows its indentation and gives out local names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.counts: dict[str, int] = {}

    def put(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is put inside under `head`."""
        self.put(head)
        self.depth += 1
        yield
        self.depth -= 1

    def local(self, letter: str) -> str:
        """A local name that this function has not used yet: n1, n2, ..."""
        number = self.counts[letter] = self.counts.get(letter, 0) + 1
        return f"{letter}{number}"


def struct_name(prefix: str, layout: str) -> str:
    """The module-level name of a compiled struct: pack_hiB for ">hiB"."""
    return f"_{prefix}_{layout.replace('16s', 'u').replace('?', 't')}"


def size_of(layouts: list[str]) -> int:
    sizes = {**dict(FIXED.values()), "B": 1, "x": 1}
    return sum(sizes[layout] for layout in layouts)


def default(one: Field) -> str:
    """The expression of a field's default value, as an attribute holds it."""
    if one.null_default:
        return "None"
    if one.is_array:
        return "[]"
    if one.struct is not None:
        return f"{one.struct.class_name}()"
    if one.type == "string":
        return json.dumps(one.default or "")
    if one.type in ("bytes", "records"):
        return 'b""'
    if one.type == "uuid":
        return "ZERO_UUID"
    if one.type == "bool":
        return str((one.default or "false").lower() == "true")
    if one.type == "float64":
        return repr(float(one.default or 0))
    return str(int(one.default or "0", 0))


def annotation(one: Field) -> str:
    """The type of a field's attribute."""
    names = {
        "bool": "bool",
        "float64": "float",
        "string": "str",
        "uuid": "bytes",
        "bytes": "bytes",
        "records": "Buffer",
    }
    inner = one.struct.class_name if one.struct is not None else names.get(one.element, "int")
    text = f"list[{inner}]" if one.is_array else inner
    never_null = one.nullable.low > one.nullable.high and not one.null_default
    return text if never_null else f"{text} | None"
