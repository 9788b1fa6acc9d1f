"""The SQL source against real databases: modes, types, and rows that become visible late."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, Engine

from tests.support.databases import Databases
from tests.support.waiting import eventually
from tidelock.connect.api import (
    ConnectError,
    ConnectorContext,
    RetriableError,
    SourceRecord,
    SourceTaskContext,
    Type,
)
from tidelock.connect.connectors.jdbc.source.connector import JdbcSourceConnector
from tidelock.connect.connectors.jdbc.source.task import JdbcSourceTask
from tidelock.connect.connectors.jdbc.source.writers import Writers
from tidelock.sql import open_engine

UTC = datetime.UTC
QUICK = {"poll.interval.ms": "0", "tidelock.gap.wait.ms": "0", "topic.prefix": "db-"}


class Source:
    """A connector and its one task, and the offsets that a worker would keep."""

    def __init__(self, url: URL, offsets: dict[str, dict[str, Any]] | None = None, **keys: str) -> None:
        props = QUICK | {"connection.url": url.render_as_string(hide_password=False)}
        props |= {name.replace("_", "."): value for name, value in keys.items()}
        self.offsets = {} if offsets is None else offsets
        self.connector = JdbcSourceConnector()
        assert self.connector.validate(props) == []
        self.connector.start(ConnectorContext("src"), props)
        self.task = JdbcSourceTask()
        config = self.connector.task_configs(1)[0]
        reads = lambda asked: [self.offsets.get(repr(sorted(one.items()))) for one in asked]  # noqa: E731
        self.task.start(SourceTaskContext("src", 0, reads), config)

    def poll(self) -> list[SourceRecord]:
        records = list(self.task.poll() or [])
        for record in records:
            if record.source_offset:
                key = repr(sorted(record.source_partition.items()))
                self.offsets[key] = dict(record.source_offset)
        return records

    def values(self, column: str, count: int) -> list[Any]:
        """Poll until there are so many values."""
        found: list[Any] = []

        def more() -> bool:
            found.extend(record.value[column] for record in self.poll())
            return len(found) >= count

        eventually(more, 20)
        return found

    def stop(self) -> None:
        self.task.stop()
        self.connector.stop()


@pytest.fixture
def make(any_database: URL) -> Iterator[Any]:
    made: list[Source] = []

    def source(**keys: Any) -> Source:
        made.append(Source(any_database, **keys))
        return made[-1]

    yield source
    for one in made:
        one.stop()


@pytest.fixture
def engine(any_database: URL) -> Iterator[Engine]:
    engine = open_engine(any_database, writer=True)
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def counted(engine: Engine) -> str:
    """A column that counts up by itself."""
    name = engine.dialect.name
    if name == "postgresql":
        return "id bigserial primary key"
    return (
        "id integer primary key autoincrement" if name == "sqlite" else "id bigint auto_increment primary key"
    )


def events(engine: Engine) -> None:
    words = "varchar(50)" + (" CHARACTER SET utf8mb4" if engine.dialect.name in ("mysql", "mariadb") else "")
    run(engine, f"CREATE TABLE events ({counted(engine)}, name {words} NOT NULL)")


def test_incrementing_goes_on_where_it_was(make: Any, engine: Engine) -> None:
    events(engine)
    run(engine, *(f"INSERT INTO events (name) VALUES ('n{number}')" for number in range(5)))
    offsets: dict[str, dict[str, Any]] = {}
    source = make(offsets=offsets, mode="incrementing", batch_max_rows="2", table_whitelist="events")
    assert source.values("name", 5) == ["n0", "n1", "n2", "n3", "n4"]
    assert list(offsets.values()) == [{"incrementing": 5}]
    assert "'protocol', '1'" in next(iter(offsets))
    run(engine, "INSERT INTO events (name) VALUES ('대한민국 😀')")
    again = make(offsets=offsets, mode="incrementing", table_whitelist="events")
    record = eventually(again.poll)[0]
    assert (record.topic, record.value["name"], record.value["id"]) == ("db-events", "대한민국 😀", 6)
    assert record.value_schema.name == "events"
    assert again.poll() == []


def test_bulk_reads_everything_each_time(make: Any, engine: Engine) -> None:
    events(engine)
    run(engine, *(f"INSERT INTO events (name) VALUES ('n{number}')" for number in range(5)))
    source = make(mode="bulk", batch_max_rows="2", table_whitelist="events")
    assert source.values("name", 10) == ["n0", "n1", "n2", "n3", "n4"] * 2
    assert source.offsets == {}


def test_a_batch_never_ends_between_rows_of_one_time(make: Any, engine: Engine) -> None:
    run(engine, f"CREATE TABLE changes ({counted(engine)}, at timestamp NOT NULL)")
    times = ["10:00:00"] * 3 + ["10:00:01"] * 2 + ["10:00:02"]
    run(engine, *(f"INSERT INTO changes (at) VALUES ('2024-01-02 {time}')" for time in times))
    source = make(mode="timestamp", timestamp_column_name="at", batch_max_rows="2")
    first = eventually(source.poll)
    assert [record.value["id"] for record in first] == [1, 2, 3]
    assert [dict(record.source_offset) for record in first] == [
        {},
        {},
        {"timestamp": 1704189600000, "timestamp_nanos": 0},
    ]
    assert source.values("id", 3) == [4, 5, 6]
    assert source.poll() == []


def test_both_columns_find_changed_rows_and_rows_of_one_time(make: Any, engine: Engine) -> None:
    run(engine, f"CREATE TABLE changes ({counted(engine)}, at timestamp NULL, since timestamp NOT NULL)")
    insert = "INSERT INTO changes (since) VALUES ('2024-01-02 10:00:00')"
    run(engine, insert, insert, insert)
    keys = {"mode": "timestamp+incrementing", "timestamp_column_name": "at,since", "batch_max_rows": "2"}
    source = make(**keys)
    assert source.values("id", 3) == [1, 2, 3]
    run(engine, insert, "UPDATE changes SET at = '2024-01-02 10:00:05' WHERE id = 1")
    record = make(offsets=source.offsets, **keys)
    assert record.values("id", 2) == [4, 1]
    assert next(iter(source.offsets.values())) == {
        "incrementing": 1,
        "timestamp": 1704189605000,
        "timestamp_nanos": 0,
    }


def test_a_query_is_one_topic(make: Any, engine: Engine) -> None:
    events(engine)
    run(engine, "INSERT INTO events (name) VALUES ('a:b'), ('100%'), ('c')")
    query = "SELECT id, name, id * 2 AS twice FROM events WHERE name <> 'x:y%'"
    source = make(query=query, mode="incrementing", incrementing_column_name="id", topic_prefix="q")
    records: list[SourceRecord] = []
    eventually(lambda: len(records.extend(source.poll()) or records) >= 3)
    assert {record.topic for record in records} == {"q"}
    assert [record.value["name"] for record in records] == ["a:b", "100%", "c"]
    assert source.offsets == {"[('query', 'query')]": {"incrementing": 3}}
    bulk = make(query=query, mode="bulk", topic_prefix="q")
    assert [record.value["id"] for record in eventually(bulk.poll)] == [1, 2, 3]


TYPED = {
    "postgresql": (
        "b boolean, s smallint, i integer, l bigint NOT NULL, r real, d double precision, n numeric(12,2), "
        "u numeric, t text, y bytea, da date, ti time, ts timestamp, tz timestamptz, j jsonb, "
        "g uuid, a integer[]",
        "true, 1, 2, 3, 1.5, 2.5, 12.30, 0.125, '한', '\\x00ff', '2024-02-29', '10:11:12.5', "
        "'2024-01-02 03:04:05.678', '2024-01-02 12:04:05.678+09', '{\"k\": 1}', "
        "'00000000-0000-0000-0000-000000000001', '{1,2}'",
    ),
    "mysql": (
        "b boolean, s smallint unsigned, i integer, l bigint NOT NULL, r float, d double, n decimal(12,2), "
        "u int unsigned, t text CHARACTER SET utf8mb4, y blob, da date, ti time(3), ts datetime(3), "
        "tz timestamp(3) NULL, j json, g year, a bit(1)",
        "true, 60000, 2, 3, 1.5, 2.5, 12.30, 4000000000, '한', x'00ff', '2024-02-29', '10:11:12.5', "
        "'2024-01-02 03:04:05.678', '2024-01-02 03:04:05.678', '{\"k\": 1}', 2024, b'1'",
    ),
    "sqlite": (
        "b boolean, s smallint, i integer, l bigint NOT NULL, r real, d double, n decimal_text(12,2), "
        "u int, t text, y blob, da date, ti time, ts timestamp, tz timestamp, j json, g uuid",
        "1, 1, 2, 3, 1.5, 2.5, '12.30', 4000000000, '한', x'00ff', '2024-02-29', '10:11:12.5', "
        "'2024-01-02 03:04:05.678', 1704164645678, '{\"k\": 1}', '00000000-0000-0000-0000-000000000001'",
    ),
}


def test_types_and_values(make: Any, engine: Engine) -> None:
    name = (
        "mysql"
        if engine.dialect.name != "postgresql" and engine.dialect.name != "sqlite"
        else (engine.dialect.name)
    )
    columns, values = TYPED[name]
    run(engine, f"CREATE TABLE typed ({columns})")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO typed VALUES ({values})")
        connection.exec_driver_sql("INSERT INTO typed (l) VALUES (9)")
    full, empty = (record.value for record in eventually(make(mode="bulk").poll))
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 678_000, UTC)
    assert full["ts"] == full["tz"] == moment
    assert (full["da"], full["ti"]) == (datetime.date(2024, 2, 29), datetime.time(10, 11, 12, 500_000))
    assert (full["n"], full["l"], full["t"], full["y"]) == (Decimal("12.30"), 3, "한", b"\x00\xff")
    assert (full["b"], full["d"], full["r"]) == (1, 2.5, 1.5)
    assert full["j"].replace(" ", "") == '{"k":1}'
    assert full.schema.field("l").schema.optional is False
    assert full.schema.field("n").schema.scale == 2
    assert {value for field, value in empty.items() if field != "l"} == {None}
    kinds = {field.name: field.schema.type for field in full.schema.fields}
    if name == "postgresql":
        assert "a" not in kinds
        assert full["g"] == "00000000-0000-0000-0000-000000000001"
        assert full["u"] == Decimal("0.125")
    elif name == "mysql":
        assert (kinds["b"], kinds["s"], kinds["u"]) == (Type.INT8, Type.INT32, Type.INT64)
        assert (full["u"], full["s"], full["g"], full["a"]) == (4_000_000_000, 60_000, 2024, 1)
    else:
        assert full["u"] == 4_000_000_000


def test_a_query_keeps_its_columns_types(make: Any, engine: Engine) -> None:
    name = engine.dialect.name if engine.dialect.name in TYPED else "mysql"
    columns, values = TYPED[name]
    run(engine, f"CREATE TABLE typed ({columns})")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO typed VALUES ({values})")
    query = "SELECT l, b, n, t, y, da, ti, ts, d FROM typed"
    value = eventually(make(mode="bulk", query=query).poll)[0].value
    assert value["ts"] == datetime.datetime(2024, 1, 2, 3, 4, 5, 678_000, UTC)
    assert (value["n"], value["l"], value["t"], value["y"]) == (Decimal("12.30"), 3, "한", b"\x00\xff")
    assert (value["da"], value["ti"]) == (datetime.date(2024, 2, 29), datetime.time(10, 11, 12, 500_000))
    assert (value["b"], value["d"]) == (1, 2.5)


def test_a_table_that_was_widened(make: Any, engine: Engine) -> None:
    events(engine)
    run(engine, "INSERT INTO events (name) VALUES ('a')")
    source = make(mode="incrementing")
    assert source.values("name", 1) == ["a"]
    run(engine, "ALTER TABLE events ADD COLUMN note varchar(20)", "INSERT INTO events VALUES (2, 'b', 'c')")
    assert eventually(source.poll)[0].value.as_dict() == {"id": 2, "name": "b", "note": "c"}


def test_a_new_table_gets_a_task(make: Any, engine: Engine) -> None:
    events(engine)
    asked: list[bool] = []
    source = make(mode="bulk", table_poll_interval_ms="20", table_blacklist="secret")
    source.connector._monitor._changed = lambda: asked.append(True)
    run(engine, "CREATE TABLE secret (id integer)", "CREATE TABLE later (id integer)")
    eventually(lambda: asked)
    configs = source.connector.task_configs(5)
    assert [config["tables"].replace("`", '"').rpartition(".")[2].strip('"') for config in configs] == [
        "events",
        "later",
    ]


@pytest.mark.needs_db
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("outcome", ["commit", "rollback"])
def test_a_row_that_commits_late_is_not_left_behind(database_url: Databases, kind: str, outcome: str) -> None:
    url = database_url(kind)
    engine = open_engine(url)
    events(engine)
    run(engine, "INSERT INTO events (name) VALUES ('first')")
    source = Source(url, mode="incrementing", tidelock_gap_wait_ms="0")
    assert source.values("name", 1) == ["first"]
    with engine.connect() as late, late.begin() as transaction:
        late.execute(text("INSERT INTO events (name) VALUES ('late')"))
        run(engine, "INSERT INTO events (name) VALUES ('early'), ('too')")
        for _ in range(5):
            assert source.poll() == []  # behind the gap
        getattr(transaction, outcome)()
    expected = ["early", "too"] if outcome == "rollback" else ["late", "early", "too"]
    assert source.values("name", len(expected)) == expected
    source.stop()
    engine.dispose()


@pytest.mark.needs_db
def test_a_user_who_may_not_see_transactions_waits_by_locks(database_url: Databases) -> None:
    url = database_url("mysql")
    engine = open_engine(url)
    events(engine)
    run(engine, "CREATE USER reader IDENTIFIED BY 'r'", "GRANT SELECT ON events TO reader")
    run(engine, "INSERT INTO events (name) VALUES ('first')")
    source = Source(url.set(username="reader", password="r"), mode="incrementing")
    assert source.values("name", 1) == ["first"]
    with engine.connect() as late, late.begin():
        late.execute(text("INSERT INTO events (name) VALUES ('late')"))
        run(engine, "INSERT INTO events (name) VALUES ('early')")
        assert source.poll() == []
        assert source.poll() == []
    assert source.values("name", 2) == ["late", "early"]
    source.stop()
    run(engine, "DROP USER reader")
    engine.dispose()


@pytest.mark.needs_db
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_time_that_commits_late_is_not_left_behind(database_url: Databases, kind: str) -> None:
    url = database_url(kind)
    engine = open_engine(url)
    run(
        engine,
        f"CREATE TABLE changes ({counted(engine)}, at timestamp(6) NOT NULL DEFAULT now(6))".replace(
            "now(6)", "clock_timestamp()" if kind == "postgresql" else "now(6)"
        ),
    )
    source = Source(url, mode="timestamp", timestamp_column_name="at")
    with engine.connect() as late, late.begin():
        late.execute(text("INSERT INTO changes (id) VALUES (1)"))
        run(engine, "INSERT INTO changes (id) VALUES (2)")
        seen = [record for _ in range(3) for record in source.poll()]
        assert seen == []
    assert source.values("id", 2) == [1, 2]
    source.stop()
    engine.dispose()


def test_while_the_database_does_not_tell_who_writes_nothing_is_passed(
    make: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine, f"CREATE TABLE changes ({counted(engine)}, at timestamp NOT NULL)")
    run(engine, "INSERT INTO changes (id, at) VALUES (1, '2024-01-02 10:00:00')")
    by_time, by_id = make(mode="timestamp", timestamp_column_name="at"), make(mode="incrementing")
    with monkeypatch.context() as patched:
        patched.setattr(Writers, "ask", lambda _self, _connection: None)
        for _ in range(3):
            assert by_time.poll() == by_id.poll() == []
    assert (by_time.values("id", 1), by_id.values("id", 1)) == ([1], [1])
    run(engine, "INSERT INTO changes (id, at) VALUES (3, '2025-01-02 10:00:00')")
    assert (by_time.values("id", 1), by_id.values("id", 1)) == ([3], [3])


def test_columns_that_may_be_null_and_missing_ones_are_refused(make: Any, engine: Engine) -> None:
    run(engine, "CREATE TABLE loose (number bigint, at timestamp NULL, name varchar(9))")
    with pytest.raises(ConnectError, match="may be null"):
        make(mode="timestamp", timestamp_column_name="at").poll()
    with pytest.raises(ConnectError, match="has no column 'missing'"):
        make(mode="incrementing", incrementing_column_name="missing").poll()
    with pytest.raises(ConnectError, match="no column counts up"):
        make(mode="incrementing").poll()
    run(engine, "INSERT INTO loose (number) VALUES (7)")
    source = make(mode="incrementing", incrementing_column_name="number", validate_non_null="false")
    assert source.values("number", 1) == [7]


@pytest.mark.needs_db
def test_a_lost_session_is_replaced_and_a_lost_server_waited_for(database_url: Databases) -> None:
    url = database_url("postgresql")
    engine = open_engine(url)
    events(engine)
    run(engine, "INSERT INTO events (name) VALUES ('a')")
    source = Source(url, mode="incrementing")
    assert source.values("name", 1) == ["a"]
    run(engine, "INSERT INTO events (name) VALUES ('b')")
    run(
        engine,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()",
    )
    with pytest.raises(RetriableError):
        source.task.poll()
    assert source.values("name", 1) == ["b"]
    source.stop()
    engine.dispose()
