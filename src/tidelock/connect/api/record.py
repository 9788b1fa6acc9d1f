"""Records: what a source task hands over, and the batch that a sink task gets.

**A batch is the unit, a record is a view.** A RecordBatch holds columns: offsets, keys, values, timestamps
and headers of consecutive records of one topic partition that share one key schema and one value schema. A
writer asks for the columns or rows that it needs; `for record in batch` makes one light SinkRecord per record
for those who prefer records. Nothing is converted before it is asked for. Imports the api's schema, struct
and errors.

Source: Kafka `org.apache.kafka.connect.{source.SourceRecord, sink.SinkRecord, header.ConnectHeaders}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, overload

from tidelock.connect.api.errors import DataError
from tidelock.connect.api.schema import Schema, Type
from tidelock.connect.api.struct import Struct


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Header(NamedTuple):
    """One header of a record."""

    key: str
    value: Any
    schema: Schema | None = None


Headers = Sequence[Header]  # ordered; a key may repeat


def last_header(headers: Headers, key: str) -> Header | None:
    """Return the last header of that key, the one that counts where a key repeats."""
    return next((header for header in reversed(headers) if header.key == key), None)


@dataclass(slots=True)
class SourceRecord:
    """A record on its way into Kafka, with the place in the source that it came from.

    Attributes:
        source_partition: what was read, e.g. `{"filename": "a.txt"}`; JSON values only.
        source_offset: how far, e.g. `{"position": 42}`: a restart goes on after this record. Empty: as far
            as before it.
        topic: where it goes.
        value: with `value_schema`, or plain Python without.
        partition: None lets the producer choose by the key.
        timestamp: milliseconds since the epoch; None lets the broker or producer say.
    """

    source_partition: Mapping[str, Any]
    source_offset: Mapping[str, Any]
    topic: str
    value: Any = None
    value_schema: Schema | None = None
    key: Any = None
    key_schema: Schema | None = None
    partition: int | None = None
    timestamp: int | None = None
    headers: Headers = ()


@dataclass(slots=True)
class SourceBatch(Sequence[SourceRecord]):
    """Records of one topic, schema and source partition as columns: what `poll` may return as its list.

    A source that has many records at a time hands them over at a fraction of a list's cost. A restart goes
    on after the whole batch; read as a sequence, only its last record has an offset.

    Attributes:
        source_partition: see SourceRecord.
        source_offset: of the last record.
        topic: where they go.
        values: one per record.
        value_schema: of all values.
        keys: one per record, or None where no record has one.
        key_schema: of all keys.
        partition: None lets the producer choose by the key.
        timestamps: one per record, or None: let the broker or producer say.
        headers: one sequence per record, or None where no record has any.
    """

    source_partition: Mapping[str, Any]
    source_offset: Mapping[str, Any]
    topic: str
    values: Sequence[Any]
    value_schema: Schema | None = None
    keys: Sequence[Any] | None = None
    key_schema: Schema | None = None
    partition: int | None = None
    timestamps: Sequence[int | None] | None = None
    headers: Sequence[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> SourceRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[SourceRecord]: ...

    def __getitem__(self, index: int | slice) -> SourceRecord | list[SourceRecord]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        return SourceRecord(
            self.source_partition,
            self.source_offset if place == len(self) - 1 else {},
            self.topic,
            self.values[place],
            self.value_schema,
            None if self.keys is None else self.keys[place],
            self.key_schema,
            self.partition,
            None if self.timestamps is None else self.timestamps[place],
            () if self.headers is None else self.headers[place],
        )

    @property
    def offsets(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """The source partition with its offset; empty where the batch has none."""
        return [(self.source_partition, self.source_offset)] if self.source_offset else []

    def without(self, place: int) -> SourceBatch:
        """Return a batch that lacks one record."""

        def rest(column: Sequence[Any] | None) -> Sequence[Any] | None:
            return None if column is None else [*column[:place], *column[place + 1 :]]

        return replace(
            self,
            values=[*self.values[:place], *self.values[place + 1 :]],
            keys=rest(self.keys),
            timestamps=rest(self.timestamps),
            headers=rest(self.headers),
        )


def offsets_of(records: Sequence[SourceRecord]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return (source partition, source offset) of each record that has an offset, in order."""
    if isinstance(records, SourceBatch):
        return records.offsets
    return [(one.source_partition, one.source_offset) for one in records if one.source_offset]


