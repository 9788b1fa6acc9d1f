"""SQLite: `executemany` is the bulk path; the library runs in our process, so there is nothing to batch away.

Values that SQLite has no type for become text here: decimals digit for digit, timestamps as SQLAlchemy
writes them.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from tidelock.sql.changes import Row
from tidelock.sql.dialects.sqlite import timestamp_text
from tidelock.sql.engine import driver_connection
from tidelock.sql.writers.writer import Writer, rearranged

_NATIVE = {int, float, str, bytes, type(None)}


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _same(value: Any) -> Any:
    return value


def decimal_text(value: Decimal) -> str:
    """Return a decimal's digits as they are, without exponent."""
    text = str(value)
    return text if "E" not in text else f"{value:f}"


_TEXTS: dict[type, Callable[[Any], Any]] = {
    bool: int,
    Decimal: decimal_text,
    datetime.datetime: timestamp_text,
    datetime.date: lambda value: value.isoformat(),
    datetime.time: lambda value: value.isoformat(),
    uuid.UUID: str,
    bytearray: bytes,
    memoryview: bytes,
    dict: _json_text,
    list: _json_text,
}


def encode_rows(rows: Sequence[Row]) -> Sequence[Row]:
    """Turn the values that sqlite3 cannot bind into text."""
    columns = list(zip(*rows, strict=True))
    odd = [place for place, values in enumerate(columns) if not set(map(type, values)) <= _NATIVE]
    if not odd:
        return rows
    texts: list[Sequence[Any]] = list(columns)
    for place in odd:
        texts[place] = [
            _TEXTS[type(value)](value) if type(value) in _TEXTS else value for value in columns[place]
        ]
    return list(zip(*texts, strict=True))


class SqliteWriter(Writer):
    """See the module."""

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        self._many(connection, self._insert_text(), rows)

    def upsert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        action = f"UPDATE SET {self._assignments('excluded.{}')}" if self.target.rest else "NOTHING"
        conflict = f" ON CONFLICT ({self.dialect.quote_all(self.target.key)}) DO {action}"
        self._many(connection, self._insert_text() + conflict, rows)

    def update(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See Writer."""
        if not self.target.rest:
            return
        where = self._matches(["?"] * len(self.target.key))
        statement = f"UPDATE {self._table()} SET {self._assignments('?')} WHERE {where}"
        order = [self.target.columns.index(name) for name in (*self.target.rest, *self.target.key)]
        self._many(connection, statement, rearranged(rows, order))

    def delete(self, connection: Connection, keys: Sequence[Row]) -> None:
        """See Writer."""
        where = self._matches(["?"] * len(self.target.key))
        self._many(connection, f"DELETE FROM {self._table()} WHERE {where}", keys)

    def _insert_text(self) -> str:
        marks = ", ".join("?" for _ in self.target.columns)
        return f"INSERT INTO {self._table()} ({self.dialect.quote_all(self.target.columns)}) VALUES ({marks})"

    def _many(self, connection: Connection, statement: str, rows: Sequence[Row]) -> None:
        if rows:
            driver_connection(connection).executemany(statement, encode_rows(rows))
