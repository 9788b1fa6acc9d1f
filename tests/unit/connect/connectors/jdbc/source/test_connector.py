"""What validate says of combinations, and what may be stored as an offset."""

from typing import Any

import pytest

from tidelock.connect.api import ConnectError
from tidelock.connect.connectors.jdbc.source.connector import JdbcSourceConnector

BASE = {"connection.url": "jdbc:sqlite:x.db", "topic.prefix": "p", "mode": "bulk"}


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        ({}, []),
        ({"mode": "timestamp"}, ["timestamp.column.name"]),
        ({"mode": "incrementing"}, []),
        ({"mode": "incrementing", "query": "SELECT 1"}, ["incrementing.column.name"]),
        ({"query": "SELECT 1", "table.whitelist": "a"}, ["table.whitelist"]),
        ({"table.whitelist": "a", "table.blacklist": "b"}, ["table.blacklist"]),
    ],
)
def test_combinations(changed: dict[str, str], keys: list[str]) -> None:
    assert [problem.key for problem in JdbcSourceConnector().validate(BASE | changed)] == keys


def test_offsets_that_may_be_stored() -> None:
    table: dict[str, Any] = {"protocol": "1", "table": "public.orders"}
    connector = JdbcSourceConnector()
    assert connector.alter_offsets(BASE, [(table, {"incrementing": 5}), ({"query": "query"}, None)])
    for partition, offset in (({"x": 1}, None), (table, {"incrementing": "5"})):
        with pytest.raises(ConnectError):
            connector.alter_offsets(BASE, [(partition, offset)])


def test_a_query_is_one_task() -> None:
    connector = JdbcSourceConnector()
    connector.props = BASE
    assert connector.task_configs(5) == [BASE]
