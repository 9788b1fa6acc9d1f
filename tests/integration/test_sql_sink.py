"""The SQL sink on real databases: exactly once over kills, replays and zombies, for any order of writes."""

import datetime
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator, Sequence
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from tests.support.databases import Databases
from tests.support.waiting import eventually
from tidelock.connect.api import (
    ConnectError,
    DataError,
    RecordBatch,
    RetriableError,
    Schema,
    SinkTaskContext,
    Struct,
    TopicPartition,
)
from tidelock.connect.connectors.jdbc.sink import JdbcSinkConnector, JdbcSinkTask
from tidelock.errors import TidelockError
from tidelock.sql import open_engine
from tidelock.sql.errors import Fenced, TableNotFound, TableUnfit, TopicReplaced
from tidelock.sql.writers import postgresql

UTC = datetime.UTC
KEY = Schema.string(optional=True)
ORDER = Schema.struct(
    {
        "customer_id": Schema.int64(optional=True),
        "country": Schema.string(optional=True),
        "invoice_date": Schema.timestamp(),
        "total": Schema.decimal(2),
        "rate": Schema.float64(default=0.5),
    }
)
UPSERT = {"insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "invoice_no", "auto.create": "true"}
MOMENT = datetime.datetime(2011, 1, 4, 23, 30, 0, 250_000, UTC)


def order(total: str = "1.10", **changed: Any) -> Struct:
    values = {"customer_id": None, "country": "대한민국 😀", "invoice_date": MOMENT, "total": Decimal(total)}
    return Struct(ORDER, values | changed)


def batch(records: list[tuple[str, Struct | None]], first: int = 0, partition: int = 0) -> RecordBatch:
    keys = [key for key, _ in records]
    values = [value for _, value in records]
    schema = next((value.schema for value in values if value is not None), None)
    return RecordBatch("orders", partition, range(first, first + len(keys)), keys, values, KEY, schema)


_started: list[JdbcSinkTask] = []


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    while _started:
        _started.pop().stop()


class Sink:
    """A started task with its partitions open, as the worker has it."""

    def __init__(
        self, url: URL, partitions: tuple[int, ...] = (0,), topic_id: str | None = None, **keys: str
    ) -> None:
        props = UPSERT | {"connection.url": url.render_as_string(hide_password=False), "topics": "orders"}
        props |= {name.replace("_", "."): value for name, value in keys.items()}
        self.context = SinkTaskContext("sink", topic_id=lambda topic: topic_id)
        self.task = JdbcSinkTask()
        _started.append(self.task)
        self.task.start(self.context, props)
        self.starts = self.task.open([TopicPartition("orders", number) for number in partitions]) or {}

    def start_of(self, partition: int = 0) -> int:
        return self.starts.get(TopicPartition("orders", partition), 0)


def table(url: URL, query: str = "select invoice_no, total from orders") -> list[tuple[Any, ...]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


def totals(url: URL) -> dict[str, Decimal]:
    return {key: Decimal(total) for key, total in table(url)}


def test_a_table_is_created_and_exact(any_database: URL) -> None:
    sink = Sink(any_database)
    sink.task.put(batch([("536365", order("12345678901234567890.10")), ("536366 ", order("-0.01"))]))
    sink.task.stop()
    assert totals(any_database) == {"536365": Decimal("12345678901234567890.10"), "536366 ": Decimal("-0.01")}
    row = table(any_database, "select customer_id, country, invoice_date, rate from orders")[0]
    assert row[:2] == (None, "대한민국 😀")
    assert str(row[2])[:23] == "2011-01-04 23:30:00.250"
    assert row[3] == 0.5


def test_wall_clock_time_of_another_zone(any_database: URL) -> None:
    sink = Sink(any_database, db_timezone="Asia/Seoul")
    sink.task.put(batch([("a", order())]))
    assert str(table(any_database, "select invoice_date from orders")[0][0])[:19] == "2011-01-05 08:30:00"


def test_repeated_keys_deletes_and_returns_in_one_batch(any_database: URL) -> None:
    sink = Sink(any_database, delete_enabled="true")
    sink.task.put(batch([("a", order("1")), ("b", order("2")), ("a", order("3")), ("b", None), ("c", None)]))
    sink.task.put(batch([("a", None), ("b", order("4")), ("a", order("5")), ("d", None)], first=5))
    assert totals(any_database) == {"a": 5, "b": 4}
    sink.task.put(batch([("a", None)], first=9))
    assert totals(any_database) == {"b": 4}


def test_a_tombstone_without_delete_enabled_is_refused(any_database: URL) -> None:
    sink = Sink(any_database)
    with pytest.raises(DataError, match=r"delete\.enabled is false"):
        sink.task.put(batch([("a", order()), ("b", None)]))
    assert table(any_database, "select next_offset from tidelock_offsets") == [(None,)]


def test_evolution_adds_what_may_be_null_and_refuses_what_may_not(any_database: URL) -> None:
    fields = {field.name: field.schema for field in ORDER.fields}
    wider = Schema.struct(fields | {"note": Schema.string(optional=True), "n": Schema.int32(default=7)})
    strict = Schema.struct(fields | {"must": Schema.string()})
    values = order().as_dict()
    sink = Sink(any_database)
    sink.task.put(batch([("a", order())]))
    with pytest.raises(ConnectError, match="no column note, n"):
        sink.task.put(batch([("b", Struct(wider, values))], first=1))
    sink = Sink(any_database, auto_evolve="true")
    sink.task.put(batch([("b", Struct(wider, values | {"note": "x"}))], first=1))
    assert sorted(table(any_database, "select invoice_no, note, n from orders")) == [
        ("a", None, 7),
        ("b", "x", 7),
    ]
    with pytest.raises(ConnectError, match="would need a value"):
        sink.task.put(batch([("c", Struct(strict, values | {"must": "x"}))], first=2))


def test_a_missing_table_and_a_missing_key_are_told(any_database: URL) -> None:
    sink = Sink(any_database, auto_create="false")
    with pytest.raises(ConnectError, match="there is no table orders"):
        sink.task.put(batch([("a", order())]))
    sink = Sink(any_database, insert_mode="insert", pk_mode="none", pk_fields="", table_name_format="log")
    sink.task.put(batch([("a", order()), ("a", order())]))
    assert table(any_database, "select count(*) from log") == [(2,)]
    sink = Sink(any_database, pk_mode="record_value", pk_fields="customer_id", table_name_format="log")
    with pytest.raises(ConnectError, match="no primary or unique key"):
        sink.task.put(batch([("a", order())], first=2))


def kills(draw: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield draw.choice(["before", "lost answer", "replay", "no"])


def test_an_append_table_has_every_record_once_in_order_whatever_dies(any_database: URL) -> None:
    """Kills before the commit, after the commit but before anybody heard, and replays from old offsets."""
    draw = random.Random(11)
    log = [(f"k{draw.randrange(40)}", order(str(number))) for number in range(1500)]
    keys = {"insert_mode": "insert", "pk_mode": "kafka", "pk_fields": ""}
    sink, position = Sink(any_database, **keys), 0
    for fate in kills(draw, 60):
        size = draw.choice([1, 7, 40, 120])
        records = log[position : position + size]
        if not records:
            break
        if fate == "before":
            with pytest.raises(KeyboardInterrupt):
                die_before_commit(sink, batch(records, first=position))
        else:
            sink.task.put(batch(records, first=position))
        if fate == "no":
            position += len(records)
            continue
        if fate == "replay":
            position = max(sink.start_of(), position - draw.randrange(100))
            continue
        sink.task.stop()
        sink = Sink(any_database, **keys)
        position = sink.start_of()
    sink.task.put(batch(log[position:], first=position))
    rows = table(any_database, "select __connect_offset, total from orders order by __connect_offset")
    assert [(offset, int(Decimal(total))) for offset, total in rows] == [(n, n) for n in range(1500)]


def die_before_commit(sink: Sink, records: RecordBatch) -> None:
    original = sink.task._write

    def dying(*arguments: Any) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    sink.task._write = dying  # type: ignore[method-assign]  # stands for kill -9
    sink.task.put(records)


def test_a_zombie_writes_nothing(any_database: URL) -> None:
    zombie = Sink(any_database, partitions=(0, 1))
    zombie.task.put(batch([("a", order("1"))]))
    heir = Sink(any_database)
    assert heir.start_of() == 1
    heir.task.put(batch([("a", order("2"))], first=1))
    with pytest.raises(Fenced):
        zombie.task.put(batch([("a", order("9")), ("b", order("9"))], first=1))
    zombie.task.put(batch([("c", order("3"))], partition=1))  # the other partition is still its own
    assert totals(any_database) == {"a": 2, "c": 3}
    zombie.task.close([TopicPartition("orders", 1)])
    with pytest.raises(Fenced, match="not open"):
        zombie.task.put(batch([("c", order("4"))], first=1, partition=1))


def write_and_stand_still(url: str, events: Connection) -> None:
    """A task in a process of its own, paused in the middle of a COPY, that writes on when it is let go."""
    adapted = postgresql._adapted

    def paused(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        yield from adapted(rows[:100])
        os.kill(os.getpid(), signal.SIGSTOP)
        yield from adapted(rows[100:])

    sink = Sink(make_url(url))
    sink.task.put(batch([("a", order("1"))]))
    postgresql._adapted = paused  # type: ignore[assignment]
    for _ in range(2):
        try:
            sink.task.put(batch([(f"zombie {number}", order("9")) for number in range(200)], first=1))
        except TidelockError as error:
            events.send(type(error))
            postgresql._adapted = adapted


@pytest.mark.needs_db
def test_an_heir_ends_the_session_of_a_task_that_stands_still_inside_copy(database_url: Databases) -> None:
    """No time-out of PostgreSQL's does: a session that waits for the rest of a COPY counts as active."""
    url = database_url("postgresql")
    events, others = multiprocessing.Pipe()
    arguments = (url.render_as_string(hide_password=False), others)
    zombie = multiprocessing.get_context("spawn").Process(target=write_and_stand_still, args=arguments)
    zombie.start()
    assert zombie.pid is not None
    status = Path(f"/proc/{zombie.pid}/stat")
    try:
        eventually(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", 60)
        heir = Sink(url)
        assert heir.start_of() == 1
        heir.task.put(batch([("a", order("2"))], first=1))
        os.kill(zombie.pid, signal.SIGCONT)
        assert [events.recv(), events.recv()] == [RetriableError, Fenced]
        zombie.join(60)
    finally:
        zombie.kill()
    assert totals(url) == {"a": 2}


def test_without_the_ledger_the_workers_offsets_decide(any_database: URL) -> None:
    sink = Sink(any_database, tidelock_exactly_once="false")
    assert sink.starts == {}
    for _ in range(2):
        sink.task.put(batch([("a", order("1"))]))
    assert totals(any_database) == {"a": 1}


@pytest.mark.needs_db
def test_a_lost_server_is_retried_and_then_given_up(database_url: Databases) -> None:
    sink = Sink(database_url("postgresql"), max_retries="2", retry_backoff_ms="250")
    sink.task.stop()
    sink.task._url = url = sink.task._url.set(port=1)
    sink.task._engine = open_engine(url)
    for _ in range(2):
        with pytest.raises(RetriableError):
            sink.task.put(batch([("a", order())]))
        assert sink.context.retry_delay == 0.25
    with pytest.raises(ConnectError, match="gave up after 2 retries"):
        sink.task.put(batch([("a", order())]))


@pytest.mark.needs_db
def test_a_killed_session_is_replaced(database_url: Databases) -> None:
    url = database_url("postgresql")
    sink = Sink(url)
    sink.task.put(batch([("a", order("1"))]))
    table(
        url,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    with pytest.raises(RetriableError):
        sink.task.put(batch([("a", order("2"))], first=1))
    sink.task.put(batch([("a", order("2"))], first=1))
    assert totals(url) == {"a": 2}


@pytest.mark.needs_db
@pytest.mark.parametrize(
    ("backend", "query", "expected"),
    [
        ("postgresql", "show idle_in_transaction_session_timeout", "30s"),
        ("mysql", "select cast(@@idle_transaction_timeout as signed)", 30),
    ],
)
def test_the_server_ends_a_transaction_whose_task_stands_still(
    database_url: Databases, backend: str, query: str, expected: object
) -> None:
    url = database_url(backend)
    engine = open_engine(url, writer=True)
    with engine.connect() as connection:
        assert connection.execute(text(query)).scalar_one() == expected
    engine.dispose()


def test_errors_of_the_table_keep_their_kind() -> None:
    assert not TableNotFound.retriable
    assert not TableUnfit.retriable


def test_a_topic_that_was_made_anew_is_refused_until_the_old_offsets_are_forgotten(any_database: URL) -> None:
    """It has grown past the old one's offsets: trimmed by them, its records would be lost in silence."""
    old = Sink(any_database, topic_id="old")
    old.task.put(batch([(str(number), order()) for number in range(100)]))
    with pytest.raises(TopicReplaced) as refused:
        Sink(any_database, topic_id="new")
    assert Sink(any_database, topic_id="old").start_of() == 100
    statement = str(refused.value.hint).partition(": ")[2].partition(";")[0]
    engine = open_engine(any_database, writer=True)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    new = Sink(any_database, topic_id="new")
    assert new.start_of() == 0
    new.task.put(batch([(f"new{number}", order()) for number in range(100)]))
    assert len(totals(any_database)) == 200
    assert Sink(any_database, topic_id="new").start_of() == 100


def test_offsets_below_the_start_are_refused(any_database: URL) -> None:
    Sink(any_database).task.put(batch([(str(number), order()) for number in range(10)]))
    sink = Sink(any_database)
    with pytest.raises(TopicReplaced):
        sink.task.put(batch([("new", order())], first=9))
    sink.task.put(batch([("10", order())], first=10))
    assert len(totals(any_database)) == 11


@pytest.mark.needs_db
def test_validate_refuses_a_mariadb_table_that_cannot_hold_hangul(database_url: Databases) -> None:
    url = database_url("mysql")
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("create table narrow (id int primary key, note text) charset latin1"))
        connection.execute(text("create table wide (id int primary key, note text) charset utf8mb4"))
    engine.dispose()
    props = {"name": "sink", "connection.url": url.render_as_string(hide_password=False)}
    checked = JdbcSinkConnector().validate({**props, "topics": "wide, absent"})
    assert checked == []
    [problem] = JdbcSinkConnector().validate({**props, "topics": "wide,narrow"})
    assert (problem.key, problem.value) == ("table.name.format", "narrow")
    assert "note are not utf8mb4" in problem.why
    away = url.set(port=1)
    assert (
        JdbcSinkConnector().validate(
            {"name": "s", "topics": "narrow", "connection.url": away.render_as_string(hide_password=False)}
        )
        == []
    )


def test_altered_offsets_are_where_the_next_task_starts_and_a_running_one_is_refused(
    any_database: URL,
) -> None:
    sink = Sink(any_database)
    sink.task.put(batch([("a", order("1")), ("b", order("2"))]))
    place, other = TopicPartition("orders", 0), TopicPartition("orders", 1)
    props = UPSERT | {
        "name": "sink",
        "topics": "orders",
        "connection.url": any_database.render_as_string(hide_password=False),
    }
    assert JdbcSinkConnector().alter_offsets(props, {place: 1, other: 7})
    with pytest.raises(Fenced):
        sink.task.put(batch([("c", order("3"))], first=2))
    again = Sink(any_database, (0, 1))
    assert again.starts == {place: 1, other: 7}
    again.task.put(batch([("b", order("20")), ("c", order("3"))], first=1))
    assert totals(any_database) == {"a": 1, "b": 20, "c": 3}
    assert JdbcSinkConnector().alter_offsets(props, {place: None})
    assert Sink(any_database, (0, 1)).starts == {other: 7}
    assert JdbcSinkConnector().alter_offsets(props, None)
    assert Sink(any_database, (0, 1)).starts == {}


ARRAYS = Schema.struct(
    {
        "n": Schema.array(Schema.int64(optional=True)),
        "t": Schema.array(Schema.string(), optional=True),
        "b": Schema.array(Schema.boolean()),
        "f": Schema.array(Schema.float32()),
    }
)


def arrays(count: int) -> RecordBatch:
    texts = ["", 'a "b", \\ {c}', "NULL", "서울"]
    value = Struct(ARRAYS, {"n": [1, None, -2], "t": texts, "b": [True, False], "f": [0.5]})
    keys = [str(number) for number in range(count)]
    return RecordBatch("orders", 0, range(count), keys, [value] * count, KEY, ARRAYS)


@pytest.mark.needs_db
@pytest.mark.parametrize("count", [1, 150])
def test_arrays_are_arrays_in_postgresql(database_url: Databases, count: int) -> None:
    url = database_url("postgresql")
    Sink(url).task.put(arrays(count))
    rows = table(url, "select n, t, b, f from orders")
    assert rows == [([1, None, -2], ["", 'a "b", \\ {c}', "NULL", "서울"], [True, False], [0.5])] * count


def test_arrays_are_refused_elsewhere(database_url: Databases) -> None:
    with pytest.raises(DataError, match="is an array, which only PostgreSQL's columns can hold"):
        Sink(database_url("sqlite")).task.put(arrays(1))


def test_counts_since_the_epoch_are_timestamps_to_the_microsecond(any_database: URL) -> None:
    schema = Schema.struct({"at": Schema.int64()})
    values = [Struct(schema, {"at": 1_294_183_800_250_001})]
    Sink(any_database, timestamp_fields_list="at").task.put(
        RecordBatch("orders", 0, [0], ["a"], values, KEY, schema)
    )
    assert str(table(any_database, "select at from orders")[0][0])[:26] == "2011-01-04 23:30:00.250001"
