"""Types: what each database calls them, and what a created table says."""

import pytest

from tidelock.sql.dialects import MysqlDialect, PostgresqlDialect, SqliteDialect, mysql, postgresql, sqlite
from tidelock.sql.types import Column, ColumnType, Kind, Table, TableName


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("numeric(12,2)", ColumnType(Kind.DECIMAL, precision=12, scale=2)),
        ("numeric", ColumnType(Kind.DECIMAL)),
        ("integer", ColumnType(Kind.INTEGER, bits=32)),
        ("timestamp(3) without time zone", ColumnType(Kind.TIMESTAMP, scale=3)),
        ("timestamp with time zone", ColumnType(Kind.TIMESTAMP, scale=6)),
        ("time without time zone", ColumnType(Kind.TIME, scale=6)),
        ("character varying(10)", ColumnType(Kind.TEXT, length=10)),
        ("double precision", ColumnType(Kind.FLOAT)),
        ("text[]", ColumnType(Kind.OTHER)),
        ("interval", ColumnType(Kind.OTHER)),
    ],
)
def test_postgresql_types_are_read(declared: str, expected: ColumnType) -> None:
    assert postgresql.read_type(declared) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tinyint", "tinyint(1)", (3, 0, None, None)), ColumnType(Kind.BOOLEAN)),
        (("bigint", "bigint(20) unsigned", (20, 0, None, None)), ColumnType(Kind.INTEGER)),
        (("decimal", "decimal(65,2)", (65, 2, None, None)), ColumnType(Kind.DECIMAL, precision=65, scale=2)),
        (("datetime", "datetime(3)", (None, None, 3, None)), ColumnType(Kind.TIMESTAMP, scale=3)),
        (("varchar", "varchar(9)", (None, None, None, 9)), ColumnType(Kind.TEXT, length=9)),
        (("enum", "enum('a','b')", (None, None, None, 1)), ColumnType(Kind.TEXT, length=1)),
        (("geometry", "geometry", (None, None, None, None)), ColumnType(Kind.OTHER)),
    ],
)
def test_mysql_types_are_read(words: tuple[str, str, tuple[int | None, ...]], expected: ColumnType) -> None:
    assert mysql.read_type(*words) == expected


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("DECIMAL_TEXT(65,2)", Kind.DECIMAL),
        ("NUMERIC(10, 2)", Kind.DECIMAL),
        ("DATETIME", Kind.TIMESTAMP),
        ("varchar(20)", Kind.TEXT),
        ("BIGINT", Kind.INTEGER),
        ("", Kind.TEXT),
        ("BOOLEAN", Kind.BOOLEAN),
        ("POINT", Kind.INTEGER),  # SQLite's own rule: it contains INT
    ],
)
def test_sqlite_types_are_read(declared: str, kind: Kind) -> None:
    assert sqlite.read_type(declared).kind is kind


ORDERS = Table(
    TableName("orders"),
    (
        Column("invoice_no", ColumnType(Kind.TEXT), nullable=False),
        Column("total", ColumnType(Kind.DECIMAL, scale=2)),
        Column("invoice_date", ColumnType(Kind.TIMESTAMP, scale=3)),
    ),
    ("invoice_no",),
)


def test_mysql_tables_name_utf8mb4_and_a_collation_that_tells_keys_apart() -> None:
    text = MysqlDialect(mysql.key_collation((10, 11, 19), is_mariadb=True)).create_table(ORDERS)
    assert "`invoice_no` VARCHAR(255) NOT NULL" in text
    assert "`total` DECIMAL(65,2)" in text
    assert "`invoice_date` DATETIME(3)" in text
    assert text.endswith("DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")


def test_postgresql_decimals_have_no_scale_limit() -> None:
    text = PostgresqlDialect().create_table(ORDERS)
    assert '"total" NUMERIC' in text
    assert 'PRIMARY KEY ("invoice_no")' in text


def test_sqlite_decimals_keep_their_digits_as_text() -> None:
    assert '"total" DECIMAL_TEXT(65,2)' in SqliteDialect().create_table(ORDERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.11.19-MariaDB-log", ((10, 11, 19), True)),
        ("5.5.5-10.6.1-MariaDB", ((10, 6, 1), True)),
        ("8.0.36", ((8, 0, 36), False)),
    ],
)
def test_server_versions_are_read(text: str, expected: tuple[tuple[int, ...], bool]) -> None:
    assert mysql.server_version(text) == expected
