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
from sqlalchemy.engine import URL, Engine

from tidelock.errors import ConflictError, UnreachableError, UsageError
from tidelock.sql.url import parse_url as read_url
from tidelock.sql.url import require_driver

TABLE = "orders"
JOURNAL = "order_events"
"""The witness sink's table: one row per event, no key."""
LEDGER = "tidelock_offsets"
TOPICS = "tidelock_topics"
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
    """Read the value of --db, as `tidelock verify` and the SQL sink read theirs.

    Raises:
        UnsupportedDatabase: it is no URL, or of a database that we do not speak.
    """
    url = read_url(text)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=str(Path(url.database).absolute()))  # every process has a folder of its own
    if url.get_backend_name() == "sqlite":
        raise CommonDatabaseError("--db names a database in memory", hint="give a file: sqlite:///common.db")
    return url


def check_reachable(url: URL) -> None:
    """Make sure the common database answers and has no table in the way, before anything starts.

    Raises:
        DriverMissing: its driver is not installed.
        UnreachableError: it does not answer or refuses us.
        ConflictError: it has the tables of an earlier run.
    """
    shown = url.render_as_string(hide_password=True)
    require_driver(url)
    engine = sqlalchemy.create_engine(url)
    try:
        inspector = sqlalchemy.inspect(engine)
        left = [name for name in (TABLE, JOURNAL, LEDGER, TOPICS) if inspector.has_table(name)]
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UnreachableError(
            f"the common database cannot be used: {reason}",
            where=shown,
            hint="start it, or check address, user and password in --db",
        ) from None
    finally:
        engine.dispose()
    if left:
        raise ConflictError(
            f"the common database is not empty: it has {' and '.join(left)}, perhaps from an earlier run",
            where=shown,
            hint=f"name an empty database, or: drop table {', '.join(left)}",
        )
