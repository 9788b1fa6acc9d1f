"""Verify across real databases: no false difference over a zoo of types, planted ones found exactly."""

import datetime
import random
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from tests.support.databases import Databases
from tidelock.errors import TidelockError
from tidelock.sql import (
    Column,
    ColumnType,
    Kind,
    Table,
    TableName,
    Target,
    dialect_for,
    open_engine,
    writer_for,
)
from tidelock.sql.canonical import agree
from tidelock.sql.checksum import Compared
from tidelock.sql.engine import execute_plain
from tidelock.sql.errors import ColumnNotFound, DatabaseUnreachable, TableNotFound
from tidelock.sync import Finding, Report, verify
from tidelock.sync.errors import NotComparable
from tidelock.sync.side import TableSide

UTC = datetime.UTC
KINDS = ("sqlite", "postgresql", "mysql")
PAIRS = [(a, b) for a in KINDS for b in KINDS if a <= b]


def column(name: str, kind: Kind, *, nullable: bool = True, **parts: Any) -> Column:
    return Column(name, ColumnType(kind, **parts), nullable)


ZOO = (
    column("id", Kind.INTEGER, nullable=False),
    column("flag", Kind.BOOLEAN),
    column("small", Kind.INTEGER, bits=16),
    column("price", Kind.DECIMAL, precision=30, scale=4),
    column("label", Kind.TEXT),
    column("raw", Kind.BYTES),
    column("born", Kind.DATE),
    column("at", Kind.TIMESTAMP, scale=3),
    column("single", Kind.FLOAT, bits=32),
    column("double", Kind.FLOAT),
    column("clock", Kind.TIME, scale=3),
    column("doc", Kind.JSON),
    column("mark", Kind.UUID),
)
SERVER_ONLY = ZOO[:8]
TEXTS = [
    "",
    " ",
    "a",
    "a ",
    " a",
    "A",
    "á",
    "a\u0301",
    "서울",
    "😀",
    "|",
    "~",
    "1:a",
    "it's",
    "\\",
    "\n\t",
    "%s",
    "0",
]
NUMBERS = [
    "0",
    "-0.5",
    "0.0001",
    "100",
    "-12345678901234567890.1234",
    "1.1000",
    "99999999999999999999999999.9999",
]
DOUBLES = [0.0, -0.0, 0.1, 1 / 3, -1e300, 5e-324, 1e16, 123456789.125, 2.5e-7, 1e15, 9007199254740993.0]
DOCUMENTS = [{"b": 1, "a": [None, True, 1.5, "가 😀"]}, {}, [], {"a": {"z": "", "y": -0.25}}]


def zoo_rows(count: int) -> list[tuple[Any, ...]]:
    draw = random.Random(5)
    moment = datetime.datetime(1999, 12, 31, 23, 59, 59, 0, UTC)
    rows: list[tuple[Any, ...]] = []
    for number in range(count):
        row: list[Any] = [
            number * 7 - 50,
            draw.random() < 0.5,
            draw.randrange(-32768, 32768),
            Decimal(draw.choice(NUMBERS)),
            draw.choice(TEXTS),
            draw.choice([b"", b"\x00", b"\xff'\\", b"plain"]),
            datetime.date(draw.choice([1000, 1582, 1970, 2024, 9999]), 2, 28),
            moment + datetime.timedelta(milliseconds=draw.choice([0, 1, 10, 500, 999, 86_400_000 * number])),
            draw.choice([0.5, 0.1, -3.4e38, 1e-20, 16777217.0]),
            draw.choice(DOUBLES),
            datetime.time(draw.randrange(24), 0, 1, draw.choice([0, 1000, 500_000])),
            draw.choice(DOCUMENTS),
            uuid.UUID(int=draw.getrandbits(128)),
        ]
        rows.append(
            tuple(value if place == 0 or draw.random() > 0.1 else None for place, value in enumerate(row))
        )
    return rows


def make(url: URL, columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], *, key: bool = True) -> URL:
    engine = open_engine(url, writer=True)
    names = tuple(one.name for one in columns)
    with engine.begin() as connection:
        dialect = dialect_for(connection)
        table = Table(TableName("orders"), tuple(columns), names[:1] if key else ())
        execute_plain(connection, dialect.create_table(table))
        target = Target(dialect.reflect(connection, table.name), names)
        writer_for(dialect, target).insert(connection, rows)
    engine.dispose()
    return url


