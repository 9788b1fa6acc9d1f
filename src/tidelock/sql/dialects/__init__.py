"""One module per database; `dialect_for` picks by connection."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from tidelock.sql.dialects.dialect import Dialect
from tidelock.sql.dialects.mysql import MysqlDialect, key_collation, server_version
from tidelock.sql.dialects.postgresql import PostgresqlDialect
from tidelock.sql.dialects.sqlite import SqliteDialect

__all__ = ["Dialect", "MysqlDialect", "PostgresqlDialect", "SqliteDialect", "dialect_for"]


def dialect_for(connection: Connection) -> Dialect:
    """Return the dialect of the database at the other end; MySQL and MariaDB are asked for their version."""
    name = connection.dialect.name
    if name == "postgresql":
        return PostgresqlDialect()
    if name == "sqlite":
        return SqliteDialect()
    version, is_mariadb = server_version(str(connection.exec_driver_sql("SELECT version()").scalar()))
    return MysqlDialect(key_collation(version, is_mariadb=is_mariadb))
