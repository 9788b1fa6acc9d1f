"""InsertField: what is known of the record (topic, partition, offset, timestamp), or a fixed text, as fields.

Source: Kafka `org.apache.kafka.connect.transforms.InsertField`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tidelock.config import ConfigError, Problem, key
from tidelock.connect.api import ColumnRows, DataError, Record, RecordBatch, Schema, Struct, Type
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import Columns, PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.paths import Path, PathSettings, parse_path
from tidelock.connect.transforms.rewrite import basics, filled, filled_columns, required_fields

PURPOSE = "field insertion"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SUFFIXES = " A name may end with ! (the field is required) or ? (optional, as without)."


class InsertFieldSettings(PathSettings, NullSettings):
    """Keys of InsertField."""

    topic_field: str | None = key(default=None, doc="Field for the topic." + SUFFIXES)
    partition_field: str | None = key(default=None, doc="Field for the partition." + SUFFIXES)
    offset_field: str | None = key(default=None, doc="Field for the offset, in sinks only." + SUFFIXES)
    timestamp_field: str | None = key(default=None, doc="Field for the timestamp." + SUFFIXES)
    static_field: str | None = key(default=None, doc="Field for a fixed text." + SUFFIXES)
    static_value: str | None = key(default=None, doc="That text.")


class Known(NamedTuple):
    """What is known of a record; see Insertion."""

    schema: Schema
    typed: Callable[[Record], Any]
    untyped: Callable[[Record], Any]
    column: Callable[[RecordBatch], list[Any]]


class Insertion(NamedTuple):
    """One field to insert.

    Attributes:
        path: where.
        schema: of the field.
        typed: its value for a struct; None where the record has none.
        untyped: the same for a map; None inserts nothing.
        column: `typed` of every record of a batch.
    """

    path: Path
    schema: Schema
    typed: Callable[[Record], Any]
    untyped: Callable[[Record], Any]
    column: Callable[[RecordBatch], list[Any]]


def _offset(record: Record) -> int:
    if record.offset is None:
        raise DataError("Offset insertion is only supported for sink connectors")
    return record.offset


def _instant(timestamp: int | None) -> dt.datetime | None:
    return None if timestamp is None else EPOCH + dt.timedelta(milliseconds=timestamp)


def _instants(batch: RecordBatch) -> list[dt.datetime | None]:
    return [None] * len(batch) if batch.timestamps is None else [_instant(one) for one in batch.timestamps]


TOPIC = Known(
    Schema.string(),
    lambda record: record.topic,
    lambda record: record.topic,
    lambda batch: [batch.topic] * len(batch),
)
PARTITION = Known(
    Schema.int32(),
    lambda record: record.partition,
    lambda record: record.partition,
    lambda batch: [batch.partition] * len(batch),
)
OFFSET = Known(Schema.int64(), _offset, _offset, lambda batch: list(batch.offsets))
TIMESTAMP = Known(
    Schema.timestamp(),
    lambda record: _instant(record.timestamp),
    lambda record: record.timestamp,
    _instants,
)


def _wanted(given: InsertFieldSettings) -> Iterator[tuple[str | None, Known]]:
    """Yield each key's field with what goes there, in the order of Kafka's."""
    yield given.topic_field, TOPIC
    yield given.partition_field, PARTITION
    yield given.offset_field, OFFSET
    yield given.timestamp_field, TIMESTAMP
    text = given.static_value
    fixed = Known(
        Schema.string(), lambda record: text, lambda record: text, lambda batch: [text] * len(batch)
    )
    yield given.static_field, fixed


class InsertField(PartTransform):
    """Inserts fields; a record whose part is null is left alone."""

    settings = InsertFieldSettings
    skips_null = True

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = InsertFieldSettings.parse(props, strict=False)
        self._fill = given.replace_null_with_default
        if given.static_field is not None and given.static_value is None:
            raise ConfigError((Problem("static.value", None, "No value specified for static field"),))
        version = given.field_syntax_version
        self._insertions = [
            _insertion(spec, version, known) for spec, known in _wanted(given) if spec is not None
        ]
        if not self._insertions:
            raise ConfigError((Problem("topic.field", None, "No field insertion configured"),))

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, self._into_map)
        required_fields(schema, PURPOSE)
        new, insert = _planned(schema, [(one.path, one) for one in self._insertions], fill=self._fill)
        copied = filled_columns(schema, fill=self._fill)

        def with_columns(columns: Columns, batch: RecordBatch) -> ColumnRows:
            made = [*copied(columns), *(one.column(batch) for one in self._insertions)]
            return ColumnRows(new, made, len(batch))

        is_flat = all(len(one.path) == 1 for one in self._insertions)
        return Plan(
            new,
            lambda value, record: insert(required_struct(value, PURPOSE), record),
            with_columns if is_flat else None,
        )

    def _into_map(self, value: Any, record: Record) -> dict[Any, Any]:
        made = dict(required_map(value, PURPOSE))
        for one in self._insertions:
            inserted = one.untyped(record)
            if inserted is not None:
                place = made
                for step in one.path[:-1]:
                    below = place.get(step)
                    place[step] = place = dict(below) if isinstance(below, dict) else {}
                place[one.path[-1]] = inserted
        return made


class InsertFieldKey(InsertField):
    """Of the key."""

    is_key = True


class InsertFieldValue(InsertField):
    """Of the value."""


def _insertion(spec: str, version: str, known: Known) -> Insertion:
    name = spec[:-1] if spec.endswith(("!", "?")) else spec
    try:
        path = parse_path(name, version)
    except ValueError as error:
        raise ConfigError((Problem("field", spec, str(error)),)) from None
    schema = known.schema.with_(optional=not spec.endswith("!"))
    return Insertion(path, schema, known.typed, known.untyped, known.column)


def _planned(
    schema: Schema, wanted: list[tuple[Path, Insertion]], *, fill: bool
) -> tuple[Schema, Callable[[Struct, Record], Struct]]:
    """Plan the insertions at and below one level; those below go into structs that are there."""
    here = [(path[0], one) for path, one in wanted if len(path) == 1]
    below: dict[str, list[tuple[Path, Insertion]]] = {}
    for path, one in wanted:
        if len(path) > 1:
            below.setdefault(path[0], []).append((path[1:], one))
    fields = []
    inner: list[tuple[int, Callable[[Struct, Record], Struct]]] = []
    for field in schema.fields:
        made = field.schema
        if field.name in below and made.type is Type.STRUCT:
            made, insert = _planned(made, below.pop(field.name), fill=fill)
            made = made.with_(optional=field.schema.optional)
            inner.append((field.index, insert))
        fields.append((field.name, made))
    if below:
        raise DataError(f"{next(iter(below))} is no struct to insert a field into", where=schema.name)
    new = basics(schema, [*fields, *((name, one.schema) for name, one in here)])
    copied = filled(schema, fill=fill)

    def convert(struct: Struct, record: Record) -> Struct:
        row = copied(struct.row)
        for index, insert in inner:
            if row[index] is not None:
                row[index] = insert(row[index], record)
        row += [one.typed(record) for _, one in here]
        return Struct.from_row(new, row)

    return new, convert
