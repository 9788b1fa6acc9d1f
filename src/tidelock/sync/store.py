"""The database's side of the relay: the outbox rows, the stored ends of the topics, and who may relay.

One session at a time holds an outbox: an advisory lock in PostgreSQL, GET_LOCK in MySQL and MariaDB, a lock
on a file beside the database in SQLite. The lock belongs to the very session that reads and deletes, so a
relay that lost it cannot go on. Reads see what is committed and nothing else; no row is locked, so writers
never wait for the relay.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.schema import CreateTable

from tidelock.sql import backend, open_engine, translated
from tidelock.sync.errors import RelayBusy
from tidelock.sync.outbox import TABLE, Outbox
from tidelock.sync.rules import OutboxRow, TopicPartition

_TOPIC = sa.String(249).with_variant(
    mysql.VARCHAR(249, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


class OutboxStore:
    """Reads and clears one outbox.

    Args:
        url: the database.
        table: the outbox table.
        new_id: makes the outbox's identity, once in its life.
    """

    def __init__(
        self, url: URL, table: str = TABLE, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        self.url = url
        self._new_id = new_id
        self._name = table
        self._engine: Engine = open_engine(url, pool_size=2)
        metadata = sa.MetaData()
        blob = sa.LargeBinary()
        self._rows = sa.Table(
            table,
            metadata,
            sa.Column("id", sa.BigInteger, primary_key=True),
            sa.Column("topic", sa.String),
            sa.Column("key", blob),
            sa.Column("value", blob),
            sa.Column("headers", sa.String),
            sa.Column("created_ms", sa.BigInteger),
        )
        self._source = sa.Table(f"{table}_source", metadata, sa.Column("id", sa.String(36), primary_key=True))
        self._ends = sa.Table(
            f"{table}_ends",
            metadata,
            sa.Column("topic", _TOPIC, primary_key=True),
            sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("end_offset", sa.BigInteger, nullable=False),
        )

    def create(self) -> str:
        """Create what is missing and return the outbox's identity."""
        with translated(self.url), self._engine.begin() as connection:
            Outbox(table=self._name).create_table(connection)
            for table in (self._source, self._ends):
                connection.execute(CreateTable(table, if_not_exists=True))
        with translated(self.url), self._engine.begin() as connection:
            found = connection.execute(sa.select(self._source.c.id)).scalar()
            if found is None:
                found = self._new_id()
                connection.execute(self._source.insert().values(id=found))
            return str(found)

    def waiting(self) -> int:
        """Return how many rows are not published yet; any thread may ask."""
        with translated(self.url), self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(self._rows)).scalar_one())

    @contextlib.contextmanager
    def session(self) -> Iterator[StoreSession]:
        """Hold the outbox until the block ends.

        Raises:
            RelayBusy: another relay holds it.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(translated(self.url))
            connection = stack.enter_context(self._engine.connect())
            stack.enter_context(_held(connection, self._name))
            yield StoreSession(connection, self._rows, self._ends)

    def dispose(self) -> None:
        """Close the connections."""
        self._engine.dispose()


class StoreSession:
    """What the holder of an outbox does with it, each in one transaction."""

    def __init__(self, connection: Connection, rows: sa.Table, ends: sa.Table) -> None:
        self._connection = connection
        self._rows = rows
        self._ends = ends

    def read(self, limit: int) -> list[OutboxRow]:
        """Return the oldest committed rows, in the order of their numbers."""
        query = sa.select(self._rows).order_by(self._rows.c.id).limit(limit)
        with self._connection.begin():
            found = self._connection.execute(query).all()
        return [
            OutboxRow(row[0], row[1], _bytes(row[2]), _bytes(row[3]), json.loads(row[4]), row[5])
            for row in found
        ]

    def positions(self) -> dict[TopicPartition, int]:
        """Return the stored ends."""
        with self._connection.begin():
            return {
                (topic, number): end for topic, number, end in self._connection.execute(sa.select(self._ends))
            }

    def finish(self, published: Sequence[int], ends: Mapping[TopicPartition, int]) -> None:
        """Delete rows and store ends, together."""
        with self._connection.begin():
            if published:
                self._connection.execute(self._rows.delete().where(self._rows.c.id.in_(published)))
            for (topic, partition), end in ends.items():
                where = (self._ends.c.topic == topic, self._ends.c.partition == partition)
                self._connection.execute(self._ends.delete().where(*where))
                row = {"topic": topic, "partition": partition, "end_offset": end}
                self._connection.execute(self._ends.insert().values(**row))


@contextlib.contextmanager
def _held(connection: Connection, table: str) -> Iterator[None]:
    kind = backend(connection)
    if kind == "sqlite":
        with _file_lock(connection, table):
            yield
        return
    if kind == "postgresql":
        take = "SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"
        give = "SELECT pg_advisory_unlock(hashtextextended(:name, 0))"
    else:
        take, give = "SELECT get_lock(:name, 0)", "SELECT release_lock(:name)"
    name = {"name": f"{connection.engine.url.database}.{table}"[-64:]}  # MySQL takes 64 characters
    with connection.begin():
        taken = connection.execute(sa.text(take), name).scalar()
    if not taken:
        raise _busy(connection)
    try:
        yield
    finally:
        if not connection.invalidated:
            with contextlib.suppress(sa.exc.SQLAlchemyError), connection.begin():
                connection.execute(sa.text(give), name)  # a session that is gone gave it back itself


@contextlib.contextmanager
def _file_lock(connection: Connection, table: str) -> Iterator[None]:
    database = connection.engine.url.database
    if not database or database == ":memory:":
        yield
        return
    file: IO[str]
    with Path(f"{database}.{table}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(connection) from None
        yield


def _busy(connection: Connection) -> RelayBusy:
    return RelayBusy(
        "another relay works on this outbox",
        where=connection.engine.url.render_as_string(),
        hint="one is enough; this one waits to take over",
    )


def _bytes(value: object) -> bytes | None:
    return None if value is None else bytes(value)  # type: ignore[call-overload]  # bytes or memoryview
