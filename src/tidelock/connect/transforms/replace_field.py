"""ReplaceField: leave fields out, keep only some, rename some.

Source: Kafka `org.apache.kafka.connect.transforms.ReplaceField`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidelock.config import ConfigError, Problem, key
from tidelock.connect.api import Record, Schema, Struct, Type
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import Columns, PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.paths import Path, PathSettings, parse_path, parse_paths
from tidelock.connect.transforms.rewrite import basics, filled, filled_columns, in_columns, required_fields

PURPOSE = "field replacement"


class ReplaceFieldSettings(PathSettings, NullSettings):
    """Keys of ReplaceField."""

    exclude: tuple[str, ...] = key(default=(), doc="Fields to leave out; goes before include.")
    include: tuple[str, ...] = key(default=(), doc="Fields to keep; empty: all.")
    renames: tuple[str, ...] = key(default=(), doc="old:new, by comma.")


class ReplaceField(PartTransform):
    """Filters and renames fields."""

    settings = ReplaceFieldSettings
    skips_null = True

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = ReplaceFieldSettings.parse(props, strict=False)
        version = given.field_syntax_version
        self._exclude = set(parse_paths(given.exclude, version, key_name="exclude"))
        self._include = set(parse_paths(given.include, version, key_name="include"))
        self._ways = {path[:end] for path in self._include for end in range(1, len(path))}
        self._renames: dict[Path, str] = {}
        for item in given.renames:
            old, _, new = item.rpartition(":")
            if not old or not new or (":" in old and version == "V1"):
                raise ConfigError((Problem("renames", item, "give old:new"),))
            try:
                self._renames[parse_path(old, version)] = new
            except ValueError as error:
                raise ConfigError((Problem("renames", item, str(error)),)) from None
        self._fill = given.replace_null_with_default

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, lambda value, record: self._of_map(required_map(value, PURPOSE), ()))
        required_fields(schema, PURPOSE)
        new, convert = self._of_struct(schema, ())
        copied = filled_columns(schema, fill=self._fill)
        places = [field.index for field in schema.fields if self._keeps((field.name,))]
        is_flat = not any(
            field.schema.type is Type.STRUCT and self._goes_below((field.name,)) for field in schema.fields
        )

        def convert_struct(value: Any, record: Record) -> Struct:
            return convert(required_struct(value, PURPOSE))

        def kept_columns(columns: Columns) -> Columns:
            made = copied(columns)
            return [made[place] for place in places]

        return Plan(new, convert_struct, in_columns(new, kept_columns) if is_flat else None)

    def _keeps(self, path: Path) -> bool:
        if path in self._exclude:
            return False
        if not self._include or path in self._ways:
            return True
        return any(path[:end] in self._include for end in range(1, len(path) + 1))

    def _goes_below(self, path: Path) -> bool:
        """Whether anything below a path is named."""
        named = (*self._exclude, *self._ways, *self._include, *self._renames)
        return any(len(one) > len(path) and one[: len(path)] == path for one in named)

    def _of_struct(self, schema: Schema, above: Path) -> tuple[Schema, Callable[[Struct], Struct]]:
        fields: list[tuple[str, Schema]] = []
        kept: list[tuple[int, Callable[[Struct], Struct] | None]] = []
        for field in schema.fields:
            path = (*above, field.name)
            if not self._keeps(path):
                continue
            made, inner = field.schema, None
            if made.type is Type.STRUCT and self._goes_below(path):
                made, inner = self._of_struct(made, path)
                made = made.with_(optional=field.schema.optional)
            fields.append((self._renames.get(path, field.name), made))
            kept.append((field.index, inner))
        new = basics(schema, fields)
        copied = filled(schema, fill=self._fill)

        def convert(struct: Struct) -> Struct:
            row = copied(struct.row)
            return Struct.from_row(
                new,
                [row[i] if inner is None or row[i] is None else inner(row[i]) for i, inner in kept],
            )

        return new, convert

    def _of_map(self, value: dict[Any, Any], above: Path) -> dict[Any, Any]:
        made = {}
        for name, item in value.items():
            path = (*above, name)
            if self._keeps(path):
                inner = isinstance(item, dict) and self._goes_below(path)
                made[self._renames.get(path, name)] = self._of_map(item, path) if inner else item
        return made


class ReplaceFieldKey(ReplaceField):
    """Of the key."""

    is_key = True


class ReplaceFieldValue(ReplaceField):
    """Of the value."""
