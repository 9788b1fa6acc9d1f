"""The SQL sink: batches into tables of PostgreSQL, MySQL/MariaDB or SQLite, exactly once.

Each `put` is one transaction: lock and check the partition's ledger row, leave out what is already there,
write, record the next offset, commit. So a task that dies anywhere starts behind its last row, a lost commit
answer is harmless, and a task whose partition has moved on is refused (tidelock.sql.ledger). With
`tidelock.exactly.once=false` there is no ledger and the worker's commits decide: at least once.

Source: Confluent `io.confluent.connect.jdbc.sink.{JdbcSinkTask, BufferedRecords}`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine

from tidelock.config import Problem
from tidelock.connect.api import (
    ConnectError,
    Offsets,
    RecordBatch,
    RetriableError,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    TopicPartition,
)
from tidelock.connect.connectors.jdbc.connection import url_of
from tidelock.connect.connectors.jdbc.mapping import Mapping as RowMapping
from tidelock.connect.connectors.jdbc.mapping import mapping_for
from tidelock.connect.connectors.jdbc.rehearsal import check_schemas, rehearsed, table_of
from tidelock.connect.connectors.jdbc.rows import write_rows
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.connect.connectors.jdbc.tables import Access, find_target, narrow_columns
from tidelock.errors import TidelockError
from tidelock.sql import (
    Dialect,
    Ledger,
    TableName,
    Writer,
    dialect_for,
    open_engine,
    translated,
    writer_for,
)
from tidelock.sql.errors import Fenced, SqlError, TopicReplaced

T = TypeVar("T")


class JdbcSinkTask(SinkTask):
    """Writes the batches of its partitions."""

    can_rehearse = True

    def __init__(self) -> None:
        self._attempts = 0
        self._epochs: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._plans: dict[tuple[object, ...], tuple[RowMapping, Writer | None]] = {}
        self._engine: Engine | None = None

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """See SinkTask."""
        self._context = context
        self._settings = settings = JdbcSinkSettings.parse(props, strict=False, where=context.connector)
        self._url = url_of(settings)
        self._ledger = Ledger(context.connector)
        self.stop()  # an engine of an attempt before this one
        if context.is_rehearsal:
            return
        self._engine = open_engine(self._url, writer=True, pool_size=1, max_overflow=1)
        self._dialect = self._connected(self._read_dialect)

    def open(self, partitions: Sequence[TopicPartition]) -> Offsets | None:
        """See SinkTask; the answer comes from the ledger in the target."""
        if not self._settings.exactly_once:
            return None
        topics = sorted({partition.topic for partition in partitions})
        ids = {topic: found for topic in topics if (found := self._context.topic_id(topic)) is not None}
        starts = self._connected(lambda: self._claim(partitions, ids))
        self._epochs.update({partition: epoch for partition, (_, epoch) in starts.items()})
        offsets = {partition: offset for partition, (offset, _) in starts.items() if offset is not None}
        self._starts.update(offsets)
        return offsets

    def put(self, batch: RecordBatch) -> None:
        """See SinkTask."""
        if not len(batch):
            return
        try:
            with translated(self._url):
                mapping, writer = self._plan(batch)
                with self._running.begin() as connection:
                    self._write(connection, batch, mapping, writer)
        except SqlError as error:
            raise self._verdict(error) from error
        self._attempts = 0

    def rehearse(self, batches: Sequence[RecordBatch]) -> list[list[str | TidelockError]]:
        """See SinkTask: one transaction for all batches, rolled back at the end."""
        return rehearsed(self._settings, self._url, batches)

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        """See SinkTask."""
        for partition in partitions:
            self._epochs.pop(partition, None)
            self._starts.pop(partition, None)

    def stop(self) -> None:
        """See SinkTask."""
        if self._engine is not None:
            self._engine.dispose()

    @property
    def _running(self) -> Engine:
        if self._engine is None:
            raise ConnectError("the task was not started")
        return self._engine

    def _read_dialect(self) -> Dialect:
        with self._running.connect() as connection:
            return dialect_for(connection)

    def _claim(
        self, partitions: Sequence[TopicPartition], ids: Mapping[str, str]
    ) -> dict[TopicPartition, tuple[int | None, int]]:
        with self._running.begin() as connection:
            self._ledger.create(connection)
        with self._running.begin() as connection:
            for topic, topic_id in ids.items():
                self._ledger.check_topic(connection, topic, topic_id)
            claimed = self._ledger.claim(connection, partitions)
        return {TopicPartition(*pair): (start.next_offset, start.epoch) for pair, start in claimed.items()}

    def _connected(self, action: Callable[[], T]) -> T:
        """Run what needs the database at the start; it may be away connection.attempts times.

        The waiting is the worker's: it can end it, and the status says what is waited for.
        """
        try:
            with translated(self._url):
                made = action()
        except SqlError as error:
            self._attempts += 1
            if not error.retriable or self._attempts >= self._settings.connection_attempts:
                raise
            self._context.retry_after(self._settings.connection_backoff_ms / 1000)
            raise RetriableError(error.what, where=error.where, hint=error.hint) from error
        self._attempts = 0
        return made

    def _plan(self, batch: RecordBatch) -> tuple[RowMapping, Writer | None]:
        """Return how this batch's records become rows, and the writer; made once per table and schemas."""
        plan = (batch.topic, batch.key_schema, batch.value_schema)
        if plan not in self._plans:
            check_schemas(self._settings, batch)
            mapping = mapping_for(self._settings, batch.key_schema, batch.value_schema)
            name = table_of(self._settings, batch.topic)
            if batch.value_schema is None and not self._table_exists(name):
                return mapping, None  # nothing but deletes, from a table that is not there
            target = find_target(Access.of(self._running), self._dialect, self._settings, name, mapping)
            self._plans[plan] = mapping, writer_for(self._dialect, target)
        return self._plans[plan]

    def _table_exists(self, name: TableName) -> bool:
        with self._running.connect() as connection:
            return self._dialect.find(connection, name) is not None

    def _write(
        self, connection: Connection, batch: RecordBatch, mapping: RowMapping, writer: Writer | None
    ) -> None:
        partition = batch.topic_partition
        next_offset = batch.next_offset
        if self._settings.exactly_once:
            if partition not in self._epochs:
                raise Fenced(f"partition {partition} is not open in this task")
            self._require_from_start(batch)
            done = self._ledger.admit(connection, *partition, self._epochs[partition])
            if done is not None and batch.offsets[0] < done:
                batch = batch.take(range(bisect.bisect_left(batch.offsets, done), len(batch)))
            if not len(batch):
                return
            self._ledger.advance(connection, *partition, next_offset)
        if writer is not None:
            write_rows(self._settings, connection, batch, (mapping, writer))

    def _require_from_start(self, batch: RecordBatch) -> None:
        """Refuse offsets below the start that `open` told: the topic was made anew while it was read."""
        start = self._starts.get(batch.topic_partition, 0)
        if batch.offsets[0] < start:
            raise TopicReplaced(
                f"offset {batch.offsets[0]} comes, but everything below {start} was written before",
                where=f"connector {self._context.connector!r}, partition {batch.topic_partition}",
                hint="restart the task: it says whether the topic was made anew; nothing was written",
            )

    def _verdict(self, error: SqlError) -> TidelockError:
        """Say what a failed transaction means: try again, or fail the task."""
        self._running.dispose()  # whatever state its connections are in
        self._plans.clear()  # and whatever became of the table
        if isinstance(error, Fenced | TopicReplaced):
            return error
        if not error.retriable:
            return ConnectError(error.what, where=error.where, hint=error.hint)
        self._attempts += 1
        if self._attempts > self._settings.max_retries:
            return ConnectError(
                f"gave up after {self._settings.max_retries} retries: {error.what}",
                where=error.where,
                hint="restart the task when the database is back; nothing is lost",
            )
        self._context.retry_after(self._settings.retry_backoff_ms / 1000)
        return RetriableError(error.what, where=error.where)


