"""MySQL and MariaDB: statements of many rows, built here and sized by the server's packet limit.

Drivers rewrite `executemany` to one statement only when every value is a bare placeholder, else they send
one statement per row, about a third of the speed. Values become literals here: our sessions are utf8mb4 and
never in NO_BACKSLASH_ESCAPES mode (tidelock.sql.engine sets both), which is what the escaping relies on.
"""

from __future__ import annotations

import datetime
import math
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from tidelock.sql.changes import Row
from tidelock.sql.dialects import Dialect
from tidelock.sql.engine import driver_connection
from tidelock.sql.errors import TableUnfit
from tidelock.sql.writers.writer import Target, Writer, rearranged

LARGEST_STATEMENT = 4 << 20  # bytes; larger ones gain nothing and hold locks longer
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"})
_NEEDS_ESCAPE = re.compile("[\\\\'\0\n\r\x1a]").search


def _text(value: str) -> str:
    return f"'{value.translate(_ESCAPES)}'"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise TableUnfit(f"MySQL has no {value!r}", hint="filter it out, or write to PostgreSQL")
    return repr(value)


def _timestamp(value: datetime.datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return f"'{value.isoformat(sep=' ')}'"


_LITERALS: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "NULL",
    bool: lambda value: "1" if value else "0",
    int: str,
    float: _float,
    str: _text,
    Decimal: lambda value: f"{value:f}",
    bytes: lambda value: f"X'{value.hex()}'",
    bytearray: lambda value: f"X'{value.hex()}'",
    memoryview: lambda value: f"X'{value.hex()}'",
    datetime.datetime: _timestamp,
    datetime.date: lambda value: f"'{value.isoformat()}'",
    datetime.time: lambda value: f"'{value.isoformat()}'",
    uuid.UUID: lambda value: f"'{value}'",
    dict: lambda value: _text(msgspec.json.encode(value).decode()),
    list: lambda value: _text(msgspec.json.encode(value).decode()),
}


def literal_rows(rows: Sequence[Row]) -> list[bytes]:
    """Return `(1,'a',NULL)` in utf-8 for each row; made column by column, for most hold one type only."""
    columns = [_literals(column) for column in zip(*rows, strict=True)]
    return [f"({','.join(row)})".encode() for row in zip(*columns, strict=True)]


def _literals(column: Sequence[Any]) -> Iterable[str]:
    kinds = set(map(type, column))
    if len(kinds) > 1:
        return [_LITERALS[type(value)](value) for value in column]
    [kind] = kinds
    if kind is str and _NEEDS_ESCAPE("".join(column)) is None:
        return [f"'{value}'" for value in column]
    return map(_LITERALS[kind], column)


def statements(head: bytes, rows: Sequence[Row], tail: bytes, limit: int) -> Iterator[bytes]:
    """Join rows into as few statements as fit the limit; a row beyond it goes alone.

    Args:
        head: up to and including VALUES or IN (.
        rows: the values of each row.
        tail: what follows the rows.
        limit: bytes of one statement.
    """
    parts: list[bytes] = []
    size = room = limit - len(head) - len(tail)
    for part in literal_rows(rows):
        if parts and size < len(part) + 1:
            yield head + b",".join(parts) + tail
            parts, size = [], room
        parts.append(part)
        size -= len(part) + 1
    if parts:
        yield head + b",".join(parts) + tail


class MysqlWriter(Writer):
    """See the module."""

    def __init__(self, dialect: Dialect, target: Target) -> None:
        super().__init__(dialect, target)
        self._limit = 0

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        self._run(connection, self._insert_head(), rows, "")

    def upsert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        names = self.target.rest or self.target.key[:1]  # a table of keys only: overwrite with the same
        quoted = (self.dialect.quote(name) for name in names)
        assignments = ", ".join(f"{name}=VALUES({name})" for name in quoted)
        self._run(connection, self._insert_head(), rows, f" ON DUPLICATE KEY UPDATE {assignments}")

    def update(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer; MySQL has no update from a list of rows, so the statements go one per row."""
        if not self.target.rest:
            return
        driver = driver_connection(connection)
        order = [self.target.columns.index(name) for name in (*self.target.rest, *self.target.key)]
        quoted = [self.dialect.quote(name) for name in (*self.target.rest, *self.target.key)]
        split = len(self.target.rest)
        for row in rearranged(rows, order):
            pairs = [
                f"{name}={_LITERALS[type(value)](value)}" for name, value in zip(quoted, row, strict=True)
            ]
            statement = (
                f"UPDATE {self._table()} SET {', '.join(pairs[:split])} WHERE {' AND '.join(pairs[split:])}"
            )
            driver.query(statement)

    def delete(self, connection: Connection, keys: Sequence[Row]) -> None:
        """See Writer."""
        names = self.dialect.quote_all(self.target.key)
        self._run(connection, f"DELETE FROM {self._table()} WHERE ({names}) IN (", keys, ")")

    def _insert_head(self) -> str:
        return f"INSERT INTO {self._table()} ({self.dialect.quote_all(self.target.columns)}) VALUES "

    def _run(self, connection: Connection, head: str, rows: Sequence[Row], tail: str) -> None:
        if not rows:
            return
        driver = driver_connection(connection)
        for statement in statements(head.encode(), rows, tail.encode(), self._largest(connection)):
            driver.query(statement)

    def _largest(self, connection: Connection) -> int:
        if not self._limit:
            packet = int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
            self._limit = min(packet - 1024, LARGEST_STATEMENT)
        return self._limit
