"""SetSchemaMetadata: another name or version for the schema.

Source: Kafka `org.apache.kafka.connect.transforms.SetSchemaMetadata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, key
from tidelock.connect.api import DataError, Record, Schema, Struct, Type
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan
from tidelock.connect.transforms.rewrite import filled, filled_columns, in_columns


class SetSchemaMetadataSettings(NullSettings):
    """Keys of SetSchemaMetadata."""

    schema_name: str | None = key(default=None, importance=Importance.HIGH, doc="The name to set.")
    schema_version: int | None = key(default=None, importance=Importance.HIGH, doc="The version to set.")


class SetSchemaMetadata(PartTransform):
    """Renames schemas."""

    settings = SetSchemaMetadataSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = SetSchemaMetadataSettings.parse(props, strict=False)
        if given.schema_name is None and given.schema_version is None:
            raise ConfigError((Problem("schema.name", None, "Neither schema name nor version configured"),))
        self._name, self._version = given.schema_name, given.schema_version
        self._fill = given.replace_null_with_default

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, _refused_unless_null)
        new = schema.with_(
            name=schema.name if self._name is None else self._name,
            version=schema.version if self._version is None else self._version,
        )
        copied = filled(schema, fill=self._fill)

        def convert(value: Any, record: Record) -> Any:
            return Struct.from_row(new, copied(value.row)) if isinstance(value, Struct) else value

        columns = filled_columns(schema, fill=self._fill) if schema.type is Type.STRUCT else None
        return Plan(new, convert, columns and in_columns(new, columns))


class SetSchemaMetadataKey(SetSchemaMetadata):
    """Of the key."""

    is_key = True


class SetSchemaMetadataValue(SetSchemaMetadata):
    """Of the value."""


def _refused_unless_null(value: Any, record: Record) -> None:
    if value is not None:
        raise DataError("Schema required for [updating schema metadata]")
