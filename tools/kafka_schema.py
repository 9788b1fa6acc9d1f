"""Kafka's message schemas (JSON with comments) as a small model: what the emitters need, and no prose.

Reads what the `kafka-python` distribution carries and, for the APIs it lacks, tools/schemas/*.json.
Source: KIP-482 (flexible versions, tagged fields); Kafka's `message/README.md` describes the JSON.
"""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIXED = {
    "bool": ("?", 1),
    "int8": ("b", 1),
    "int16": ("h", 2),
    "uint16": ("H", 2),
    "int32": ("i", 4),
    "uint32": ("I", 4),
    "int64": ("q", 8),
    "float64": ("d", 8),
    "uuid": ("16s", 16),
}
NEVER = 1 << 15


@dataclass(frozen=True)
class Versions:
    """A closed range of versions; empty when `low` > `high`."""

    low: int
    high: int

    @classmethod
    def parse(cls, text: str | None) -> Versions:
        if text is None or text == "none":
            return cls(NEVER, -1)
        low, dash, high = text.rstrip("+").partition("-")
        if text.endswith("+"):
            return cls(int(low), NEVER - 1)
        return cls(int(low), int(high) if dash else int(low))

    def __contains__(self, version: int) -> bool:
        return self.low <= version <= self.high


@dataclass(repr=False)
class Field:
    """One field of a struct; `struct` is set where its type (or its array's element) is a struct."""

    name: str
    type: str
    versions: Versions
    nullable: Versions
    default: str | None
    tag: int | None
    tagged: Versions
    struct: Struct | None = None

    @property
    def is_array(self) -> bool:
        return self.type.startswith("[]")

    @property
    def element(self) -> str:
        return self.type.removeprefix("[]")

    def is_tagged(self, version: int) -> bool:
        return self.tag is not None and version in self.tagged

    @property
    def null_default(self) -> bool:
        """Whether None is the default; an unset tagged struct is None too, it is then not written."""
        return self.default == "null" or (
            self.tag is not None and self.struct is not None and not self.is_array
        )


@dataclass(repr=False)
class Struct:
    """A struct: its name in Kafka's schema, the class name we give it, and its fields in wire order."""

    name: str
    fields: list[Field] = field(default_factory=list)
    class_name: str = ""

    def __post_init__(self) -> None:
        self.class_name = self.class_name or self.name

    def at(self, version: int) -> list[Field]:
        """The fields that this version carries in its body, in order."""
        return [one for one in self.fields if version in one.versions and not one.is_tagged(version)]

    def tags_at(self, version: int) -> list[Field]:
        """The fields that this version carries as tagged fields, by tag."""
        found = [one for one in self.fields if version in one.versions and one.is_tagged(version)]
        return sorted(found, key=lambda one: one.tag or 0)

    def absent_at(self, version: int) -> list[Field]:
        return [one for one in self.fields if version not in one.versions]


@dataclass(repr=False)
class Schema:
    """One message: `kind` is request, response or data."""

    name: str
    kind: str
    api_key: int
    versions: Versions
    flexible: Versions
    root: Struct

    def __repr__(self) -> str:
        return f"<schema {self.name}>"

    @property
    def structs(self) -> list[Struct]:
        """All structs, inner ones first, the message last; each once."""
        found: list[Struct] = []

        def visit(one: Struct) -> None:
            for child in one.fields:
                if child.struct is not None:
                    visit(child.struct)
            if one not in found:
                found.append(one)

        visit(self.root)
        return found


def snake(name: str) -> str:
    """ThrottleTimeMs -> throttle_time_ms."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def folders() -> list[Path]:
    """Where the schemas lie: ours for what the distribution lacks, then the distribution's."""
    spec = importlib.util.find_spec("kafka")
    if spec is None or spec.origin is None:
        raise SystemExit("gen_messages: needs the kafka-python distribution\n  do: make check (installs it)")
    theirs = Path(spec.origin).parent / "protocol" / "schemas" / "resources"
    return [Path(__file__).parent / "schemas", theirs]


def load(path: Path) -> Schema:
    """Read one schema file."""
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda match: match[1] or "", path.read_text("utf-8"))
    raw: dict[str, Any] = json.loads(text)
    shared = {one["name"]: Struct(one["name"]) for one in raw.get("commonStructs", [])}
    for one in raw.get("commonStructs", []):
        shared[one["name"]].fields = _fields(one["fields"], shared)
    root = Struct(raw["name"], _fields(raw["fields"], shared))
    return Schema(
        name=raw["name"],
        kind=raw["type"],
        api_key=raw.get("apiKey", -1),
        versions=Versions.parse(raw["validVersions"]),
        flexible=Versions.parse(raw["flexibleVersions"]),
        root=root,
    )


def _fields(raw: list[dict[str, Any]], shared: dict[str, Struct]) -> list[Field]:
    return [_field(one, shared) for one in raw]


def _field(raw: dict[str, Any], shared: dict[str, Struct]) -> Field:
    element = raw["type"].removeprefix("[]")
    inner: Struct | None = None
    if "fields" in raw:
        inner = Struct(element, _fields(raw["fields"], shared))
    elif element in shared:
        inner = shared[element]
    elif element not in FIXED and element not in ("string", "bytes", "records"):
        raise SystemExit(f"gen_messages: {raw['name']}: no type {element!r}")
    default = raw.get("default")
    return Field(
        name=snake(raw["name"]),
        type=raw["type"],
        versions=Versions.parse(raw.get("versions", raw.get("taggedVersions"))),
        nullable=Versions.parse(raw.get("nullableVersions")),
        default=None if default is None else str(default),
        tag=raw.get("tag"),
        tagged=Versions.parse(raw.get("taggedVersions")),
        struct=inner,
    )


def min_size(struct: Struct, version: int, flexible: bool) -> int:
    """The fewest bytes one struct can take: what bounds an announced array count."""
    total = 1 if flexible else 0
    for one in struct.at(version):
        if one.is_array:
            total += 1 if flexible else 4
        elif one.type in FIXED:
            total += FIXED[one.type][1]
        elif one.struct is not None:
            total += 1 if version in one.nullable else min_size(one.struct, version, flexible)
        elif one.type == "string":
            total += 1 if flexible else 2
        else:
            total += 1 if flexible else 4
    return total