def change(url: URL, *statements: str) -> None:
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        for statement in statements:
            execute_plain(connection, statement)
    engine.dispose()


@pytest.mark.needs_db
@pytest.mark.parametrize("columns", [ZOO, SERVER_ONLY], ids=["zoo", "in the servers"])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_zoo_of_types_has_no_false_difference(
    one: str, other: str, columns: Sequence[Column], database_url: Databases
) -> None:
    rows = [row[: len(columns)] for row in zoo_rows(1500)]
    report = verify(
        "orders", [make(database_url(one), columns, rows)], make(database_url(other), columns, rows)
    )
    assert report.differences == ()
    assert report.equal
    assert report.source_rows == report.target.rows == 1500
    assert report.columns == tuple(one.name for one in columns)


ORDER = (
    column("invoice_no", Kind.TEXT, nullable=False),
    column("customer_id", Kind.INTEGER),
    column("country", Kind.TEXT),
    column("invoice_date", Kind.TIMESTAMP, scale=3),
    column("line_count", Kind.INTEGER, bits=32),
    column("quantity", Kind.INTEGER),
    column("total", Kind.DECIMAL, precision=20, scale=2),
)


def order(number: int) -> tuple[Any, ...]:
    moment = datetime.datetime(2010, 12, 1, 8, 26, tzinfo=UTC) + datetime.timedelta(minutes=number)
    customer = None if number % 4 == 0 else 12345 + number % 4372
    return f"{536365 + number}", customer, "대한민국", moment, number % 30, -number, Decimal(number) / 100


def keys_of(report: Report, finding: Finding) -> list[str]:
    return sorted(one.key["invoice_no"] for one in report.differences if one.finding is finding)


@pytest.mark.needs_db
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_planted_differences_are_found_exactly(one: str, other: str, database_url: Databases) -> None:
    rows = [order(number) for number in range(5000)]
    source, target = make(database_url(one), ORDER, rows), make(database_url(other), ORDER, rows)
    assert verify("orders", [source], target).equal
    change(
        target,
        "DELETE FROM orders WHERE invoice_no IN ('536400', '536401')",
        "INSERT INTO orders (invoice_no, total) VALUES ('C9', 1)",
        "UPDATE orders SET total = total + 0.01, country = '' WHERE invoice_no = '536500'",
        "UPDATE orders SET customer_id = NULL WHERE invoice_no = '536502'",
        "UPDATE orders SET country = '대한민국 ' WHERE invoice_no = '536503'",
    )
    report = verify("orders", [source], target)
    assert keys_of(report, Finding.MISSING) == ["536400", "536401"]
    assert keys_of(report, Finding.EXTRA) == ["C9"]
    assert keys_of(report, Finding.DIFFERENT) == ["536500", "536502", "536503"]
    by_key = {difference.key["invoice_no"]: difference.columns for difference in report.differences}
    assert {name: (both.source, both.target) for name, both in by_key["536500"].items()} == {
        "country": ("대한민국", ""),
        "total": ("1.35", "1.36"),
    }
    assert set(by_key["536502"]) == {"customer_id"}
    assert by_key["536502"]["customer_id"].target is None
    assert by_key["536503"]["country"].target == "대한민국 "


@pytest.mark.parametrize("limit", [10, 1000])
def test_many_scattered_differences_are_all_counted(limit: int, database_url: Databases) -> None:
    rows = [order(number) for number in range(6000)]
    source, target = make(database_url("sqlite"), ORDER, rows), make(database_url("sqlite"), ORDER, rows)
    change(target, "UPDATE orders SET quantity = quantity - 1 WHERE line_count % 3 = 0")
    report = verify("orders", [source], target, limit=limit)
    assert report.counts[Finding.DIFFERENT] == 2000
    assert len(report.differences) == limit
    assert report.to_dict()["different"] == 2000


