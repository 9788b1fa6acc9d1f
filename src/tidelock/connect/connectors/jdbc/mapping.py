"""From schemas to columns, and from a batch to rows: the rules of pk.mode, without a database.

A `Mapping` is made once per pair of schemas and then turns batches into keys and rows column-wise. Rows have
the key's columns first. Invariant: a record without a schema never gets this far; the error carries the two
configuration lines that cure it. Imports the connect api and tidelock.sql's data types.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from collections.abc import Mapping as SomeMapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, RecordBatch, Schema, Type
from tidelock.connect.connectors.jdbc.settings import KAFKA_COLUMNS, JdbcSinkSettings
from tidelock.sql.types import Column, ColumnType, Kind

Row = tuple[Any, ...]
SomeChanges = SomeMapping[str, Callable[[Any], Any]]
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ELEMENTS = {
    Type.INT8: "SMALLINT",
    Type.INT16: "SMALLINT",
    Type.INT32: "INTEGER",
    Type.INT64: "BIGINT",
    Type.FLOAT32: "REAL",
    Type.FLOAT64: "DOUBLE PRECISION",
    Type.BOOLEAN: "BOOLEAN",
    Type.STRING: "TEXT",
}

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
        changes: what is done to the values of some columns, by name; ValueError where it cannot be.
    """

    key: tuple[Column, ...]
    rest: tuple[Column, ...]
    pk_mode: str
    key_is_struct: bool
    changes: SomeChanges = field(default_factory=dict)

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
        if self.changes:
            values = self._changed(batch, values)
        rows: list[Row | None] = [key + value for key, value in zip(keys, values, strict=True)]
        for index in batch.tombstones:
            rows[index] = None
        return rows

    def _changed(self, batch: RecordBatch, values: list[Row]) -> list[Row]:
        changes = [self.changes.get(column.name, _same) for column in self.rest]
        made = []
        for index, row in enumerate(values):
            try:
                made.append(
                    tuple(
                        None if one is None else change(one) for one, change in zip(row, changes, strict=True)
                    )
                )
            except (ValueError, OverflowError) as error:
                raise DataError(
                    f"a field has no form in its column: {error}", where=f"topic {batch.topic}", index=index
                ) from None
        return made


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
    chosen = {name: fields[name] for name in fields if name in wanted and name not in names}
    rest = tuple(_rest_column(settings, name, one) for name, one in chosen.items())
    changes = {
        name: made for name, one in chosen.items() if (made := _change(settings, name, one)) is not None
    }
    struct = key_schema is not None and key_schema.type is Type.STRUCT
    return Mapping(key, rest, settings.pk_mode, struct, changes)


def _is_count(settings: JdbcSinkSettings, name: str, schema: Schema) -> bool:
    """Whether a field counts from the epoch and becomes a timestamp."""
    is_plain = schema.name is None and schema.type in (Type.INT64, Type.STRING)
    return name in settings.timestamp_fields_list and is_plain


def _rest_column(settings: JdbcSinkSettings, name: str, schema: Schema) -> Column:
    if _is_count(settings, name, schema):
        nullable = schema.optional or schema.default is not None
        return Column(name, ColumnType(Kind.TIMESTAMP, scale=6), nullable=nullable)
    if (elements := _elements(schema)) is not None:
        default = None if schema.default is None else array_text(schema.default)
        return Column(
            name,
            ColumnType(Kind.OTHER, declared=f"{elements}[]"),
            nullable=schema.optional or default is not None,
            default=default,
            has_default=default is not None,
        )
    return _column(name, schema)


def _change(settings: JdbcSinkSettings, name: str, schema: Schema) -> Callable[[Any], Any] | None:
    """Return what is done to a field's values on their way into a row; None: nothing."""
    if _is_count(settings, name, schema):
        units = 1000 if settings.timestamp_precision_mode == "nanoseconds" else 1
        return lambda value: _EPOCH + dt.timedelta(microseconds=int(value) // units)
    return None if _elements(schema) is None else array_text


def _elements(schema: Schema) -> str | None:
    """Return PostgreSQL's name of the elements of an array of plain values; None for everything else."""
    inner = schema.value_schema
    if schema.type is not Type.ARRAY or inner is None or inner.name is not None:
        return None
    return _ELEMENTS.get(inner.type)


def array_text(values: Sequence[Any]) -> str:
    """Return a list as PostgreSQL writes an array; text, so that COPY and statements take it alike."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)


def _same(value: Any) -> Any:
    return value


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
    if keyless := batch.keyless:
        raise DataError(
            "pk.mode=record_key, and the record has no key", where=f"topic {batch.topic}", index=keyless[0]
        )
