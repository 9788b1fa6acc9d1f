"""Adding events in the caller's transaction."""

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from tidelock.connect.api import DataError, Schema
from tidelock.connect.converters.json import JsonConverter
from tidelock.errors import UsageError
from tidelock.sync import Outbox

ORDER = Schema.struct(
    {"no": Schema.string(), "total": Schema.decimal(2), "note": Schema.string(optional=True)}
)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    Outbox().create_table(connection)
    yield connection
    connection.close()


def rows(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT topic, key, value, headers FROM tidelock_outbox ORDER BY id").fetchall()


def test_an_event_is_a_row_of_the_transaction(connection: sqlite3.Connection) -> None:
    outbox = Outbox()
    with connection:
        outbox.add(
            connection, topic="orders", key="5363", value={"total": Decimal("1.10")}, event="OrderPlaced"
        )
    assert rows(connection) == [("orders", b"5363", b'{"total":"1.10"}', '{"event":"OrderPlaced"}')]


def test_what_is_rolled_back_did_not_happen(connection: sqlite3.Connection) -> None:
    outbox = Outbox("sqlite")
    outbox.add(connection, topic="orders", key=1, value={})
    connection.rollback()
    assert rows(connection) == []


def test_keys_and_values_that_are_bytes_stay_as_they_are(connection: sqlite3.Connection) -> None:
    outbox = Outbox()
    outbox.add(connection, topic="t", key=b"\x00", value=b"raw", headers={"a": "가"})
    outbox.add(connection, topic="t", key=7, value=None)
    outbox.add(connection, topic="t", key=None, value=["x"])
    assert rows(connection) == [
        ("t", b"\x00", b"raw", '{"a":"가"}'),
        ("t", b"7", None, "{}"),
        ("t", None, b'["x"]', "{}"),
    ]


def test_with_a_schema_the_value_is_what_jsonconverter_reads(connection: sqlite3.Connection) -> None:
    outbox = Outbox(schemas={"orders": ORDER})
    outbox.add(connection, topic="orders", key="a", value={"no": "a", "total": Decimal("-12345.60")})
    payload = rows(connection)[0][2]
    assert set(json.loads(payload)) == {"schema", "payload"}
    [run] = JsonConverter().decode("orders", [payload])
    assert run.schema == ORDER
    assert run.values[0].as_dict() == {"no": "a", "total": Decimal("-12345.60"), "note": None}


@pytest.mark.parametrize("value", [{"no": "a"}, {"no": 1, "total": Decimal(1)}, {"nope": 1}])
def test_a_value_that_does_not_fit_its_schema_is_refused(
    connection: sqlite3.Connection, value: dict[str, Any]
) -> None:
    with pytest.raises(DataError):
        Outbox(schemas={"orders": ORDER}).add(connection, topic="orders", key="a", value=value)
    assert rows(connection) == []


def test_sqlalchemy_connections_and_sessions() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    outbox = Outbox(engine)
    with engine.begin() as tx:
        outbox.create_table(tx)
        outbox.add(tx, topic="orders", key="a:b", value={})
    with Session(engine) as session, session.begin():
        outbox.add(session, topic="orders", key="100%", value={})
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT key FROM tidelock_outbox").scalars().all()
    assert found == [b"a:b", b"100%"]
    engine.dispose()


@pytest.mark.parametrize("kind", [object(), "oracle"])
def test_other_things_are_refused(kind: object) -> None:
    with pytest.raises(UsageError):
        Outbox(kind)
