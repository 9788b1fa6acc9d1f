"""The transactional outbox: an event becomes a row in the caller's own transaction, or does not happen.

    outbox = Outbox(schemas={"orders": ORDER})
    with engine.begin() as tx:                      # or a DB-API connection: sqlite3, psycopg, PyMySQL
        tx.execute(...)
        outbox.add(tx, topic="orders", key=order.number, value=order.as_dict(), event="OrderPlaced")

A relay (tidelock.sync.relay) publishes the rows and deletes them. Rows get their number when they are
inserted: writers who change the same thing must hold its row lock before `add`, as they do when they write
the thing first, and then its events are numbered in commit order. Values are JSON; with a Connect schema
they become `{"schema":...,"payload":...}`, which a sink with JsonConverter turns into typed columns.
Decimals are exact in both forms: a Decimal of the schema, or a JSON string without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tidelock.errors import UsageError
from tidelock.sql.engine import execute_plain

if TYPE_CHECKING:
    from tidelock.connect.api import Schema

TABLE = "tidelock_outbox"
EVENT_HEADER = "event"
_MODULES = {
    "sqlite3": "sqlite",
    "psycopg": "postgresql",
    "psycopg2": "postgresql",
    "pymysql": "mysql",
    "MySQLdb": "mysql",
    "mariadb": "mysql",
}
_DDL = {
    "sqlite": """CREATE TABLE IF NOT EXISTS {table} (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL, key BLOB, value BLOB, headers TEXT NOT NULL,
        created_ms INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)))""",
    "postgresql": """CREATE TABLE IF NOT EXISTS {table} (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic TEXT NOT NULL, key BYTEA, value BYTEA, headers TEXT NOT NULL,
        created_ms BIGINT NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint)""",
    "mysql": """CREATE TABLE IF NOT EXISTS {table} (
        id BIGINT AUTO_INCREMENT PRIMARY KEY,
        topic VARCHAR(249) NOT NULL, `key` LONGBLOB, value LONGBLOB, headers LONGTEXT NOT NULL,
        created_ms BIGINT NOT NULL DEFAULT (CAST(unix_timestamp(now(3)) * 1000 AS SIGNED))
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin""",
}
_KEY_COLUMN = {"sqlite": "key", "postgresql": "key", "mysql": "`key`"}


class Outbox:
    """Adds events to the outbox table of whatever database the transaction is in.

    Args:
        kind: an engine, a connection, or `sqlite`, `postgresql`, `mysql`; None asks each transaction.
        table: the table's name, where one database holds several outboxes.
        schemas: Connect schema of the values per topic; topics without one get plain JSON.
    """

    def __init__(
        self,
        kind: Engine | Connection | str | object | None = None,
        *,
        table: str = TABLE,
        schemas: Mapping[str, Schema] | None = None,
    ) -> None:
        self.table = table
        self._kind = kind if isinstance(kind, str) else database_kind(kind) if kind is not None else None
        if self._kind is not None and self._kind not in _DDL:
            raise UsageError(f"no outbox for a {self._kind!r} database", hint=f"use {', '.join(_DDL)}")
        self._values = _Values(schemas or {})

    def create_table(self, connection: Any) -> None:
        """Create the table unless it exists; MySQL commits whatever is open on the connection."""
        statement = _DDL[self._kind or database_kind(connection)].format(table=self.table)
        found = _sqlalchemy_connection(connection)
        if found is not None:
            execute_plain(found, statement)
            return
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()

    def add(
        self,
        tx: Any,
        *,
        topic: str,
        key: str | bytes | int | None,
        value: Any,
        event: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Add one event; it is published if and only if the transaction commits.

        Args:
            tx: an SQLAlchemy Connection or Session, or a DB-API connection, inside a transaction.
            topic: where it goes.
            key: events of one key stay in order; text becomes UTF-8. None: no order, any partition.
            value: a mapping, Struct, dataclass, anything JSON has; bytes as they are; None is a tombstone.
            event: what happened, as header `event`.
            headers: more headers.

        Raises:
            DataError: the value does not fit the topic's schema.
        """
        kind = self._kind or database_kind(tx)
        named = dict(headers or {})
        if event is not None:
            named[EVENT_HEADER] = event
        row = (topic, encode_key(key), self._values.encode(topic, value), msgspec.json.encode(named).decode())
        columns = f"topic, {_KEY_COLUMN[kind]}, value, headers"
        if _sqlalchemy_connection(tx) is not None:
            statement = f"INSERT INTO {self.table} ({columns}) VALUES (:topic, :key, :value, :headers)"
            tx.execute(sa.text(statement), dict(zip(("topic", "key", "value", "headers"), row, strict=True)))
            return
        marks = ", ".join(["?" if kind == "sqlite" else "%s"] * len(row))
        cursor = tx.cursor()
        cursor.execute(f"INSERT INTO {self.table} ({columns}) VALUES ({marks})", row)
        cursor.close()


def encode_key(key: str | bytes | int | None) -> bytes | None:
    """Return a key's bytes as StringConverter reads them."""
    if key is None or isinstance(key, bytes):
        return key
    return str(key).encode()


def database_kind(connection: Any) -> str:
    """Tell the database of an engine, a session, or a connection of SQLAlchemy or a driver.

    Raises:
        UsageError: it is none of them.
    """
    if isinstance(connection, Engine):
        return _backend(connection.dialect.name)
    found = _sqlalchemy_connection(connection)
    if found is not None:
        return _backend(found.dialect.name)
    for ancestor in type(connection).__mro__:
        kind = _MODULES.get(ancestor.__module__.partition(".")[0])
        if kind is not None:
            return kind
    raise UsageError(
        f"a {type(connection).__module__}.{type(connection).__name__} is no database connection known here",
        hint="pass a connection of SQLAlchemy, sqlite3, psycopg or PyMySQL",
    )


def _backend(name: str) -> str:
    return "mysql" if name == "mariadb" else name


def _sqlalchemy_connection(candidate: Any) -> Connection | None:
    """Return the Connection of a Connection or Session, and None for anything else."""
    if isinstance(candidate, Connection):
        return candidate
    if any(one.__module__.startswith("sqlalchemy.orm") for one in type(candidate).__mro__):
        connection: Connection = candidate.connection()
        return connection
    return None


class _Values:
    """Turns values into bytes, by the schema of their topic where it has one."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        self._converter: Any = None

    def encode(self, topic: str, value: Any) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        schema = self._schemas.get(topic, getattr(value, "schema", None))
        if schema is None:
            return msgspec.json.encode(value)  # decimals as strings, exact for every reader
        return self._with_schema(topic, schema, value)

    def _with_schema(self, topic: str, schema: Schema, value: Any) -> bytes | None:
        # Imported on use: a service without schemas needs no converter.
        from tidelock.connect.api import Struct

        if self._converter is None:
            from tidelock.connect.converters.json import JsonConverter

            self._converter = JsonConverter()
        struct = value if isinstance(value, Struct) else Struct(schema, dict(value))
        encoded: bytes | None = self._converter.encode(topic, schema, [struct])[0]
        return encoded
