"""Writers and ledger against real databases: rows and offset commit together, whatever is repeated."""

import datetime
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from psycopg import ProgrammingError
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from tests.support.databases import Databases
from tidelock.sql import (
    Column,
    ColumnType,
    Kind,
    Ledger,
    Table,
    TableName,
    Target,
    dialect_for,
    open_engine,
    reduce_changes,
    writer_for,
)
from tidelock.sql.engine import execute_plain
from tidelock.sql.errors import Fenced
from tidelock.sql.writers.postgresql import PostgresqlWriter

UTC = datetime.UTC
ORDERS = Table(
    TableName("주문 %s"),
    (
        Column("id", ColumnType(Kind.TEXT), nullable=False),
        Column("line", ColumnType(Kind.INTEGER, bits=32), nullable=False),
        Column("이름", ColumnType(Kind.TEXT)),
        Column("total", ColumnType(Kind.DECIMAL, scale=2)),
        Column("at", ColumnType(Kind.TIMESTAMP, scale=3)),
        Column("paid", ColumnType(Kind.BOOLEAN)),
        Column("raw", ColumnType(Kind.BYTES)),
        Column("weight", ColumnType(Kind.FLOAT)),
    ),
    ("id", "line"),
)
NAMES = tuple(column.name for column in ORDERS.columns)


def make_target(connection: Connection) -> Target:
    dialect = dialect_for(connection)
    execute_plain(connection, dialect.create_table(ORDERS))
    return Target(dialect.reflect(connection, ORDERS.name), NAMES, ("id", "line"))


def row(key: str, number: int = 0, **changed: Any) -> tuple[Any, ...]:
    values = {
        "id": key,
        "line": number,
        "이름": "it's 100% \\ 😀\t\n ",
        "total": Decimal("12345678901234567890.10"),
        "at": datetime.datetime(2011, 1, 4, 10, 0, 0, 123000, UTC),
        "paid": True,
        "raw": b"\x00\xff'\\",
        "weight": 0.1,
    }
    return tuple((values | changed).values())


def stored(connection: Connection, target: Target) -> dict[tuple[str, int], tuple[Any, ...]]:
    dialect = dialect_for(connection)
    statement = f"SELECT {dialect.quote_all(NAMES)} FROM {dialect.quote_table(target.table.name)}"
    rows = connection.execute(text(statement.replace(":", "\\:")))
    return {(one[0], one[1]): normal(tuple(one)) for one in rows}


