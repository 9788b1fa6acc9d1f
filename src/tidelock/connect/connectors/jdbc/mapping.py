"""From schemas to columns, and from a batch to rows: the rules of pk.mode, without a database.

A `Mapping` is made once per pair of schemas and then turns batches into keys and rows column-wise. Rows have
the key's columns first. Invariant: a record without a schema never gets this far; the error carries the two
configuration lines that cure it. Imports the connect api and tidelock.sql's data types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.connect.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, RecordBatch, Schema, Type
from tidelock.connect.connectors.jdbc.settings import KAFKA_COLUMNS, JdbcSinkSettings
from tidelock.sql.types import Column, ColumnType, Kind

Row = tuple[Any, ...]

_LOGICAL = {
    DATE: ColumnType(Kind.DATE),
    TIME: ColumnType(Kind.TIME, scale=3),
    TIMESTAMP: ColumnType(Kind.TIMESTAMP, scale=3),
}
_PRIMITIVE = {
    Type.INT8: ColumnType(Kind.INTEGER, bits=8),
    Type.INT16: ColumnType(Kind.INTEGER, bits=16),
    Type.INT32: ColumnType(Kind.INTEGER, bits=32),
    Type.INT64: ColumnType(Kind.INTEGER, bits=64),
    Type.FLOAT32: ColumnType(Kind.FLOAT, bits=32),
    Type.FLOAT64: ColumnType(Kind.FLOAT, bits=64),
    Type.BOOLEAN: ColumnType(Kind.BOOLEAN),
    Type.STRING: ColumnType(Kind.TEXT),
    Type.BYTES: ColumnType(Kind.BYTES),
}
_KAFKA_SCHEMAS = (Schema.string(), Schema.int32(), Schema.int64())
_SCHEMA_LINES = (
    "{0}.converter=org.apache.kafka.connect.json.JsonConverter\n      {0}.converter.schemas.enable=true"
)


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the records of one pair of schemas become rows.

    Attributes:
        key: the primary key's columns.
        rest: the other columns, from the value.
    """

    key: tuple[Column, ...]
    rest: tuple[Column, ...]
    pk_mode: str
    key_is_struct: bool

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in the order of a row."""
        return (*self.key, *self.rest)

    def keys(self, batch: RecordBatch) -> list[Row]:
        """Return the primary key of each record; `()` for pk.mode=none."""
        names = [column.name for column in self.key]
        if self.pk_mode == "kafka":
            return [(batch.topic, batch.partition, offset) for offset in batch.offsets]
        if self.pk_mode == "record_value":
            return batch.rows(names)
        if self.pk_mode == "record_key":
            _require_keys(batch)
            return batch.rows(names, key=True) if self.key_is_struct else [(key,) for key in batch.keys]
        return [()] * len(batch)

    def rows(self, batch: RecordBatch, keys: Sequence[Row]) -> list[Row | None]:
        """Return the row of each record, None for a tombstone."""
        values = batch.rows([column.name for column in self.rest]) if self.rest else [()] * len(batch)
        rows: list[Row | None] = [key + value for key, value in zip(keys, values, strict=True)]
        for index in batch.tombstones:
            rows[index] = None
        return rows


def mapping_for(
    settings: JdbcSinkSettings, key_schema: Schema | None, value_schema: Schema | None
) -> Mapping:
    """Work out the columns.

    Args:
        settings: pk.mode, pk.fields and fields.whitelist count.
        key_schema: of the records' keys.
        value_schema: of the records' values; None only for a batch of tombstones.

    Raises:
        DataError: a schema is missing, is no struct, lacks a field, or has one that no column can hold.
    """
    fields = _value_fields(value_schema)
    key = _key_columns(settings, key_schema, fields)
    names = {column.name for column in key}
    wanted = settings.fields_whitelist or tuple(fields)
    missing = [name for name in wanted if name not in fields and name not in names]
    if missing and value_schema is not None:
        raise DataError(f"fields.whitelist names {', '.join(missing)}; the value has {', '.join(fields)}")
    rest = tuple(_column(name, fields[name]) for name in fields if name in wanted and name not in names)
    struct = key_schema is not None and key_schema.type is Type.STRUCT
    return Mapping(key, rest, settings.pk_mode, struct)


def require_schema(schema: Schema | None, side: str, topic: str) -> Schema:
    """Return the schema, or raise DataError with the two lines that make the converter read one.

    Args:
        schema: what the converter found.
        side: `key` or `value`.
        topic: for the error text.
    """
    if schema is None:
        raise DataError(
            f"the SQL sink needs records with a schema, and the {side}s have none",
            where=f"topic {topic}",
            hint=f"put these two lines into the connector's configuration, and send schema and payload:\n"
            f"      {_SCHEMA_LINES.format(side)}",
        )
    return schema


def _value_fields(schema: Schema | None) -> dict[str, Schema]:
    if schema is None:
        return {}
    if schema.type is not Type.STRUCT:
        raise DataError(
            f"the SQL sink needs a struct as value, not {schema.type.value}",
            hint="wrap it with transforms.hoist.type=org.apache.kafka.connect.transforms.HoistField$Value",
        )
    return {field.name: field.schema for field in schema.fields}


def _key_columns(
    settings: JdbcSinkSettings, key_schema: Schema | None, fields: dict[str, Schema]
) -> tuple[Column, ...]:
    names = settings.pk_fields
    if settings.pk_mode == "none":
        return ()
    if settings.pk_mode == "kafka":
        pairs = zip(names or KAFKA_COLUMNS, _KAFKA_SCHEMAS, strict=True)
        return tuple(_column(name, schema, is_key=True) for name, schema in pairs)
    if settings.pk_mode == "record_value":
        return _chosen(names, fields, "value")
    if key_schema is None:
        return tuple(Column(name, ColumnType(Kind.TEXT), nullable=False) for name in names)
    if key_schema.type is Type.STRUCT:
        return _chosen(names, {field.name: field.schema for field in key_schema.fields}, "key")
    if len(names) != 1:
        raise DataError(
            f"the key is a plain {key_schema.type.value}, so pk.fields must name its one column",
            hint="e.g. pk.fields=id",
        )
    return (_column(names[0], key_schema, is_key=True),)


def _chosen(names: Sequence[str], fields: dict[str, Schema], side: str) -> tuple[Column, ...]:
    missing = [name for name in names if name not in fields]
    if missing and fields:
        raise DataError(f"pk.fields names {', '.join(missing)}; the {side} has {', '.join(fields)}")
    found = [name for name in names or fields if name in fields]
    return tuple(_column(name, fields[name], is_key=True) for name in found)


def _column(name: str, schema: Schema, *, is_key: bool = False) -> Column:
    default = schema.default
    return Column(
        name,
        _column_type(name, schema),
        nullable=not is_key and (schema.optional or default is not None),
        default=default,
        has_default=default is not None,
    )


def _column_type(name: str, schema: Schema) -> ColumnType:
    if schema.name == DECIMAL:
        return ColumnType(Kind.DECIMAL, scale=schema.scale)
    if schema.name in _LOGICAL:
        return _LOGICAL[schema.name]
    if schema.type not in _PRIMITIVE:
        raise DataError(
            f"field {name!r} is {_with_article(schema.type.value)}, which no column can hold",
            hint="leave it out with fields.whitelist, or flatten it with the Flatten transform",
        )
    return _PRIMITIVE[schema.type]


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _require_keys(batch: RecordBatch) -> None:
    for index, key in enumerate(batch.keys):
        if key is None:
            raise DataError(
                "pk.mode=record_key, and the record has no key", where=f"topic {batch.topic}", index=index
            )