class JdbcSinkConnector(SinkConnector):
    """Writes topics into tables of PostgreSQL, MySQL/MariaDB or SQLite, exactly once."""

    settings = JdbcSinkSettings
    task_class = JdbcSinkTask

    def validate(self, props: Mapping[str, str]) -> list[Problem]:
        """See Connector: the combinations of pk.mode, and the tables that are there already."""
        values, problems = JdbcSinkSettings.examine(props, strict=False)
        if problems:
            return []  # the worker reports these; combinations need all values
        settings = JdbcSinkSettings(**values)
        topics = [one.strip() for one in props.get("topics", "").split(",") if one.strip()]
        return list(_combinations(settings)) or _table_problems(settings, topics)

    def alter_offsets(
        self, props: Mapping[str, str], offsets: Mapping[TopicPartition, int | None] | None
    ) -> bool:
        """See SinkConnector: the ledger in the target is altered with the group; rows stay as they are."""
        name = props["name"]
        settings = JdbcSinkSettings.parse(props, strict=False, where=name)
        if settings.exactly_once:
            url = url_of(settings)
            with translated(url):
                engine, ledger = open_engine(url, writer=True), Ledger(name)
                try:
                    with engine.begin() as connection:
                        ledger.create(connection)
                    with engine.begin() as connection:
                        ledger.alter(connection, offsets)
                finally:
                    engine.dispose()
        return True


def _table_problems(settings: JdbcSinkSettings, topics: Sequence[str]) -> list[Problem]:
    """Refuse tables that cannot hold every character; of a database that is away now nothing is said."""
    url = url_of(settings)
    if url.get_backend_name() not in ("mysql", "mariadb"):
        return []
    engine = open_engine(url)
    try:
        with translated(url), engine.connect() as connection:
            dialect = dialect_for(connection)
            names = {settings.table_name_format.replace("${topic}", topic) for topic in topics}
            tables = [dialect.find(connection, TableName.parse(name)) for name in sorted(names)]
    except SqlError:
        return []
    finally:
        engine.dispose()
    return [
        Problem(
            "table.name.format",
            str(table.name),
            f"its columns {', '.join(narrow)} are not utf8mb4 and refuse most of the world's characters: "
            f"ALTER TABLE {table.name} CONVERT TO CHARACTER SET utf8mb4",
        )
        for table in tables
        if table is not None and (narrow := narrow_columns(table))
    ]


def _combinations(settings: JdbcSinkSettings) -> Iterator[Problem]:
    if settings.delete_enabled and settings.pk_mode != "record_key":
        yield Problem("delete.enabled", "true", "needs pk.mode=record_key")
    if settings.insert_mode != "insert" and settings.pk_mode == "none":
        why = f"insert.mode={settings.insert_mode} needs a primary key: kafka, record_key or record_value"
        yield Problem("pk.mode", "none", why)
    if settings.pk_mode == "kafka" and len(settings.pk_fields) not in (0, 3):
        shown = ",".join(settings.pk_fields)
        yield Problem("pk.fields", shown, "pk.mode=kafka needs three columns: topic, partition, offset")
