"""Avro schemas as a tree, and the form of them that fastavro decodes by.

fastavro gives Python's types for logical types and hides which branch of a union a value is of. Here values
stay as they are on the wire: logical types are left out of what fastavro gets, and each branch of a union of
several becomes a record with one field, which has the same bytes and tells its name. Pure.

Source: Apache Avro 1.12 specification.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.api import DataError

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NAMED = ("record", "enum", "fixed")
FIELD = "v"  # of the record around a branch


@dataclass(slots=True)
class AvroField:
    """A field of a record; `default` counts where `has_default`."""

    name: str
    type: AvroType
    doc: str | None = None
    default: Any = None
    has_default: bool = False


@dataclass(slots=True)
class AvroType:
    """One schema.

    Attributes:
        kind: a primitive's name, array, map, record, enum, fixed or union.
        name: full name of a record, enum or fixed.
        props: its JSON object as it stands, empty for a bare name.
        inner: of an array or a map.
        fields: of a record.
        branches: of a union.
        number: of a union of several in its schema, as `for_fastavro` counts.
    """

    kind: str
    name: str | None = None
    props: Mapping[str, Any] = field(default_factory=dict)
    inner: AvroType | None = None
    fields: list[AvroField] = field(default_factory=list)
    branches: list[AvroType] = field(default_factory=list)
    number: int = -1

    @property
    def short_name(self) -> str:
        """The name without its namespace."""
        return (self.name or "").rpartition(".")[2]

    @property
    def namespace(self) -> str:
        """The namespace, empty for none."""
        return (self.name or "").rpartition(".")[0]

    @property
    def logical(self) -> str | None:
        """The logical type, in small letters."""
        found = self.props.get("logicalType")
        return found.lower() if isinstance(found, str) else None

    def prop(self, name: str) -> str | None:
        """Return a property that is a text."""
        found = self.props.get(name)
        return found if isinstance(found, str) else None

    def field(self, name: str) -> AvroField | None:
        """Return a record's field."""
        return next((one for one in self.fields if one.name == name), None)

    def element(self) -> AvroType:
        """Return the inner type of an array or a map."""
        if self.inner is None:
            raise DataError(f"an Avro {self.kind} has no inner type")
        return self.inner


def parse(text: str, names: dict[str, AvroType]) -> AvroType:
    """Read a schema.

    Args:
        text: JSON, or a primitive's bare name.
        names: named types that it may refer to; its own are added.

    Raises:
        DataError: it is no Avro schema.
    """
    try:
        given = json.loads(text)
    except ValueError:
        given = text.strip()
    try:
        return _parsed(given, "", names)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DataError(f"not an Avro schema: {type(error).__name__}: {error}", where=text[:200]) from error


def _parsed(given: Any, space: str, names: dict[str, AvroType]) -> AvroType:
    if isinstance(given, str):
        return _named(given, space, names)
    if isinstance(given, list):
        branches = [_parsed(one, space, names) for one in given]
        if not branches or any(one.kind == "union" for one in branches):
            raise DataError("an Avro union is empty or holds another one")
        return AvroType("union", branches=branches)
    kind = given["type"]
    if not isinstance(kind, str):
        return _parsed(kind, space, names)
    if kind == "error":
        kind = "record"
    if kind in ("array", "map"):
        inner = _parsed(given["items" if kind == "array" else "values"], space, names)
        return AvroType(kind, props=given, inner=inner)
    if kind in NAMED:
        return _parsed_named(kind, given, space, names)
    if kind in PRIMITIVES:
        return AvroType(kind, props=given)
    return _named(kind, space, names)


def _named(name: str, space: str, names: dict[str, AvroType]) -> AvroType:
    if name in PRIMITIVES:
        return AvroType(name)
    full = name if "." in name or not space else f"{space}.{name}"
    found = names.get(full) or names.get(name)
    if found is None:
        raise DataError(f"the Avro schema names {full!r}, which it does not define")
    return found


def _parsed_named(kind: str, given: Mapping[str, Any], space: str, names: dict[str, AvroType]) -> AvroType:
    name = str(given["name"])
    space = name.rpartition(".")[0] if "." in name else str(given.get("namespace", space) or "")
    full = name if "." in name or not space else f"{space}.{name}"
    made = names[full] = AvroType(kind, full, given)
    if kind == "enum" and not all(isinstance(one, str) for one in given["symbols"]):
        raise DataError(f"a symbol of Avro enum {full!r} is no text")
    if kind == "fixed":
        int(given["size"])
    if kind == "record":
        for one in given["fields"]:
            made.fields.append(
                AvroField(
                    str(one["name"]),
                    _parsed(one["type"], space, names),
                    one.get("doc"),
                    one.get("default"),
                    "default" in one,
                )
            )
    return made


def for_fastavro(root: AvroType) -> Any:
    """Return the schema that fastavro reads and writes the same bytes by; see the module's text."""
    return _Bare().of(root)


def branches_of(union: AvroType) -> list[tuple[int, AvroType]]:
    """Return the branches that have values, with their places."""
    return [(place, one) for place, one in enumerate(union.branches) if one.kind != "null"]


def branch_name(place: int, union: int) -> str:
    """Return the name of the record around a branch.

    Args:
        place: of the branch in its union.
        union: number of the union in its schema.
    """
    return f"branch.u{union}_{place}"


class _Bare:
    def __init__(self) -> None:
        self._defined: set[str] = set()
        self._unions = 0

    def of(self, one: AvroType) -> Any:
        if one.kind == "union":
            return self._union(one)
        if one.kind == "array":
            return {"type": "array", "items": self.of(one.element())}
        if one.kind == "map":
            return {"type": "map", "values": self.of(one.element())}
        if one.kind not in NAMED:
            return one.kind
        name = f"named.{one.name}"  # with a dot, so that no namespace around it counts
        if name in self._defined:
            return name
        self._defined.add(name)
        return {"type": one.kind, "name": name, **self._body(one)}

    def _body(self, one: AvroType) -> dict[str, Any]:
        if one.kind == "enum":
            return {"symbols": list(one.props["symbols"])}
        if one.kind == "fixed":
            return {"size": int(one.props["size"])}
        return {"fields": [{"name": each.name, "type": self.of(each.type)} for each in one.fields]}

    def _union(self, union: AvroType) -> list[Any]:
        if len(branches_of(union)) < 2:
            return [self.of(one) for one in union.branches]
        number = union.number = self._unions
        self._unions += 1
        made: list[Any] = []
        for place, one in enumerate(union.branches):
            if one.kind == "null":
                made.append("null")
                continue
            fields = [{"name": FIELD, "type": self.of(one)}]
            made.append({"type": "record", "name": branch_name(place, number), "fields": fields})
        return made


def branch_place(name: str) -> int:
    """Return the place in its union that a wrapping record's name tells."""
    return int(name.rpartition("_")[2])


def is_map_entry(record: AvroType, namespace: str) -> bool:
    """Whether a record is one entry of a map whose keys are not all texts."""
    if record.kind != "record":
        return False
    is_ours = (
        record.name == f"{namespace}.MapEntry" or record.props.get("connect.internal.type") == "MapEntry"
    )
    if is_ours and {one.name for one in record.fields} != {"key", "value"}:
        raise DataError("an array of map entries whose records have not just a key and a value")
    return is_ours


def symbols_of(enum: AvroType) -> Sequence[str]:
    """Return the symbols of an enum."""
    found: Sequence[str] = enum.props["symbols"]
    return found
