"""The task of the SQL source: its tables take turns, each when it is due.

A table that has rows is read again at once, after the others had their turn. Errors that may pass are waited
out by the worker; a position only moves with rows that were handed over, so nothing is lost by trying again.

Source: Confluent `io.confluent.connect.jdbc.source.JdbcSourceTask`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tidelock.connect.api import ConnectError, RetriableError, SourceRecord, SourceTask, SourceTaskContext
from tidelock.connect.connectors.jdbc.connection import url_of
from tidelock.connect.connectors.jdbc.source import catalogue
from tidelock.connect.connectors.jdbc.source.bulk_reader import BulkReader
from tidelock.connect.connectors.jdbc.source.position import QUERY_PARTITION, partitions_of
from tidelock.connect.connectors.jdbc.source.reader import Reader, RowReader
from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.connect.connectors.jdbc.source.statements import Origin
from tidelock.runtime import Clock, SystemClock
from tidelock.sql import TableName, backend, dialect_for, open_engine, translated
from tidelock.sql.errors import SqlError


class JdbcSourceTask(SourceTask):
    """Reads its tables.

    Args:
        clock: says which table is due.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._engine: Engine | None = None
        self._readers: deque[Reader] = deque()
        self._failures = 0

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """See SourceTask; the database is asked at the first poll."""
        self._context = context
        self._settings = JdbcSourceSettings.parse(props, strict=False, where=context.connector)
        self._url = url_of(self._settings)
        self._engine = engine_for(self._url)

    def poll(self) -> Sequence[SourceRecord] | None:
        """See SourceTask."""
        try:
            with translated(self._url):
                records = self._turn()
        except SqlError as error:
            raise self._verdict(error) from error
        self._failures = 0
        return records

    def stop(self) -> None:
        """See SourceTask."""
        for reader in self._readers:
            reader.reset()
        if self._engine is not None:
            self._engine.dispose()

    def _turn(self) -> Sequence[SourceRecord] | None:
        if not self._readers:
            self._readers.extend(self._made_readers())
        now = self._clock.monotonic()
        for _ in range(len(self._readers)):
            reader = self._readers[0]
            if reader.due_at <= now:
                records = reader.read(self._running, now)
                self._readers.rotate(-1)
                if records:
                    return records
            else:
                self._readers.rotate(-1)
        return None

    @property
    def _running(self) -> Engine:
        if self._engine is None:
            raise ConnectError("the task was not started")
        return self._engine

    def _made_readers(self) -> list[Reader]:
        with self._running.connect() as connection:
            dialect = dialect_for(connection)
            inspector = sqlalchemy.inspect(connection)
            tables = catalogue.read(self._settings.tables)
            views = {table for table in tables if table.name in inspector.get_view_names(table.schema)}
        everything: list[TableName | None] = [*tables] or [None]  # None stands for the query
        origins = [Origin(table, self._settings, dialect, backend(self._running)) for table in everything]
        if self._settings.mode == "bulk":
            return [BulkReader(origin) for origin in origins]
        return [
            RowReader(
                origin,
                self._offset(origin.table),
                is_table=origin.table is not None and origin.table not in views,
            )
            for origin in origins
        ]

    def _offset(self, table: TableName | None) -> Mapping[str, Any] | None:
        partitions = [QUERY_PARTITION] if table is None else partitions_of(table, self._url.database)
        return next((offset for offset in self._context.offsets(partitions) if offset), None)

    def _verdict(self, error: SqlError) -> ConnectError:
        """Say what a failed statement means: try again, or fail the task."""
        for reader in self._readers:
            reader.reset()
        self._running.dispose()
        if not error.retriable:
            return ConnectError(error.what, where=error.where, hint=error.hint)
        self._failures += 1
        if 0 <= self._settings.query_retry_attempts < self._failures:
            return ConnectError(
                f"gave up after {self._settings.query_retry_attempts} retries: {error.what}",
                where=error.where,
                hint="restart the task when the database is back; it goes on where it was",
            )
        return RetriableError(error.what, where=error.where)


def engine_for(url: sqlalchemy.engine.URL) -> Engine:
    """Return an engine for reading: JSON comes as text, and no lock is waited for longer than a turn."""
    engine = open_engine(url)
    if backend(engine) == "postgresql":
        event.listen(engine, "connect", _json_as_text)
    elif backend(engine) == "mysql":
        event.listen(engine, "connect", _short_waits)
    return engine


def _json_as_text(connection: Any, _record: object) -> None:
    from psycopg.types.string import TextLoader  # an extra: only where its database is read

    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)


def _short_waits(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
