"""What a query returns, before it has returned anything: names and types of its columns.

PostgreSQL and MySQL describe a result; SQLite describes a view of it. The text of people's queries goes to
the driver as it is: see `literal_text`.
"""

from __future__ import annotations

import re

import sqlalchemy
from sqlalchemy.engine import Connection

from tidelock.sql.dialects import mysql, postgresql, sqlite
from tidelock.sql.types import Column

_VIEW = "tidelock_described"
_NOT_NULL = 1  # of MySQL's column flags


def literal_text(query: str) -> str:
    """Return a query such that `sqlalchemy.text` takes none of its colons for a parameter."""
    return re.sub(r":", r"\\:", query)


def query_columns(connection: Connection, query: str) -> tuple[Column, ...]:
    """Return the columns of a SELECT; where the database does not say, a column may be null.

    Args:
        connection: SQLite gets a temporary view for a moment, which a read-only file allows too.
        query: without a semicolon.
    """
    if connection.dialect.name == "sqlite":
        return _of_sqlite(connection, query)
    result = connection.execute(sqlalchemy.text(f"SELECT * FROM ({literal_text(query)}) AS q LIMIT 0"))
    try:
        if connection.dialect.name == "postgresql":
            return _of_postgresql(connection, result)
        return _of_mysql(result)
    finally:
        result.close()


def _of_sqlite(connection: Connection, query: str) -> tuple[Column, ...]:
    connection.exec_driver_sql(f"CREATE TEMP VIEW {_VIEW} AS {query}")
    try:
        rows = connection.exec_driver_sql(f"PRAGMA temp.table_info({_VIEW})").all()
    finally:
        connection.exec_driver_sql(f"DROP VIEW temp.{_VIEW}")
    return tuple(Column(row[1], sqlite.read_type(row[2] or "")) for row in rows)


def _of_postgresql(
    connection: Connection, result: sqlalchemy.CursorResult[tuple[object, ...]]
) -> tuple[Column, ...]:
    names, described = list(result.keys()), result.cursor.pgresult  # psycopg's
    types = [(described.ftype(place), described.fmod(place)) for place in range(len(names))]
    ask = sqlalchemy.text("SELECT format_type(:kind, :modifier)")
    return tuple(
        Column(
            name,
            postgresql.read_type(str(connection.execute(ask, {"kind": kind, "modifier": modifier}).scalar())),
        )
        for name, (kind, modifier) in zip(names, types, strict=True)
    )


def _of_mysql(result: sqlalchemy.CursorResult[tuple[object, ...]]) -> tuple[Column, ...]:
    fields = result.cursor._result.fields  # PyMySQL keeps flags nowhere else
    return tuple(
        Column(field.name, mysql.type_of_field(field), nullable=not field.flags & _NOT_NULL)
        for field in fields
    )