class StructRows(Sequence["Struct | None"]):
    """The values of a batch as rows in field order; a Struct is made when one is asked for.

    Args:
        schema: a struct schema.
        rows: one sequence of values per record, or None for a null record.
    """

    def __init__(self, schema: Schema, rows: Sequence[Sequence[Any] | None]) -> None:
        self.schema = schema
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Sequence[Any] | None:
        """Return one record's values in field order, or None."""
        return self._rows[index]

    def column(self, index: int) -> list[Any]:
        """Return one field of every record; None for a null record."""
        return [None if row is None else row[index] for row in self._rows]

    @overload
    def __getitem__(self, index: int) -> Struct | None: ...

    @overload
    def __getitem__(self, index: slice) -> StructRows: ...

    def __getitem__(self, index: int | slice) -> Struct | StructRows | None:
        if isinstance(index, slice):
            return self.pick(range(len(self))[index])
        row = self.row(index)
        return None if row is None else Struct.from_row(self.schema, row)

    def pick(self, indexes: Iterable[int]) -> StructRows:
        """Return the rows at these places."""
        return StructRows(self.schema, [self._rows[index] for index in indexes])

    def is_null(self, index: int) -> bool:
        """Whether the record has no value."""
        return self._rows[index] is None

    def has_nulls(self) -> bool:
        """Whether any record has no value."""
        return None in self._rows


class ColumnRows(StructRows):
    """Values of a batch as columns, as a transform makes them; no record among them is null.

    Args:
        schema: a struct schema.
        columns: one per field, none of which is changed any more.
        count: of the records, where there may be no column to tell.
    """

    def __init__(self, schema: Schema, columns: Sequence[list[Any]], count: int) -> None:
        super().__init__(schema, ())
        self._columns = columns
        self._count = count

    def __len__(self) -> int:
        return self._count

    def row(self, index: int) -> Sequence[Any]:
        """See StructRows."""
        return [column[index] for column in self._columns]

    def column(self, index: int) -> list[Any]:
        """See StructRows; not to be changed."""
        return self._columns[index]

    def pick(self, indexes: Iterable[int]) -> StructRows:
        """See StructRows."""
        places = list(indexes)
        picked = [[column[place] for place in places] for column in self._columns]
        return ColumnRows(self.schema, picked, len(places))

    def is_null(self, index: int) -> bool:
        """See StructRows."""
        return False

    def has_nulls(self) -> bool:
        """See StructRows."""
        return False


