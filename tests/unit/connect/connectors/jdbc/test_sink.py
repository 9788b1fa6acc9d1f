"""The connector's checks that need no database."""

import pytest

from tidelock.config import ConfigError
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.connect.connectors.jdbc.sink import JdbcSinkConnector


def problems(**keys: str) -> dict[str, str]:
    props = {"connection.url": "jdbc:sqlite:x.db"} | {n.replace("_", "."): v for n, v in keys.items()}
    return {problem.key: problem.why for problem in JdbcSinkConnector().validate(props)}


def test_a_plain_configuration_is_fine() -> None:
    assert problems(pk_mode="record_key", pk_fields="id", insert_mode="upsert", delete_enabled="true") == {}


@pytest.mark.parametrize(
    ("keys", "key", "text"),
    [
        ({"delete_enabled": "true"}, "delete.enabled", "pk.mode=record_key"),
        ({"insert_mode": "upsert"}, "pk.mode", "needs a primary key"),
        ({"insert_mode": "upsert", "pk_mode": "kafka", "pk_fields": "a,b"}, "pk.fields", "three columns"),
    ],
)
def test_combinations_that_cannot_be(keys: dict[str, str], key: str, text: str) -> None:
    assert text in problems(**keys)[key]


def test_single_keys_are_checked_with_their_values() -> None:
    given = {"connection.url": "x", "insert.mode": "merge", "db.timezone": "Mars", "max.retries": "-1"}
    with pytest.raises(ConfigError) as error:
        JdbcSinkSettings.parse(given)
    assert {problem.key for problem in error.value.problems} == {
        "connection.url",
        "insert.mode",
        "db.timezone",
        "max.retries",
    }
