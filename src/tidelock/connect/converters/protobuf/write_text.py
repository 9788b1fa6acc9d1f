"""Writes descriptors as .proto files, for the registry: what `from_connect` makes of a schema. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidelock.connect.converters.protobuf.read_text import SCALARS, Field, ProtoFile

_NAMES = {number: name for name, number in SCALARS.items()}
META_FILE = "confluent/meta.proto"


def write_text(file: ProtoFile) -> str:
    """Return the text of a proto3 file."""
    made = file.descriptor
    lines = ['syntax = "proto3";']
    if made.package:
        lines.append(f"package {made.package};")
    imports = [*made.dependency, *([META_FILE] if file.params else [])]
    if imports:
        lines += ["", *(f'import "{one}";' for one in sorted(imports))]
    for one in made.message_type:
        lines += ["", *_message(one, made.package, file.params)]
    return "\n".join(lines) + "\n"


def _message(message: Any, scope: str, params: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    full = f"{scope}.{message.name}" if scope else message.name
    entries = {f".{full}.{one.name}": one for one in message.nested_type if one.options.map_entry}
    yield f"message {message.name} {{"
    told = set()
    for one in message.field:
        if one.HasField("oneof_index") and not one.proto3_optional:
            if one.oneof_index not in told:
                told.add(one.oneof_index)
                members = [each for each in message.field if _is_member(each, one.oneof_index)]
                yield f"  oneof {message.oneof_decl[one.oneof_index].name} {{"
                yield from (
                    f"    {_field(each, entries, params.get(f'{full}.{each.name}'))}" for each in members
                )
                yield "  }"
            continue
        label = {Field.LABEL_REPEATED: "repeated "}.get(one.label, "")
        if one.type_name in entries:
            label = ""
        elif one.proto3_optional:
            label = "optional "
        yield f"  {label}{_field(one, entries, params.get(f'{full}.{one.name}'))}"
    for one in message.nested_type:
        if not one.options.map_entry:
            yield ""
            yield from (f"  {line}" if line else "" for line in _message(one, full, params))
    for one in message.enum_type:
        yield ""
        yield f"  enum {one.name} {{"
        yield from (f"    {each.name} = {each.number};" for each in one.value)
        yield "  }"
    yield "}"


def _is_member(one: Any, index: int) -> bool:
    return one.HasField("oneof_index") and one.oneof_index == index and not one.proto3_optional


def _field(one: Any, entries: Mapping[str, Any], params: Mapping[str, str] | None) -> str:
    kind = _kind(one)
    if one.type_name in entries:
        key, value = entries[one.type_name].field
        kind = f"map<{_kind(key)}, {_kind(value)}>"
    told = ""
    if params:
        pairs = ", ".join(
            f"{{ key: {json.dumps(name)}, value: {json.dumps(value)} }}" for name, value in params.items()
        )
        told = f" [(confluent.field_meta) = {{ params: [{pairs}] }}]"
    return f"{kind} {one.name} = {one.number}{told};"


def _kind(one: Any) -> str:
    return one.type_name.removeprefix(".") if one.type_name else _NAMES[one.type]
