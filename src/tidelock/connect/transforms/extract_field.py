"""ExtractField: one field in place of the whole key or value.

Source: Kafka `org.apache.kafka.connect.transforms.ExtractField`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.config import Importance, key
from tidelock.connect.api import DataError, Record, Schema
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.paths import PathSettings, parse_paths, schema_at, value_at
from tidelock.connect.transforms.rewrite import filled_columns, required_fields

PURPOSE = "field extraction"


class ExtractFieldSettings(PathSettings, NullSettings):
    """Keys of ExtractField."""

    field: str = key(importance=Importance.MEDIUM, doc="The field to extract.")


class ExtractField(PartTransform):
    """Puts a field in place of what it was in."""

    settings = ExtractFieldSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = ExtractFieldSettings.parse(props, strict=False)
        [self._path] = parse_paths([given.field], given.field_syntax_version, key_name="field")
        self._name, self._fill = given.field, given.replace_null_with_default

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, self._from_map)
        required_fields(schema, PURPOSE)
        found = schema_at(schema, self._path)
        if found is None:
            raise DataError(f"Unknown field: {self._name}", where=schema.name)
        if len(self._path) > 1:
            return Plan(found, self._from_struct)
        place = schema.field_names.index(self._path[0])
        copied = filled_columns(schema, fill=self._fill)
        return Plan(found, self._from_struct, lambda columns, batch: copied(columns)[place])

    def _from_map(self, value: Any, record: Record) -> Any:
        return None if value is None else value_at(required_map(value, PURPOSE), self._path)

    def _from_struct(self, value: Any, record: Record) -> Any:
        if value is None:
            return None
        return value_at(required_struct(value, PURPOSE), self._path, fill=self._fill)


class ExtractFieldKey(ExtractField):
    """Of the key."""

    is_key = True


class ExtractFieldValue(ExtractField):
    """Of the value."""
