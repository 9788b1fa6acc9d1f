"""Flatten: nested structs or maps as one, with the names of all levels joined.

Lists, and maps within structs, are kept as they are. A flattened field is optional if anything above it is,
and a default above it gives its own.

Source: Kafka `org.apache.kafka.connect.transforms.Flatten`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidelock.config import Settings, key
from tidelock.connect.api import DataError, Record, Schema, Struct, Type
from tidelock.connect.transforms.part import PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.rewrite import basics, required_fields

PURPOSE = "flattening"
Read = Callable[[Sequence[Any] | None], Any]


class FlattenSettings(Settings):
    """Keys of Flatten."""

    delimiter: str = key(default=".", doc="What stands between the names of two levels.")


class Flatten(PartTransform):
    """Makes one level of many."""

    settings = FlattenSettings
    skips_null = True

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        self._delimiter = FlattenSettings.parse(props, strict=False).delimiter

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, lambda value, record: self._flat_map(required_map(value, PURPOSE), ""))
        required_fields(schema, PURPOSE)
        found = list(self._leaves(schema, "", is_optional=schema.optional, default=schema.default))
        new = basics(schema, [(name, made) for name, made, _ in found])
        paths = [path for _, _, path in found]

        def convert(value: Any, record: Record) -> Struct:
            row = required_struct(value, PURPOSE).row
            return Struct.from_row(new, [_value_at(row, path) for path in paths])

        return Plan(new, convert)

    def _leaves(
        self, schema: Schema, prefix: str, *, is_optional: bool, default: Any
    ) -> list[tuple[str, Schema, list[tuple[int, Any]]]]:
        """Return name, new schema and path (index and default per level) of every field below."""
        made: list[tuple[str, Schema, list[tuple[int, Any]]]] = []
        for field in schema.fields:
            name = self._name(prefix, field.name)
            given = field.schema.default
            if given is None and default is not None:
                given = default.row[field.index]
            optional = is_optional or field.schema.optional
            step = (field.index, field.schema.default)
            if field.schema.type is Type.STRUCT:
                below = self._leaves(field.schema, name, is_optional=optional, default=given)
                made += [(inner, leaf, [step, *path]) for inner, leaf, path in below]
            else:
                kept = field.schema
                if optional != kept.optional or given is not kept.default:
                    kept = kept.with_(optional=optional, default=given)
                made.append((name, kept, [step]))
        return made

    def _name(self, prefix: str, name: str) -> str:
        return f"{prefix}{self._delimiter}{name}" if prefix else name

    def _flat_map(self, value: dict[Any, Any], prefix: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_, item in value.items():
            name = self._name(prefix, key_)
            if isinstance(item, Struct):
                raise DataError(f"Flatten transformation does not support a Struct without schema ({name})")
            if isinstance(item, dict):
                made.update(self._flat_map(item, name))
            else:
                made[name] = item
        return made


class FlattenKey(Flatten):
    """Of the key."""

    is_key = True


class FlattenValue(Flatten):
    """Of the value."""


def _value_at(row: Sequence[Any] | None, path: list[tuple[int, Any]]) -> Any:
    for index, default in path:
        if row is None:
            return None
        value = row[index]
        if value is None:
            value = default
        row = value.row if isinstance(value, Struct) else None
    return value
