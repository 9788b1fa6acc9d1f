"""The exactly-once ledger: how far each partition has been written, in the same transaction as the rows.

One row per (connector, topic, partition) in table `tidelock_offsets` of the target database holds the next
offset and an epoch. `claim` raises the epoch and returns where to start; `admit`, inside the transaction of a
batch, locks the row and refuses a task whose epoch is no longer the newest: a zombie that wakes after its
partition moved cannot write. Invariant: a committed row implies the committed offset, and the reverse, so a
replay starts exactly behind the last row. The offsets a consumer group commits are only a hint.

Offsets mean something within one topic. Table `tidelock_topics` keeps its id; where a topic was deleted and
made anew, `claim` refuses, because its first records would look as if they had been written.

A task that stands still inside a batch's transaction holds its row, and its heir's `claim` waits for it. On
PostgreSQL `claim` ends such a session after a second: what it would have committed is the heir's to write.

    claim(...)                               at open, its own transaction
    begin; admit -> next; write rows at or above next; advance; commit
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from tidelock.sql.errors import Fenced, TopicReplaced

TABLE = "tidelock_offsets"
TOPICS = "tidelock_topics"
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's SQLSTATE
HANDOVER = 1  # seconds that a predecessor's transaction may still take before its heir ends it
# The xmax of a locked row is its locker, whose session holds the lock of that transaction id. Another user's
# session may not be ended, and is waited for.
END_HOLDER = f"""
SELECT pg_terminate_backend(pid)
FROM {TABLE} AS o JOIN pg_locks ON transactionid = o.xmax JOIN pg_stat_activity USING (pid)
WHERE o.connector = :connector AND o.topic = :topic AND o.partition = :partition
  AND locktype = 'transactionid' AND granted AND usename = current_user