def test_several_sources_are_one_union_with_duplicates_and_conflicts_named(
    any_database: URL, database_url: Databases
) -> None:
    first = make(database_url("sqlite"), ORDER, [order(number) for number in range(0, 60)])
    second = make(database_url("sqlite"), ORDER, [order(number) for number in range(58, 100)])
    target = make(any_database, ORDER, [order(number) for number in range(100)])
    report = verify("orders", [first, second], target)
    assert report.equal
    assert report.duplicates == 2
    assert [key["invoice_no"] for key in report.duplicate_keys] == ["536423", "536424"]
    change(
        second,
        "UPDATE orders SET total = 0 WHERE invoice_no = '536424'",
        "DELETE FROM orders WHERE invoice_no = '536464'",
    )
    report = verify("orders", [first, second], target)
    assert keys_of(report, Finding.CONFLICT) == ["536424"]
    assert keys_of(report, Finding.EXTRA) == ["536464"]
    assert len(next(one for one in report.differences if one.finding is Finding.CONFLICT).sources) == 2


@pytest.mark.needs_db
def test_a_services_own_spelling_of_types_compares_with_the_sinks(any_database: URL, tmp_path: Path) -> None:
    """A service keeps decimals as NUMERIC and moments as ISO text; the common table has real types."""
    source = URL.create("sqlite", database=str(tmp_path / "service.db"))
    change(
        source,
        "CREATE TABLE orders (invoice_no TEXT PRIMARY KEY, customer_id INT, country TEXT,"
        " invoice_date TEXT, line_count INT, quantity INT, total NUMERIC)",
        "INSERT INTO orders VALUES ('536365', NULL, '대한민국', '2010-12-01T08:26:00Z', 0, 0, '0.00')",
        "INSERT INTO orders VALUES ('536366', 12346, '대한민국', '2010-12-01 08:27:00', 1, -1, 0.01)",
    )
    target = make(any_database, ORDER, [order(0), order(1)])
    report = verify("orders", [source], target)
    assert report.differences == ()
    assert report.equal


@pytest.mark.needs_db
def test_columns_that_one_side_lacks_are_reported(database_url: Databases) -> None:
    rows = [order(number) for number in range(10)]
    source = make(database_url("postgresql"), ORDER, rows)
    target = make(database_url("mysql"), ORDER[:-1], [row[:-1] for row in rows])
    report = verify("orders", [source], target)
    assert not report.equal
    assert report.sources[0].only_here == ("total",)
    ignoring = verify("orders", [source], target, ignore=["TOTAL"])
    assert ignoring.equal
    assert ignoring.sources[0].only_here == ()
    assert ignoring.to_dict()["ignored"] == ["TOTAL"]
    assert "total" not in report.columns
    change(source, 'ALTER TABLE orders ALTER "invoice_date" TYPE timestamp(6)')
    assert any(
        "invoice_date is compared to 3 digits" in note for note in verify("orders", [source], target).notes
    )


def refused(action: Callable[[], object]) -> TidelockError:
    with pytest.raises(TidelockError) as error:
        action()
    return error.value


def test_what_cannot_be_compared_says_why(any_database: URL, database_url: Databases, tmp_path: Path) -> None:
    rows = [order(number) for number in range(10)]
    source = make(database_url("sqlite"), ORDER, [*rows, order(3)], key=False)
    target = make(any_database, ORDER, rows, key=False)
    assert "--key" in str(refused(lambda: verify("orders", [source], target)))
    error = refused(lambda: verify("orders", [source], target, key="invoice_no"))
    assert isinstance(error, NotComparable)
    assert "1 of 11 rows share their key (invoice_no)" in str(error)
    assert isinstance(refused(lambda: verify("orders", [source], target, key="nope")), ColumnNotFound)
    assert isinstance(refused(lambda: verify("bills", [source], target)), TableNotFound)
    absent = tmp_path / "absent.db"
    assert isinstance(refused(lambda: verify("orders", [f"sqlite:///{absent}"], target)), TableNotFound)
    assert not absent.exists()
    down = refused(lambda: verify("orders", ["postgresql://u:secret@127.0.0.1:1/x"], target))
    assert isinstance(down, DatabaseUnreachable)
    assert "secret" not in str(down)


