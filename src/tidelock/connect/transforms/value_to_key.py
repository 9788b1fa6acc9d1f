"""ValueToKey: the key made of fields of the value.

Source: Kafka `org.apache.kafka.connect.transforms.ValueToKey`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidelock.config import Importance, key
from tidelock.connect.api import ColumnRows, DataError, Record, RecordBatch, Schema, Struct, Transform
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import KEPT_PLANS, columns_of, required_map, required_struct
from tidelock.connect.transforms.paths import PathSettings, parse_paths, schema_at, value_at
from tidelock.connect.transforms.rewrite import filled_columns, required_fields

PURPOSE = "copying fields from value to key"


class ValueToKeySettings(PathSettings, NullSettings):
    """Keys of ValueToKey."""

    fields: tuple[str, ...] = key(
        importance=Importance.HIGH,
        check=lambda value: None if value else "must not be empty",
        doc="Fields of the value, by comma; a path's last step is the name in the key.",
    )


class ValueToKey(Transform):
    """Makes keys."""

    settings = ValueToKeySettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = ValueToKeySettings.parse(props, strict=False)
        self._paths = parse_paths(given.fields, given.field_syntax_version, key_name="fields")
        self._fill = given.replace_null_with_default
        self._schemas: dict[int, tuple[Schema, Schema]] = {}

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        if record.value_schema is None:
            value = required_map(record.value, PURPOSE)
            record.key = {path[-1]: value_at(value, path) for path in self._paths}
            record.key_schema = None
            return record
        struct = required_struct(record.value, PURPOSE)
        schema = self._key_schema(record.value_schema)
        row = [value_at(struct, path, fill=self._fill) for path in self._paths]
        record.key, record.key_schema = Struct.from_row(schema, row), schema
        return record

    def apply_batch(self, batch: RecordBatch) -> RecordBatch | None:
        """See Transform."""
        schema = batch.value_schema
        columns = columns_of(schema, batch.values)
        if schema is None or columns is None or any(len(path) > 1 for path in self._paths):
            return None
        key_schema = self._key_schema(schema)
        columns = filled_columns(schema, fill=self._fill)(columns)
        picked = [columns[schema.field_names.index(name)] for [name] in self._paths]
        return replace(batch, keys=ColumnRows(key_schema, picked, len(batch)), key_schema=key_schema)

    def _key_schema(self, schema: Schema) -> Schema:
        found = self._schemas.get(id(schema))
        if found is None:
            if len(self._schemas) >= KEPT_PLANS:
                self._schemas.clear()
            found = self._schemas[id(schema)] = schema, self._made(schema)
        return found[1]

    def _made(self, schema: Schema) -> Schema:
        required_fields(schema, PURPOSE)
        fields = []
        for path in self._paths:
            one = schema_at(schema, path)
            if one is None:
                raise DataError(f"Field does not exist: {'.'.join(path)}", where=schema.name)
            fields.append((path[-1], one))
        return Schema.struct(fields)
