"""Tables of the sink: found, created or widened as the configuration allows, and checked before rows go in.

Runs its statements in transactions of its own, before the batch's transaction: MySQL commits on every DDL
statement. A rehearsal hands in another `Access`. What comes back is a `Target` with the columns' real names
and types.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy.engine import Connection, Engine

from tidelock.connect.api import DataError
from tidelock.connect.connectors.jdbc.mapping import Mapping
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.sql import Column, Dialect, Kind, Table, TableName, Target
from tidelock.sql.engine import execute_plain
from tidelock.sql.errors import TableNotFound, TableUnfit

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """How the catalogue is read, and how DDL is run.

    Attributes:
        url: for error texts, without the password.
        reading: gives a connection for the catalogue.
        changing: gives a connection for DDL statements; they hold when it is left without an error.
    """

    url: str
    reading: Callable[[], AbstractContextManager[Connection]]
    changing: Callable[[Sequence[str]], AbstractContextManager[Connection]]

    @classmethod
    def of(cls, engine: Engine) -> Access:
        """Return the access of a task at work: each time a transaction of its own."""
        return cls(engine.url.render_as_string(), engine.connect, lambda statements: engine.begin())


def find_target(
    access: Access, dialect: Dialect, settings: JdbcSinkSettings, name: TableName, mapping: Mapping
) -> Target:
    """Return where the rows of a mapping go.

    Raises:
        TableNotFound: there is no table and auto.create is off.
        TableUnfit: columns or a unique key are missing and may not be added.
        DataError: a field is an array, and the database has no columns for that.
    """
    _check_arrays(dialect, mapping)
    with access.reading() as connection:
        table = dialect.find(connection, name)
    if table is None:
        table = _create(access, dialect, settings, name, mapping)
    missing = [column for column in mapping.columns if table.find(column.name) is None]
    if missing:
        table = _widen(access, dialect, settings, table, missing)
    target = Target(table, _real(table, mapping.columns), _real(table, mapping.key))
    _check_key(settings, target)
    _check_charset(table)
    return target


def _create(
    access: Access, dialect: Dialect, settings: JdbcSinkSettings, name: TableName, mapping: Mapping
) -> Table:
    if not settings.auto_create:
        raise TableNotFound(
            f"there is no table {name}",
            where=access.url,
            hint="create it, or set auto.create=true",
        )
    columns = tuple(column.name for column in mapping.key)
    wanted = Table(name, mapping.columns, columns)
    if not wanted.columns:
        raise TableUnfit(f"no columns are left for table {name}", hint="check fields.whitelist")
    _run(access, [dialect.create_table(wanted)])
    with access.reading() as connection:
        return dialect.reflect(connection, name)


def _widen(
    access: Access, dialect: Dialect, settings: JdbcSinkSettings, table: Table, missing: Sequence[Column]
) -> Table:
    names = ", ".join(column.name for column in missing)
    if not settings.auto_evolve:
        raise TableUnfit(
            f"table {table.name} has no column {names}",
            hint="set auto.evolve=true, add it yourself, or choose the fields with fields.whitelist",
        )
    required = [column.name for column in missing if not column.nullable]
    if required:
        raise TableUnfit(
            f"table {table.name} has no column {', '.join(required)}, and its rows would need a value",
            hint="make the field optional or give it a default in the schema, or add the column yourself",
        )
    _run(access, dialect.add_columns(table.name, missing))
    with access.reading() as connection:
        return dialect.reflect(connection, table.name)


def _run(access: Access, statements: Sequence[str]) -> None:
    with access.changing(statements) as connection:
        for statement in statements:
            execute_plain(connection, statement)


def _real(table: Table, columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in table.require(column.name for column in columns))


def _check_arrays(dialect: Dialect, mapping: Mapping) -> None:
    arrays = [column.name for column in mapping.rest if column.type.declared.endswith("[]")]
    if arrays and dialect.name != "postgresql":
        raise DataError(
            f"field {arrays[0]!r} is an array, which only PostgreSQL's columns can hold",
            hint="leave it out with fields.whitelist",
        )


def _check_key(settings: JdbcSinkSettings, target: Target) -> None:
    if settings.insert_mode != "upsert":
        return
    wanted = set(target.key)
    if any(wanted == set(key) for key in (target.table.key, *target.table.unique)):
        return
    columns = ", ".join(target.key)
    raise TableUnfit(
        f"table {target.table.name} has no primary or unique key of exactly ({columns})",
        hint="upsert needs one: add it, or set pk.fields to the table's key",
    )


def narrow_columns(table: Table) -> list[str]:
    """Return the text columns of MySQL or MariaDB that cannot hold every character."""
    return [
        column.name
        for column in table.columns
        if column.type.kind is Kind.TEXT and column.charset not in (None, "utf8mb4")
    ]


def _check_charset(table: Table) -> None:
    if narrow := narrow_columns(table):
        log.warning(
            "columns that are not utf8mb4 refuse most of the world's characters",
            extra={"table": str(table.name), "columns": narrow},
        )