@dataclass(slots=True)
class RecordBatch:
    """Consecutive records of one topic partition with one key schema and one value schema.

    Attributes:
        offsets: Kafka offsets, ascending, not necessarily without gaps.
        keys: one per record; None is a null key.
        values: one per record; None is a tombstone, whatever the schema.
        key_schema: None where keys have no schema.
        value_schema: None where values have no schema (dict, list, str, bytes... then).
        timestamps: milliseconds since the epoch, or None where the records have none.
        headers: per record, or None where no record has any.
        origin: where the records were read, if a transform gave them another topic; offsets belong to it.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    keys: Sequence[Any]
    values: Sequence[Any]
    key_schema: Schema | None = None
    value_schema: Schema | None = None
    timestamps: Sequence[int | None] | None = None
    headers: Sequence[Headers] | None = None
    origin: TopicPartition | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[SinkRecord]:
        return (SinkRecord(self, index) for index in range(len(self.offsets)))

    def __getitem__(self, index: int) -> SinkRecord:
        return SinkRecord(self, range(len(self.offsets))[index])

    @property
    def topic_partition(self) -> TopicPartition:
        """Where the records come from."""
        return self.origin or TopicPartition(self.topic, self.partition)

    @property
    def next_offset(self) -> int:
        """The offset after the last record: what is committed once the batch is in the target."""
        return self.offsets[-1] + 1

    @property
    def tombstones(self) -> list[int]:
        """The places (not offsets) of the records without a value."""
        return _nulls(self.values)

    @property
    def keyless(self) -> list[int]:
        """The places (not offsets) of the records without a key."""
        return _nulls(self.keys)

    def columns(self, names: Sequence[str], *, key: bool = False) -> list[list[Any]]:
        """Return one list per field name, one entry per record; None where the record is null.

        Args:
            names: fields of the struct schema, or keys of schemaless dicts.
            key: of the keys, not of the values.

        Raises:
            DataError: the schema has no such field, or the records have no fields at all.
        """
        schema, values = (self.key_schema, self.keys) if key else (self.value_schema, self.values)
        if schema is None:
            return [_column_of_dicts(values, name) for name in names]
        if schema.type is not Type.STRUCT:
            raise DataError(f"records of schema type {schema.type.name} have no fields", where=self.topic)
        rows = values if isinstance(values, StructRows) else _rows(schema, values)
        return [rows.column(_field_index(schema, name, self.topic)) for name in names]

    def rows(self, names: Sequence[str], *, key: bool = False) -> list[tuple[Any, ...]]:
        """Return one tuple per record with the fields in the order of `names`; see `columns`."""
        return list(zip(*self.columns(names, key=key), strict=True)) if names else [()] * len(self)

    def take(self, indexes: Sequence[int]) -> RecordBatch:
        """Return a batch of the records at these places."""
        return RecordBatch(
            topic=self.topic,
            partition=self.partition,
            offsets=_pick(self.offsets, indexes),
            keys=_pick(self.keys, indexes),
            values=_pick(self.values, indexes),
            key_schema=self.key_schema,
            value_schema=self.value_schema,
            timestamps=None if self.timestamps is None else _pick(self.timestamps, indexes),
            headers=None if self.headers is None else _pick(self.headers, indexes),
            origin=self.origin,
        )


class SinkRecord:
    """One record of a batch, read through to it."""

    __slots__ = ("batch", "index")

    def __init__(self, batch: RecordBatch, index: int) -> None:
        self.batch = batch
        self.index = index

    @property
    def topic(self) -> str:
        """The topic it was read from, or what a transform made of it."""
        return self.batch.topic

    @property
    def partition(self) -> int:
        """The partition it was read from."""
        return self.batch.partition

    @property
    def offset(self) -> int:
        """Its Kafka offset."""
        return self.batch.offsets[self.index]

    @property
    def key(self) -> Any:
        """Its key; None where it has none."""
        return self.batch.keys[self.index]

    @property
    def value(self) -> Any:
        """Its value; None for a tombstone."""
        return self.batch.values[self.index]

    @property
    def key_schema(self) -> Schema | None:
        """The schema of the batch's keys."""
        return self.batch.key_schema

    @property
    def value_schema(self) -> Schema | None:
        """The schema of the batch's values."""
        return self.batch.value_schema

    @property
    def timestamp(self) -> int | None:
        """Milliseconds since the epoch."""
        return None if self.batch.timestamps is None else self.batch.timestamps[self.index]

    @property
    def headers(self) -> Headers:
        """Its headers, in order."""
        return () if self.batch.headers is None else self.batch.headers[self.index]

    def __repr__(self) -> str:
        place = f"{self.topic}-{self.partition}@{self.offset}"
        return f"SinkRecord({place}, key={self.key!r}, value={self.value!r})"


def _rows(schema: Schema, values: Sequence[Any]) -> StructRows:
    return StructRows(schema, [None if value is None else value.row for value in values])


def _nulls(values: Sequence[Any]) -> list[int]:
    if isinstance(values, StructRows):
        return [index for index in range(len(values)) if values.is_null(index)] if values.has_nulls() else []
    return [index for index, value in enumerate(values) if value is None]


def _pick(values: Sequence[Any], indexes: Sequence[int]) -> Sequence[Any]:
    if isinstance(values, StructRows):
        return values.pick(indexes)
    return [values[index] for index in indexes]


def _field_index(schema: Schema, name: str, topic: str) -> int:
    field = schema.field(name)
    if field is None:
        known = ", ".join(itertools.islice(schema.field_names, 20))
        raise DataError(f"{name} is not a field of the records; they have {known}", where=topic)
    return field.index


def _column_of_dicts(values: Sequence[Any], name: str) -> list[Any]:
    try:
        return [None if value is None else value.get(name) for value in values]
    except AttributeError:
        raise DataError(f"records without schema and fields have no {name}") from None