"""
Pair = TypeVar("Pair", bound=tuple[str, int])
_NAME_LENGTH = 249  # the longest topic name that Kafka takes


class Start(NamedTuple):
    """What `claim` returns for one partition."""

    next_offset: int | None
    """The first offset that is not in the database; None when nothing has been written yet."""
    epoch: int
    """Proof of ownership, to be shown to `admit`."""


def ledger_table() -> sa.Table:
    """Return the table's definition; names compare by bytes on every database."""
    name = sa.String(_NAME_LENGTH).with_variant(
        mysql.VARCHAR(_NAME_LENGTH, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )
    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("connector", name, primary_key=True),
        sa.Column("topic", name, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )


def topics_table() -> sa.Table:
    """Return the definition of the table of topic ids."""
    offsets = ledger_table()
    return sa.Table(
        TOPICS,
        sa.MetaData(),
        sa.Column("connector", offsets.c.connector.type, primary_key=True),
        sa.Column("topic", offsets.c.topic.type, primary_key=True),
        sa.Column("topic_id", sa.String(64), nullable=False),
    )


def one_definition_at_a_time(connection: Connection) -> None:
    """Let this transaction define tables while no other of ours does, where the database needs that.

    PostgreSQL's CREATE TABLE IF NOT EXISTS fails when two transactions run it at once (pg_type's index).
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('tidelock definitions'))")


class Ledger:
    """The ledger of one connector.

    Args:
        connector: its name; connectors never share rows.
    """

    def __init__(self, connector: str) -> None:
        self.connector = connector
        self.table = ledger_table()
        self.topics = topics_table()

    def create(self, connection: Connection) -> None:
        """Create the table unless it exists; outside a batch's transaction (MySQL commits on DDL)."""
        one_definition_at_a_time(connection)
        for table in (self.table, self.topics):
            connection.execute(CreateTable(table, if_not_exists=True))

    def check_topic(self, connection: Connection, topic: str, topic_id: str) -> None:
        """Make sure that the offsets are this topic's; before `claim`, in the same transaction.

        Raises:
            TopicReplaced: they are those of another topic that had its name.
        """
        columns = self.topics.c
        where = (columns.connector == self.connector, columns.topic == topic)
        row = {"connector": self.connector, "topic": topic, "topic_id": topic_id}
        connection.execute(_insert_unless_there(connection, self.topics).values(**row))
        stored = connection.execute(sa.select(columns.topic_id).where(*where)).scalar_one()
        if stored == topic_id:
            return
        offsets = self.table.c
        written = sa.select(sa.func.count()).where(
            offsets.connector == self.connector, offsets.topic == topic, offsets.next_offset.is_not(None)
        )
        if connection.execute(written).scalar_one():
            raise TopicReplaced(
                f"topic {topic!r} was deleted and made anew; the offsets in {TABLE} are the old one's",
                where=f"connector {self.connector!r}, topic id {topic_id}, written: {stored}",
                hint=f"to write the new one from its start: DELETE FROM {TABLE} WHERE connector="
                f"'{self.connector}' AND topic='{topic}'; then restart the task",
            )
        connection.execute(self.topics.update().where(*where).values(topic_id=topic_id))

    def claim(
        self, connection: Connection, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Start]:
        """Take partitions over, in the order of their names so that two claimants cannot deadlock.

        PostgreSQL: a session of the same user whose transaction holds one of them for a second is ended.
        """
        return {pair: self._claim(connection, *pair) for pair in sorted(partitions)}

    def admit(self, connection: Connection, topic: str, partition: int, epoch: int) -> int | None:
        """Lock a partition's row for this transaction and return its next offset.

        Raises:
            Fenced: another task has claimed the partition since.
        """
        query = (
            sa.select(self.table.c.next_offset, self.table.c.epoch)
            .where(*self._is(topic, partition))
            .with_for_update()  # SQLite has none and needs none: its transaction began IMMEDIATE
        )
        row = connection.execute(query).first()
        if row is None or row.epoch != epoch:
            newest = "nobody" if row is None else f"epoch {row.epoch}"
            raise Fenced(
                f"partition {topic}-{partition} is owned by {newest}, this task has epoch {epoch}",
                where=f"connector {self.connector!r}, table {TABLE}",
                hint="nothing was written; the newer task continues",
            )
        return None if row.next_offset is None else int(row.next_offset)

    def advance(self, connection: Connection, topic: str, partition: int, next_offset: int) -> None:
        """Record the next offset; commits with the rows."""
        update = self.table.update().where(*self._is(topic, partition)).values(next_offset=next_offset)
        connection.execute(update)

    def alter(self, connection: Connection, offsets: Mapping[Pair, int | None] | None) -> None:
        """Have a stopped connector go on elsewhere; tasks that still run are refused from now on.

        Args:
            connection: in a transaction; the tables exist.
            offsets: the next offset of each partition, None where nothing counts as written; None: of all.
        """
        columns = self.table.c
        if offsets is None:
            forget = self.table.update().where(columns.connector == self.connector)
            connection.execute(forget.values(next_offset=None, epoch=columns.epoch + 1))
            return
        self.claim(connection, offsets)
        for pair, offset in offsets.items():
            connection.execute(self.table.update().where(*self._is(*pair)).values(next_offset=offset))

    def _claim(self, connection: Connection, topic: str, partition: int) -> Start:
        row = {"connector": self.connector, "topic": topic, "partition": partition, "epoch": 0}
        lock = (  # both wait for a transaction that has changed the row
            _insert_unless_there(connection, self.table).values(**row),
            self.table.update().where(*self._is(topic, partition)).values(epoch=self.table.c.epoch + 1),
        )
        if connection.dialect.name == "postgresql":
            while not _done_in_time(connection, lock):
                connection.execute(sa.text(END_HOLDER), row)
        else:
            for statement in lock:
                connection.execute(statement)
        # from here on this transaction holds the row
        query = sa.select(self.table.c.next_offset, self.table.c.epoch).where(*self._is(topic, partition))
        found = connection.execute(query).one()
        return Start(None if found.next_offset is None else int(found.next_offset), int(found.epoch))

    def _is(self, topic: str, partition: int) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self.table.c
        return columns.connector == self.connector, columns.topic == topic, columns.partition == partition


def _done_in_time(connection: Connection, statements: Iterable[sa.Executable]) -> bool:
    """Run statements; False, and nothing done, when one has waited HANDOVER seconds for a lock."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{HANDOVER}s'")
            for statement in statements:
                connection.execute(statement)
            connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _insert_unless_there(connection: Connection, table: sa.Table) -> sa.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).prefix_with("IGNORE")
