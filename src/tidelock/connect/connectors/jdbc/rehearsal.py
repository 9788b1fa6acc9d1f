"""What the SQL sink would do with records: done in one transaction that is rolled back.

No ledger, no offsets, no file or table that stays. A batch is written whole, between two savepoints; what the
database refuses is tried again record by record, so that each error has its record. PostgreSQL and SQLite
take a missing table or column into the transaction; MySQL and MariaDB commit with every such statement, and
cannot undo a write to a table without transactions, so there the rows are not tried and the answer says why.
A sequence that gave a number away does not take it back. Imports its siblings and tidelock.sql.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import StaticPool

from tidelock.connect.api import DataError, RecordBatch
from tidelock.connect.connectors.jdbc.mapping import Mapping, mapping_for, require_schema
from tidelock.connect.connectors.jdbc.rows import write_rows
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.connect.connectors.jdbc.tables import Access, find_target
from tidelock.errors import RefusedError, TidelockError
from tidelock.sql import Dialect, Table, TableName, Writer, dialect_for, open_engine, translated, writer_for
from tidelock.sql.errors import SqlError

DONE = {"insert": "insert into", "upsert": "upsert into", "update": "update"}
_TRANSACTIONAL = text(
    "SELECT e.TRANSACTIONS = 'YES' FROM information_schema.TABLES t JOIN information_schema.ENGINES e"
    " ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND t.TABLE_NAME = :name"
)


class NotTried(RefusedError):
    """A write was not tried, because this database could not undo it."""

    code = "TID-533"


def rehearsed(
    settings: JdbcSinkSettings, url: URL, batches: Sequence[RecordBatch]
) -> list[list[str | TidelockError]]:
    """Return for every record of every batch what would be done, or why it cannot be.

    Raises:
        SqlError: the database does not answer.
    """
    engine = _engine(url)
    try:
        with translated(url), engine.connect() as connection:
            transaction = connection.begin()
            try:
                rehearsal = _Rehearsal(settings, connection, url)
                return [rehearsal.try_out(batch) for batch in batches]
            finally:
                transaction.rollback()
    finally:
        engine.dispose()


def table_of(settings: JdbcSinkSettings, topic: str) -> TableName:
    """Return the table that a topic's records go to."""
    return TableName.parse(settings.table_name_format.replace("${topic}", topic))


def check_schemas(settings: JdbcSinkSettings, batch: RecordBatch) -> None:
    """Raise DataError where the records lack a schema that they need."""
    if len(batch.tombstones) < len(batch):
        require_schema(batch.value_schema, "value", batch.topic)
    if settings.pk_mode == "record_key":
        require_schema(batch.key_schema, "key", batch.topic)


def _engine(url: URL) -> Engine:
    """Return an engine that leaves no trace: a SQLite file that is not there is not made."""
    if url.get_backend_name() == "sqlite" and (not url.database or not Path(url.database).exists()):
        return open_engine(url.set(database=":memory:"), poolclass=StaticPool)
    return open_engine(url)


class _Rehearsal:
    """The one transaction."""

    def __init__(self, settings: JdbcSinkSettings, connection: Connection, url: URL) -> None:
        self._settings = settings
        self._connection = connection
        self._url = url
        self._dialect: Dialect = dialect_for(connection)
        self._access = Access(
            url.render_as_string(), lambda: contextlib.nullcontext(connection), self._changing
        )

    def try_out(self, batch: RecordBatch) -> list[str | TidelockError]:
        """Write a batch, whole or else record by record."""
        whole = self._tried(batch)
        if not isinstance(whole, TidelockError):
            return [self._told(batch, index) for index in range(len(batch))]
        if len(batch) == 1:
            return [whole]
        return [one for index in range(len(batch)) for one in self.try_out(batch.take([index]))]

    def _tried(self, batch: RecordBatch) -> TidelockError | None:
        try:
            with translated(self._url), self._connection.begin_nested():
                mapping, writer = self._plan(batch)
                if writer is not None:
                    write_rows(self._settings, self._connection, batch, (mapping, writer))
        except (SqlError, DataError, RefusedError) as error:
            return error
        return None

    def _told(self, batch: RecordBatch, index: int) -> str:
        table = table_of(self._settings, batch.topic)
        is_delete = index in set(batch.tombstones)
        return f"{'delete from' if is_delete else DONE[self._settings.insert_mode]} {table}"

    def _plan(self, batch: RecordBatch) -> tuple[Mapping, Writer | None]:
        check_schemas(self._settings, batch)
        mapping = mapping_for(self._settings, batch.key_schema, batch.value_schema)
        name = table_of(self._settings, batch.topic)
        if batch.value_schema is None and self._dialect.find(self._connection, name) is None:
            return mapping, None  # nothing but deletes, from a table that is not there
        target = find_target(self._access, self._dialect, self._settings, name, mapping)
        self._require_transactions(target.table)
        return mapping, writer_for(self._dialect, target)

    def _require_transactions(self, table: Table) -> None:
        if self._dialect.name != "mysql":
            return
        wanted = {"schema": table.name.schema, "name": table.name.name}
        if not self._connection.execute(_TRANSACTIONAL, wanted).scalar():
            raise NotTried(
                f"table {table.name} has an engine without transactions",
                where=self._access.url,
                hint="what is written there cannot be undone, so nothing was; use InnoDB",
            )

    @contextlib.contextmanager
    def _changing(self, statements: Sequence[str]) -> Iterator[Connection]:
        if self._dialect.name == "mysql":
            first = statements[0].partition("(")[0].strip()
            raise NotTried(
                f"the rows were not tried: they need {first}, and this database commits with it",
                where=self._access.url,
                hint="make the table first, then validate again; the connector itself would do it",
            )
        yield self._connection
