"""Writes the rows of one batch in a transaction that somebody else began and will end.

What a task does between its ledger's two statements, and a rehearsal between two savepoints. Imports mapping
and settings, and tidelock.sql.

Source: Confluent `io.confluent.connect.jdbc.sink.{BufferedRecords, JdbcDbWriter}`.
"""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Connection

from tidelock.connect.api import DataError, RecordBatch
from tidelock.connect.connectors.jdbc.mapping import Mapping, Row
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.sql import Kind, Writer, reduce_changes


def write_rows(
    settings: JdbcSinkSettings, connection: Connection, batch: RecordBatch, plan: tuple[Mapping, Writer]
) -> None:
    """Write a batch as insert.mode says.

    Args:
        settings: of the connector.
        connection: in the batch's transaction.
        batch: the records.
        plan: how they become rows, and the writer of their table.

    Raises:
        DataError: a record cannot become a row; `index` says which.
    """
    mapping, writer = plan
    if not settings.delete_enabled and batch.tombstones:
        raise DataError(
            "a record has no value, and delete.enabled is false",
            where=f"topic {batch.topic}",
            hint="set delete.enabled=true and pk.mode=record_key, or filter tombstones out",
            index=batch.tombstones[0],
        )
    keys = mapping.keys(batch)
    rows = _in_zone(settings, mapping.rows(batch, keys), writer)
    if settings.insert_mode == "insert":
        for deletes, keys_run, rows_run in _runs(keys, rows):
            if deletes:
                writer.delete(connection, list(dict.fromkeys(keys_run)))
            else:
                writer.insert(connection, rows_run)
        return
    changes = reduce_changes(keys, rows)
    write = writer.upsert if settings.insert_mode == "upsert" else writer.update
    writer.delete(connection, changes.deletes)
    write(connection, changes.upserts)


def _in_zone(settings: JdbcSinkSettings, rows: list[Row | None], writer: Writer) -> list[Row | None]:
    """Turn instants into wall-clock time of db.timezone, for columns that keep no zone."""
    if settings.db_timezone == "UTC":
        return rows
    zone = zoneinfo.ZoneInfo(settings.db_timezone)
    columns = writer.target.table.require(writer.target.columns)
    places = {
        place
        for place, column in enumerate(columns)
        if column.type.kind is Kind.TIMESTAMP and "with time zone" not in column.type.declared
    }
    return [
        None
        if row is None
        else tuple(_wall(one, zone) if place in places else one for place, one in enumerate(row))
        for row in rows
    ]


def _runs(keys: Sequence[Row], rows: Sequence[Row | None]) -> Iterator[tuple[bool, list[Row], list[Row]]]:
    """Yield consecutive deletes or inserts: (are deletes, their keys, their rows)."""
    places = itertools.groupby(range(len(rows)), key=lambda place: rows[place] is None)
    for deletes, group in places:
        members = list(group)
        yield (
            deletes,
            [keys[place] for place in members],
            [row for place in members if (row := rows[place]) is not None],
        )


def _wall(value: object, zone: zoneinfo.ZoneInfo) -> object:
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(zone).replace(tzinfo=None)
    return value