@pytest.mark.needs_db
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("columns", [SERVER_ONLY, ORDER], ids=["zoo", "orders"])
def test_servers_and_python_compute_the_same_leaves(
    kind: str, columns: Sequence[Column], database_url: Databases
) -> None:
    rows = zoo_rows(800) if columns is SERVER_ONLY else [order(number) for number in range(800)]
    side = TableSide(make(database_url(kind), columns, [row[: len(columns)] for row in rows]), "orders")
    table = side.open()
    rules = tuple(agree([one.type]) for one in table.columns)
    side.compare(Compared(table, table.columns, rules, 1))
    in_server = side.leaves()
    side._server = None
    assert side.leaves() == in_server
    side.close()


def lite(path: Path, ddl: str, rows: list[tuple[Any, ...]]) -> str:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t ({ddl})")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    return f"sqlite:///{path}"


def test_a_key_that_is_null_somewhere_is_refused(tmp_path: Path) -> None:
    """SQLite allows it in a primary key; no look-up finds such a row."""
    ddl = "code TEXT PRIMARY KEY, v TEXT"
    source = lite(tmp_path / "a.db", ddl, [(None, "a"), (None, "b")])
    target = lite(tmp_path / "b.db", ddl, [(None, "b")])
    error = refused(lambda: verify("t", [source], target))
    assert isinstance(error, NotComparable)
    assert "2 rows have NULL in their key (code)" in str(error)


def test_a_key_written_in_two_ways_is_refused(tmp_path: Path) -> None:
    ddl = "n TEXT PRIMARY KEY, v TEXT"
    source = lite(tmp_path / "a.db", ddl, [("1", "a"), ("1.0", "a"), ("3", "a")])
    target = lite(tmp_path / "b.db", "n DECIMAL_TEXT(9,2) PRIMARY KEY, v TEXT", [("2", "a"), ("3", "a")])
    assert "written in two ways" in str(refused(lambda: verify("t", [source], target)))


@pytest.mark.parametrize(
    ("declared", "one", "other"),
    [
        ("date", "2011-01-04 10:00:00", "2011-01-04 23:59:59"),
        ("decimal(12,2)", 1.004, 1.00),
        ("timestamp(3)", "2011-01-04 10:00:00.1234", "2011-01-04 10:00:00.1230"),
        ("blob", 3, b"\0\0\0"),
    ],
)
def test_what_sqlite_keeps_beyond_a_declaration_is_compared(
    declared: str, one: Any, other: Any, tmp_path: Path
) -> None:
    ddl = f"id INTEGER PRIMARY KEY, v {declared}"
    source, target = (lite(tmp_path / f"{n}.db", ddl, [(1, v)]) for n, v in enumerate((one, other)))
    assert verify("t", [source], target).counts[Finding.DIFFERENT] == 1
    assert verify("t", [source], source).equal


@pytest.mark.parametrize("ignore", ["id", "nonesuch"])
def test_only_a_column_outside_the_key_can_be_ignored(ignore: str, tmp_path: Path) -> None:
    source = lite(tmp_path / "a.db", "id INTEGER PRIMARY KEY, v TEXT", [(1, "a")])
    assert isinstance(refused(lambda: verify("t", [source], source, ignore=[ignore])), NotComparable)


@pytest.mark.needs_db
def test_texts_that_the_server_cannot_hash_are_hashed_here(database_url: Databases) -> None:
    """Beyond max_allowed_packet the server's text is NULL; XOR passes over two of them in one leaf."""
    columns = (column("id", Kind.INTEGER, nullable=False), column("raw", Kind.BYTES))
    urls = [database_url("mysql") for _ in range(2)]
    for url, ends in zip(urls, ("ab", "cd"), strict=True):
        make(url, columns, [(n << 16, b"") for n in range(2)])
        for n, end in enumerate(ends):  # as hexadecimal it is more than the server's 16 MB
            raw = f"concat(repeat('x', {9 << 20}), '{end}')"
            change(url, f"UPDATE orders SET raw = {raw} WHERE id = {n << 16}")
    assert verify("orders", [urls[0]], urls[1]).counts[Finding.DIFFERENT] == 2
    assert verify("orders", [urls[0]], urls[0]).equal
