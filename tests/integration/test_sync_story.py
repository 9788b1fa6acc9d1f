"""The whole way: two services' outboxes, our broker, the SQL sink in Connect, one database, and the proof."""

import datetime
import random
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from tests.support.connect import Worker
from tests.support.databases import Databases
from tests.support.kafka import NewKafka
from tests.support.waiting import eventually
from tidelock.connect.api import Schema
from tidelock.sql import open_engine
from tidelock.sql.errors import TableNotFound
from tidelock.sync import Outbox, Relay, RelaySettings, verify

ORDER = Schema.struct(
    {
        "invoice_no": Schema.string(),
        "customer_id": Schema.int64(optional=True),
        "country": Schema.string(),
        "invoice_date": Schema.timestamp(),
        "total": Schema.decimal(2),
    },
    name="Order",
)
TABLE = (
    "CREATE TABLE orders (invoice_no TEXT PRIMARY KEY, customer_id INTEGER, country TEXT NOT NULL,"
    " invoice_date TEXT NOT NULL, total DECIMAL_TEXT(20,2) NOT NULL)"
)
ORDERS = 1500  # per service; each is placed and then changed
DAY = datetime.datetime(2010, 12, 1, 8, 26, 0, 250_000, datetime.UTC)


class Service:
    """An order service: its own SQLite file, order and event in one transaction."""

    def __init__(self, url: URL, number: int, bootstrap: str) -> None:
        self.url, self.number = url, number
        self.engine: Engine = open_engine(url, writer=True)
        self.outbox = Outbox(self.engine, schemas={"orders": ORDER})
        with self.engine.begin() as tx:
            tx.exec_driver_sql(TABLE)
            self.outbox.create_table(tx)
        self.relay = Relay(url, bootstrap, settings=RelaySettings(batch_size=200, poll=0.02))

    def place_orders(self) -> None:
        draw = random.Random(self.number)
        for number in range(ORDERS):
            key = f"{'C' if draw.random() < 0.1 else ''}{self.number}{number:06}"
            self.save(key, number, Decimal(draw.randrange(-10_000, 1_000_000)) / 100)
            if draw.random() < 0.5:
                self.save(key, number, Decimal(draw.randrange(1_000_000)) / 100)

    def save(self, key: str, number: int, total: Decimal) -> None:
        order: dict[str, Any] = {
            "invoice_no": key,
            "customer_id": None if number % 4 == 0 else 12_000 + number,
            "country": "대한민국" if number % 3 else "EIRE ",
            "invoice_date": DAY + datetime.timedelta(minutes=number),
            "total": total,
        }
        row = order | {"invoice_date": order["invoice_date"].isoformat(), "total": f"{total:f}"}
        with self.engine.begin() as tx:
            tx.execute(
                sa.text(
                    "INSERT OR REPLACE INTO orders VALUES"
                    " (:invoice_no, :customer_id, :country, :invoice_date, :total)"
                ),
                row,
            )
            self.outbox.add(tx, topic="orders", key=key, value=order, event="OrderSaved")

    def close(self) -> None:
        self.relay.stop()
        self.engine.dispose()


def sink(target: URL) -> dict[str, str]:
    return {
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": "orders",
        "tasks.max": "2",
        "connection.url": target.render_as_string(hide_password=False),
        "insert.mode": "upsert",
        "pk.mode": "record_value",
        "pk.fields": "invoice_no",
        "auto.create": "true",
        "errors.restart.policy": "always",
        "consumer.override.max.poll.records": "100",
    }


def agree(sources: list[URL], target: URL) -> bool:
    try:
        return verify("orders", sources, target).equal
    except TableNotFound:
        return False  # the sink has not written yet


WORKER = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "true",
    "offset.flush.interval.ms": "500",
}


@pytest.mark.timeout(240)
def test_two_halves_become_one_whole_under_kills(
    any_database: URL, database_url: Databases, new_kafka: NewKafka, tmp_path: Path
) -> None:
    with new_kafka() as broker:
        services = [Service(database_url("sqlite"), number, broker.bootstrap) for number in (1, 2)]
        threads = [threading.Thread(target=service.place_orders) for service in services]
        for service, thread in zip(services, threads, strict=True):
            service.relay.start()
            thread.start()
        with Worker(tmp_path, {**WORKER, "bootstrap.servers": broker.bootstrap}) as worker:
            status, body = worker.request(
                "POST", "/connectors", {"name": "sink", "config": sink(any_database)}
            )
            assert status == 201, body
            worker.until("sink", "RUNNING", "RUNNING", "RUNNING")
            for number in range(4):
                worker.kill_task("sink", number % 2)
            for thread in threads:
                thread.join()
            assert all(service.relay.until_caught_up(60) for service in services)
            urls = [service.url for service in services]
            eventually(lambda: agree(urls, any_database), 90, interval=0.5)
            report = verify("orders", urls, any_database)
        for service in services:
            service.close()
    assert report.target.rows == report.source_rows == 2 * ORDERS
    assert report.columns == tuple(ORDER.field_names)
