"""Which tables are read, by whom."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidelock.connect.connectors.jdbc.source.catalogue import divided, read, wanted, written
from tidelock.connect.connectors.jdbc.source.settings import JdbcSourceSettings
from tidelock.sql.dialects import MysqlDialect, PostgresqlDialect
from tidelock.sql.types import TableName

TABLES = [TableName("orders", "public"), TableName("orders", "old"), TableName("users", "public")]


def settings(**keys: Any) -> JdbcSourceSettings:
    dotted = {name.replace("_", "."): value for name, value in keys.items()}
    return JdbcSourceSettings.parse(
        {"connection.url": "sqlite://", "mode": "bulk", "topic.prefix": "", **dotted}
    )


def names(tables: list[TableName]) -> list[str]:
    return [str(table) for table in tables]


def test_lists() -> None:
    assert names(wanted(TABLES, settings(table_whitelist="orders"))) == ["public.orders", "old.orders"]
    assert names(wanted(TABLES, settings(table_whitelist='"old"."orders"'))) == ["old.orders"]
    assert names(wanted(TABLES, settings(table_blacklist="old.orders,users"))) == ["public.orders"]
    keys = {"table_include_list": r"public\..*", "table_exclude_list": "us.*"}
    assert names(wanted(TABLES, settings(**keys))) == ["public.orders"]


@given(st.integers(0, 20), st.integers(1, 8))
def test_tables_are_divided_evenly_in_order(count: int, tasks: int) -> None:
    tables = [TableName(f"t{number}") for number in range(count)]
    groups = divided(tables, tasks)
    assert [table for group in groups for table in group] == tables
    assert len(groups) == min(tasks, count)
    assert not groups or max(map(len, groups)) - min(map(len, groups)) <= 1


NAME = st.text(min_size=1, max_size=12)


@given(st.lists(st.builds(TableName, NAME, st.none() | NAME)))
def test_what_is_written_is_read(tables: list[TableName]) -> None:
    for dialect in (PostgresqlDialect(), MysqlDialect()):
        assert read(written(tables, dialect)) == tables


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read(text)


def test_names_of_a_java_worker() -> None:
    assert read('"public"."a","b"') == [TableName("a", "public"), TableName("b")]
    assert read("`shop`.`a`, c") == [TableName("a", "shop"), TableName("c")]
    assert read('"db"."public"."a"') == [TableName("a", "public")]
