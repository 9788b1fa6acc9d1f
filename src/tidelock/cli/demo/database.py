"""What the demo asks the databases: counts and sums of the `orders` table, there or not there yet.

Plain SQLAlchemy Core over any URL. A table that does not exist yet counts as empty; a database that cannot be
reached at all is told before anything starts (`check_reachable`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy.engine import URL, Engine, make_url

from tidelock.errors import ConflictError, UnreachableError, UsageError

TABLE = "orders"
JOURNAL = "order_events"
"""The witness sink's table: one row per event, no key."""
LEDGER = "tidelock_offsets"
"""Where the SQL sink keeps its offsets; a ledger without its table would make the sink skip orders."""


class CommonDatabaseError(UsageError):
    """The address given to --db cannot be used."""

    code = "TID-713"


class Sums(NamedTuple):
    """What a table of orders adds up to."""

    orders: int
    lines: int
    total: Decimal


class OrdersTable:
    """The table of orders in one database."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._engine: Engine = sqlalchemy.create_engine(url)

    def count(self) -> int:
        """Return the number of rows; 0 while there is no table."""
        return int(self._one(f"select count(*) from {TABLE}") or 0)

    def count_events(self) -> int:
        """Return the number of rows that the witness wrote; 0 while there is no table."""
        return int(self._one(f"select count(*) from {JOURNAL}", JOURNAL) or 0)

    def ledger(self) -> dict[str, int]:
        """Return, per sink, how many records of the topic it has taken into account."""
        question = f"select connector, sum(next_offset) from {LEDGER} group by connector"
        if not sqlalchemy.inspect(self._engine).has_table(LEDGER):
            return {}
        with self._engine.connect() as connection:
            return {name: int(total or 0) for name, total in connection.execute(sqlalchemy.text(question))}

    def distinct(self) -> int:
        """Return the number of different invoices."""
        return int(self._one(f"select count(distinct invoice_no) from {TABLE}") or 0)

    def sums(self) -> Sums:
        """Add everything up, exactly."""
        with self._engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text(f"select line_count, total from {TABLE}")).all()
        return Sums(
            len(rows), sum(int(row[0]) for row in rows), sum((_exact(row[1]) for row in rows), Decimal(0))
        )

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _one(self, statement: str, table: str = TABLE) -> Any:
        try:
            with self._engine.connect() as connection:
                return connection.execute(sqlalchemy.text(statement)).scalar()
        except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.ProgrammingError):
            if sqlalchemy.inspect(self._engine).has_table(table):
                raise
            return 0


def events_committed(paths: Iterable[Path]) -> int:
    """Return how many events the outboxes in these SQLite files have held since they were made."""
    total = 0
    for path in paths:
        database = sqlite3.connect(path)
        row = database.execute("select seq from sqlite_sequence where name = 'tidelock_outbox'").fetchone()
        database.close()
        total += int(row[0]) if row else 0
    return total


def _exact(value: object) -> Decimal:
    """Return a total as the decimal that was stored; SQLite hands a short decimal back as a float."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))


def parse_url(text: str) -> URL:
    """Read the value of --db.

    Raises:
        CommonDatabaseError: it is no SQLAlchemy URL, or of a database that the story cannot use.
    """
    try:
        url = make_url(text)
    except sqlalchemy.exc.ArgumentError:
        raise CommonDatabaseError(
            "--db is not a database URL",
            hint="for example --db postgresql+psycopg://user@localhost:5432/shop",
        ) from None
    backend = url.get_backend_name()
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
    if backend == "sqlite":
        return url
    if backend not in drivers:
        raise CommonDatabaseError(
            f"--db names {backend}, and the common database can be postgresql, mariadb, mysql or sqlite"
        )
    return url.set(drivername=drivers[backend]) if "+" not in url.drivername else url


def check_reachable(url: URL) -> None:
    """Make sure the common database answers and has no table in the way, before anything starts.

    Raises:
        CommonDatabaseError: its driver is not installed.
        UnreachableError: it does not answer or refuses us.
        ConflictError: it has the tables of an earlier run.
    """
    shown = url.render_as_string(hide_password=True)
    try:
        engine = sqlalchemy.create_engine(url)
    except ModuleNotFoundError as error:
        extra = "postgres" if url.get_backend_name() == "postgresql" else "mysql"
        raise CommonDatabaseError(
            f"the driver {error.name} is not installed", where=shown, hint=f"pip install 'tidelock[{extra}]'"
        ) from None
    try:
        inspector = sqlalchemy.inspect(engine)
        left = [name for name in (TABLE, JOURNAL, LEDGER) if inspector.has_table(name)]
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UnreachableError(
            f"the common database does not answer: {reason}", where=shown, hint="start it, or check --db"
        ) from None
    finally:
        engine.dispose()
    if left:
        raise ConflictError(
            f"the common database is not empty: it has {' and '.join(left)}, perhaps from an earlier run",
            where=shown,
            hint=f"name an empty database, or: drop table {', '.join(left)}",
        )
