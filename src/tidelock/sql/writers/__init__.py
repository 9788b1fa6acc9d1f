"""Bulk writers, one module per database, picked by `writer_for`; drivers are imported only when picked."""

from __future__ import annotations

from tidelock.sql.dialects import Dialect
from tidelock.sql.writers.writer import Target, Writer

__all__ = ["Target", "Writer", "writer_for"]


def writer_for(dialect: Dialect, target: Target) -> Writer:
    """Return the writer for a database's dialect."""
    # Imported here: each writer needs a driver that belongs to an optional extra.
    if dialect.name == "postgresql":
        from tidelock.sql.writers.postgresql import PostgresqlWriter

        return PostgresqlWriter(dialect, target)
    if dialect.name == "mysql":
        from tidelock.sql.writers.mysql import MysqlWriter

        return MysqlWriter(dialect, target)
    from tidelock.sql.writers.sqlite import SqliteWriter

    return SqliteWriter(dialect, target)
