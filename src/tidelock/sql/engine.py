"""Connections that behave the same on every database, and the one seam where drivers' errors become ours.

Every session we open is in UTC, READ COMMITTED where the database has levels (MySQL's default takes gap
locks that stall other writers), strict where the database is lax (MySQL truncates silently otherwise), and
utf8mb4. SQLite transactions begin where we say BEGIN: IMMEDIATE for a writer, so that reading an offset and
writing the next one cannot interleave with another process.
"""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tidelock.sql.errors import DatabaseUnreachable, SqlError, TransientSqlError
from tidelock.sql.url import DRIVERS, parse_url, require_driver, shown

CONNECT_TIMEOUT = 10  # seconds until an address that swallows packets is called unreachable
LOCK_TIMEOUT = 30.0  # seconds a SQLite writer waits for another one
MYSQL_SESSION = (
    "SET SESSION time_zone = '+00:00', "
    "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"
)

IDLE_TIMEOUT = 30  # seconds that a writer's transaction may stand still until the server gives it up
# Only the server can take the locks of a process that was paused in the middle of a transaction, and its heir
# waits for them. A comment with M is read by MariaDB alone; MySQL has no such setting.
WRITER_SESSION = {
    "postgresql": f"SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'",
    "mysql": "SET SESSION autocommit = @@autocommit "
    f"/*M!100301 , idle_transaction_timeout = {IDLE_TIMEOUT} */",
}

# SQLSTATE (PostgreSQL), error number (MySQL) of a transaction that may succeed when tried again
_RETRY_STATES = {"25P03", "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300"}
_RETRY_NUMBERS = {1205, 1213, 1040, 1053}
_LOST_NUMBERS = {1927, 2002, 2003, 2006, 2013, 2055}


def open_engine(url: str | URL, *, writer: bool = False, **options: Any) -> Engine:
    """Make an engine whose sessions follow this module's rules; it connects on first use.

    Args:
        url: an SQLAlchemy or JDBC URL, or one already parsed.
        writer: a transaction that stands still for 30 s is ended by the server (not by MySQL, which cannot);
            SQLite: every transaction takes the write lock at its start, and the file is put in WAL mode.
            Leave it off for a reader.
        **options: passed to `sqlalchemy.create_engine`.

    Raises:
        UnsupportedDatabase, DriverMissing: before any connection is tried.
    """
    parsed = parse_url(url)
    require_driver(parsed)
    name = parsed.get_backend_name()
    arguments: dict[str, Any] = {"timeout": LOCK_TIMEOUT} if name == "sqlite" else {}
    if name == "postgresql":
        arguments = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "tidelock"}
        arguments = {key: value for key, value in arguments.items() if key not in parsed.query}
    elif name != "sqlite":
        arguments = {"charset": "utf8mb4", "connect_timeout": CONNECT_TIMEOUT}
        options.setdefault("isolation_level", "READ COMMITTED")
    engine = sqlalchemy.create_engine(parsed, connect_args=arguments, **options)
    if name == "sqlite":
        _sqlite_rules(engine, writer=writer)
    else:
        kind = "postgresql" if name == "postgresql" else "mysql"
        statements = ["SET TIME ZONE 'UTC'" if kind == "postgresql" else MYSQL_SESSION]
        statements += [WRITER_SESSION[kind]] if writer else []
        for one in statements:
            event.listen(engine, "connect", lambda connection, _record, one=one: _execute(connection, one))
    return engine


def backend(engine: Engine | Connection) -> str:
    """Return `postgresql`, `mysql` (MariaDB too) or `sqlite`."""
    name = engine.dialect.name
    return "mysql" if name == "mariadb" else name


def driver_connection(connection: Connection) -> Any:
    """Return the driver's own connection under an SQLAlchemy connection, in the same transaction."""
    return connection.connection.driver_connection


def execute_plain(connection: Connection, statement: str) -> None:
    """Run a statement as it is, in the connection's transaction: `%` and `:` mean themselves."""
    cursor = driver_connection(connection).cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


IS_IT_THERE = "see that the database runs and that host, port, user and password of the URL are right"
ITS_WORDS = "correct the table, the data or the user's rights that the database names"


@contextlib.contextmanager
def translated(url: URL | str) -> Iterator[None]:
    """Turn the errors of SQLAlchemy and of its driver into ours, naming the database without its password."""
    parsed = parse_url(url)
    try:
        yield
    except SQLAlchemyError as error:
        raise _translate(error, parsed) from error
    except driver_errors(parsed.get_backend_name()) as error:
        raise _translate(error, parsed) from error


def driver_errors(name: str) -> tuple[type[Exception], ...]:
    """Return the root of the exceptions that a database's driver raises."""
    module = importlib.import_module(DRIVERS[name][1])
    return (module.Error,)


def _translate(error: BaseException, url: URL) -> SqlError:
    cause: Any = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = _first_line(cause)
    where = shown(url)
    invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    if invalidated or _is_lost(cause):
        return DatabaseUnreachable(f"the database does not answer: {text}", where=where, hint=IS_IT_THERE)
    if _may_retry(cause):
        return TransientSqlError(f"the database gave the transaction up: {text}", where=where)
    return SqlError(f"the database refused: {text}", where=where, hint=ITS_WORDS)


def _first_line(cause: Any) -> str:
    arguments: tuple[Any, ...] = cause.args
    if len(arguments) >= 2 and isinstance(arguments[0], int):  # PyMySQL: (number, text)
        return f"{arguments[1]} (error {arguments[0]})"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0] if lines else type(cause).__name__


def _is_lost(cause: Any) -> bool:
    number = cause.args[0] if cause.args else None
    if isinstance(number, int):
        return number in _LOST_NUMBERS
    if isinstance(cause, sqlite3.OperationalError):
        return "unable to open" in str(cause)
    if type(cause).__module__.startswith("psycopg"):
        # psycopg: connection failures are OperationalErrors without an SQLSTATE
        return type(cause).__name__ == "OperationalError" and getattr(cause, "sqlstate", None) is None
    return False


def _may_retry(cause: Any) -> bool:
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause) or "busy" in str(cause)
    if getattr(cause, "sqlstate", None) in _RETRY_STATES:
        return True
    number = cause.args[0] if cause.args else None
    return isinstance(number, int) and number in _RETRY_NUMBERS


def _execute(connection: Any, statement: str) -> None:
    autocommit = getattr(connection, "autocommit", None)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    if not callable(autocommit) and not autocommit:  # psycopg: a SET inside a rolled back transaction is lost
        connection.commit()


def _sqlite_rules(engine: Engine, *, writer: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions at its own discretion
        if writer:
            connection.execute("PRAGMA journal_mode=WAL")
            # In WAL mode NORMAL survives a process crash; a power cut may undo the last transactions
            # whole, offset included, and the sink then writes them again.
            connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")