def normal(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values as a person compares them: SQLite gives decimals and timestamps back as text."""
    key, line, name, total, at, paid, raw, weight = values
    moment = datetime.datetime.fromisoformat(at) if isinstance(at, str) else at
    at = moment.replace(tzinfo=None) if moment else None
    return key, line, name, None if total is None else Decimal(total), at, bool(paid), raw, weight


@pytest.mark.parametrize("count", [1, 99, 100, 350])
def test_upserts_insert_and_overwrite_exactly(any_database: URL, count: int) -> None:
    engine = open_engine(any_database, writer=True)
    with engine.begin() as connection:
        target = make_target(connection)
        writer = writer_for(dialect_for(connection), target)
        first = [row(f"k{number}", number) for number in range(count)]
        writer.upsert(connection, first)
        again = [row(f"k{number}", number, 이름=None, total=Decimal("-0.01")) for number in range(count)]
        writer.upsert(connection, [*again, row("new")])
    with engine.connect() as connection:
        expected = {(one[0], one[1]): normal(one) for one in [*again, row("new")]}
        assert stored(connection, target) == expected
    engine.dispose()


def test_keys_differ_by_case_accent_and_trailing_blank(any_database: URL) -> None:
    engine = open_engine(any_database, writer=True)
    keys = ["a", "A", "a ", "á", "ß", "ss", "가", "😀", "😁"]
    with engine.begin() as connection:
        target = make_target(connection)
        writer_for(dialect_for(connection), target).upsert(connection, [row(key) for key in keys])
    with engine.connect() as connection:
        assert sorted(key for key, _ in stored(connection, target)) == sorted(keys)
    engine.dispose()


@pytest.mark.parametrize("count", [3, 150])
def test_updates_touch_only_what_exists_and_deletes_only_what_is_named(any_database: URL, count: int) -> None:
    engine = open_engine(any_database, writer=True)
    with engine.begin() as connection:
        target = make_target(connection)
        writer = writer_for(dialect_for(connection), target)
        writer.insert(connection, [row(f"k{number}") for number in range(count)])
        writer.update(connection, [row(f"k{number}", 이름="new") for number in range(1, count + 5)])
        writer.delete(connection, [(f"k{number}", 0) for number in range(2, count)] + [("absent", 0)])
    with engine.connect() as connection:
        found = stored(connection, target)
    assert {key[0]: value[2] for key, value in found.items()} == {"k0": row("k0")[2], "k1": "new"}
    engine.dispose()


def test_writers_match_a_dictionary(any_database: URL) -> None:
    """Random batches of writes and deletes over few keys: the table ends as a dictionary would."""
    engine = open_engine(any_database, writer=True)
    draw = random.Random(7)
    model: dict[tuple[str, int], tuple[Any, ...]] = {}
    with engine.begin() as connection:
        target = make_target(connection)
    writer = None
    for size in (1, 5, 400, 120, 99, 1000):
        keys = [(f"k{draw.randrange(150)}", draw.randrange(2)) for _ in range(size)]
        rows = [None if draw.random() < 0.3 else row(*key, 이름=str(draw.random())) for key in keys]
        with engine.begin() as connection:
            writer = writer or writer_for(dialect_for(connection), target)
            changes = reduce_changes(keys, rows)
            writer.delete(connection, changes.deletes)
            writer.upsert(connection, changes.upserts)
        for key, one in zip(keys, rows, strict=True):
            model.pop(key, None)
            if one is not None:
                model[key] = normal(one)
        with engine.connect() as connection:
            assert stored(connection, target) == model
    engine.dispose()


@pytest.mark.needs_db
def test_keys_are_guessed_to_be_new_less_and_less_often(
    database_url: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight into the table while keys are new; after a key that is there 1, 2, 4 batches are merged."""
    engine = open_engine(database_url("postgresql"), writer=True)
    with engine.begin() as connection:
        target = make_target(connection)
        writer = writer_for(dialect_for(connection), target)
    copy, copied = PostgresqlWriter._copy, list[str]()

    def seen(self: PostgresqlWriter, connection: Connection, table: str, *rest: Any) -> None:
        copied.append("stage" if "stage" in table else "table")
        copy(self, connection, table, *rest)

    monkeypatch.setattr(PostgresqlWriter, "_copy", seen)

    def written(first: int, total: str) -> list[str]:
        copied.clear()
        rows = [row(f"k{number}", total=Decimal(total)) for number in range(first, first + 150)]
        with engine.begin() as connection:
            writer.upsert(connection, rows)
        with engine.connect() as connection:
            found = stored(connection, target)
        assert [found[one[0], 0] for one in rows] == [normal(one) for one in rows]
        return list(copied)

    assert [written(0, "1"), written(150, "1")] == [["table"]] * 2
    assert written(299, "2") == ["table", "stage"]  # one key of 150 is there
    assert written(600, "2") == ["stage"]
    assert written(0, "3") == ["table", "stage"]
    assert [written(number, "4") for number in (0, 700)] == [["stage"]] * 2
    assert [written(number, "5") for number in (900, 1200)] == [["table"]] * 2
    with engine.begin() as connection:
        execute_plain(connection, f'ALTER TABLE "{target.table.name}" DROP CONSTRAINT "주문 %s_pkey"')
    with pytest.raises(ProgrammingError, match="ON CONFLICT"), engine.begin() as connection:
        writer.upsert(connection, [row(f"k{number}") for number in range(150)])
    engine.dispose()


@pytest.mark.needs_db
def test_a_view_that_takes_inserts_is_merged_into(database_url: Databases) -> None:
    engine = open_engine(database_url("postgresql"), writer=True)
    rows = [row(f"k{number}") for number in range(150)]
    with engine.begin() as connection:
        table = make_target(connection)
        execute_plain(connection, 'CREATE VIEW shown AS SELECT * FROM "주문 %s"')
        view = Target(replace(table.table, name=TableName("shown")), NAMES, table.key)
        writer_for(dialect_for(connection), view).upsert(connection, rows)
        assert len(stored(connection, table)) == 150
    engine.dispose()


class Crash(BaseException):
    """Stands for kill -9 between two statements."""


def test_rows_and_offset_commit_together_or_not_at_all(any_database: URL) -> None:
    engine = open_engine(any_database, writer=True)
    ledger = Ledger("orders-sink")
    with engine.begin() as connection:
        ledger.create(connection)
        ledger.create(connection)
        target = make_target(connection)
    with engine.begin() as connection:
        start = ledger.claim(connection, [("orders", 0)])["orders", 0]
        assert start == (None, 1)
        writer = writer_for(dialect_for(connection), target)

    def batch(first: int, *, crash: bool = False) -> None:
        with engine.begin() as connection:
            done = ledger.admit(connection, "orders", 0, start.epoch)
            rows = [row(f"k{number}") for number in range(first, first + 200) if number >= (done or 0)]
            writer.insert(connection, rows)  # an insert that ran twice would break the primary key
            ledger.advance(connection, "orders", 0, max(first + 200, done or 0))
            if crash:
                raise Crash

    with pytest.raises(Crash):
        batch(0, crash=True)
    batch(0)
    batch(0)  # the consumer group's offset was lost: everything comes again
    batch(100)
    with engine.connect() as connection:
        assert len(stored(connection, target)) == 300
    engine.dispose()


def test_a_zombie_is_fenced_and_writes_nothing(any_database: URL) -> None:
    engine = open_engine(any_database, writer=True)
    ledger = Ledger("orders-sink")
    with engine.begin() as connection:
        ledger.create(connection)
        old = ledger.claim(connection, [("orders", 0), ("orders", 1)])
    with engine.begin() as connection:
        ledger.advance(connection, "orders", 0, 17)
    with engine.begin() as connection:
        new = ledger.claim(connection, [("orders", 0)])["orders", 0]
    assert new == (17, 2)
    with pytest.raises(Fenced, match="epoch 2"), engine.begin() as connection:
        ledger.admit(connection, "orders", 0, old["orders", 0].epoch)
    with engine.begin() as connection:
        assert ledger.admit(connection, "orders", 0, new.epoch) == 17
        assert ledger.admit(connection, "orders", 1, old["orders", 1].epoch) is None
    with engine.begin() as connection:
        assert Ledger("other").claim(connection, [("orders", 0)])["orders", 0] == (None, 1)
    engine.dispose()
