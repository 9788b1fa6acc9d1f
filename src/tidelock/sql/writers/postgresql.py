"""PostgreSQL: COPY above 100 rows, pipelined statements below.

Measured on one machine: COPY into a temporary table and one merge write two to three times the rows per
second of pipelined `executemany`, and the difference fades at a hundred rows. The temporary table lives as
long as the session and empties itself at commit; it is made from the target, so COPY converts text exactly
as the target would.

A merge costs the server twice what COPY into the table itself does. So an upsert first guesses that its keys
are new, behind a savepoint; a key that is there makes COPY fail within its first rows. Then it merges, this
batch and the next ones: 1, 2, 4 up to 64 before it guesses again.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from psycopg.errors import FeatureNotSupported, UniqueViolation, WrongObjectType
from psycopg.types.json import Jsonb
from sqlalchemy.engine import Connection, RootTransaction

from tidelock.sql.changes import Row
from tidelock.sql.dialects import Dialect
from tidelock.sql.engine import driver_connection
from tidelock.sql.writers.writer import Target, Writer, rearranged

COPY_FROM = 100  # rows; below it the round trips of COPY + merge cost more than they save
MERGES = 64  # batches at most between two guesses that keys are new: the server logs each that fails
# A key is there; a view, and a table with policies for its rows, take INSERT but no COPY.
NOT_COPIED = (UniqueViolation, WrongObjectType, FeatureNotSupported)


class PostgresqlWriter(Writer):
    """See the module."""

    def __init__(self, dialect: Dialect, target: Target) -> None:
        super().__init__(dialect, target)
        self._stages: dict[str, RootTransaction | None] = {}
        self._merges = 0  # batches that are merged before the next guess
        self._next_merges = 1

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        if len(rows) >= COPY_FROM:
            self._copy(connection, self._table(), self.target.columns, rows)
        else:
            self._many(connection, self._insert_text(), self.target.columns, rows)

    def upsert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        action = f"UPDATE SET {self._assignments('excluded.{}')}" if self.target.rest else "NOTHING"
        conflict = f" ON CONFLICT ({self.dialect.quote_all(self.target.key)}) DO {action}"
        if len(rows) < COPY_FROM:
            self._many(connection, self._insert_text() + _escaped(conflict), self.target.columns, rows)
        elif not self._copied_as_new(connection, conflict, rows):
            stage = self._stage(connection, self.target.columns, rows)
            driver_connection(connection).execute(self._insert_from(stage) + conflict)

    def update(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        if not self.target.rest:
            return
        if len(rows) >= COPY_FROM:
            stage = self._stage(connection, self.target.columns, rows)
            statement = (
                f"UPDATE {self._table()} AS t SET {self._assignments('s.{}')} "
                f"FROM {stage} AS s WHERE {self._joined()}"
            )
            driver_connection(connection).execute(statement)
            return
        names = (*self.target.rest, *self.target.key)
        marks = dict(zip(names, self._marks(names), strict=True))
        assignments = ", ".join(f"{_escaped(self.dialect.quote(n))} = {marks[n]}" for n in self.target.rest)
        where = " AND ".join(f"{_escaped(self.dialect.quote(n))} = {marks[n]}" for n in self.target.key)
        statement = f"UPDATE {_escaped(self._table())} SET {assignments} WHERE {where}"
        order = [self.target.columns.index(name) for name in names]
        self._many(connection, statement, names, rearranged(rows, order))

    def delete(self, connection: Connection, keys: Sequence[Row]) -> None:
        """See Writer."""
        if len(keys) >= COPY_FROM:
            stage = self._stage(connection, self.target.key, keys)
            statement = f"DELETE FROM {self._table()} AS t USING {stage} AS s WHERE {self._joined()}"
            driver_connection(connection).execute(statement)
            return
        marks = self._marks(self.target.key)
        names = [_escaped(self.dialect.quote(name)) for name in self.target.key]
        where = " AND ".join(f"{name} = {mark}" for name, mark in zip(names, marks, strict=True))
        self._many(connection, f"DELETE FROM {_escaped(self._table())} WHERE {where}", self.target.key, keys)

    def _copied_as_new(self, connection: Connection, conflict: str, rows: Sequence[Row]) -> bool:
        """COPY into the table, on the guess that no key is there; False, and nothing done, if one is."""
        if self._merges:
            self._merges -= 1
            return False
        driver = driver_connection(connection)
        try:
            with driver.transaction():  # a savepoint
                # A merge of nothing fails if the key's index is gone, and keeps it: COPY alone would not ask.
                driver.execute(f"{self._insert_from(self._table())} WHERE false{conflict}")
                self._copy(connection, self._table(), self.target.columns, rows)
        except NOT_COPIED:
            self._merges, self._next_merges = self._next_merges, min(2 * self._next_merges, MERGES)
            return False
        self._next_merges = 1
        return True

    def _insert_from(self, source: str) -> str:
        columns = self.dialect.quote_all(self.target.columns)
        return f"INSERT INTO {self._table()} ({columns}) SELECT {columns} FROM {source}"

    def _insert_text(self) -> str:
        columns = _escaped(self.dialect.quote_all(self.target.columns))
        marks = ", ".join(self._marks(self.target.columns))
        return f"INSERT INTO {_escaped(self._table())} ({columns}) VALUES ({marks})"

    def _marks(self, names: Sequence[str]) -> list[str]:
        """Return typed placeholders, so that few rows are converted as COPY converts many."""
        types = (self.target.table.by_name[name].type.declared for name in names)
        return [f"%s::{_escaped(declared)}" if declared else "%s" for declared in types]

    def _joined(self) -> str:
        quoted = [self.dialect.quote(name) for name in self.target.key]
        return " AND ".join(f"t.{name} = s.{name}" for name in quoted)

    def _stage(self, connection: Connection, names: Sequence[str], rows: Sequence[Row]) -> str:
        """Copy rows into a temporary table of the session and return its quoted name."""
        quoted = self.dialect.quote_all(names)
        digest = zlib.crc32(f"{self._table()}({quoted})".encode())
        stage = self.dialect.quote(f"tidelock_stage_{digest:08x}")
        driver = driver_connection(connection)
        transaction = connection.get_transaction()
        if transaction is not None and self._stages.get(stage) is transaction:
            driver.execute(f"TRUNCATE {stage}")  # the second use in one transaction
        else:
            driver.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS "
                f"AS SELECT {quoted} FROM {self._table()} WITH NO DATA"
            )
        self._stages[stage] = transaction
        self._copy(connection, stage, names, rows)
        return stage

    def _copy(self, connection: Connection, table: str, names: Sequence[str], rows: Sequence[Row]) -> None:
        statement = f"COPY {table} ({self.dialect.quote_all(names)}) FROM STDIN"
        with driver_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
            write_row = copy.write_row
            for row in _adapted(rows):
                write_row(row)

    def _many(
        self, connection: Connection, statement: str, names: Sequence[str], rows: Sequence[Row]
    ) -> None:
        if rows:
            with driver_connection(connection).cursor() as cursor:
                cursor.executemany(statement, _adapted(rows))


def _adapted(rows: Sequence[Row]) -> Sequence[Row]:
    """Wrap the values that are JSON to PostgreSQL; psycopg knows all others."""
    kinds = set().union(*(map(type, values) for values in zip(*rows, strict=True)))
    if dict not in kinds and list not in kinds:
        return rows
    return [tuple(_json(value) if isinstance(value, dict | list) else value for value in row) for row in rows]


def _json(value: Any) -> Jsonb:
    return Jsonb(value)


def _escaped(text: str) -> str:
    """Return text for a statement with parameters: a percent sign in an identifier is doubled."""
    return text.replace("%", "%%")
