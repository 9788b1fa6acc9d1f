"""The SQL sink is exactly once, whenever its task is killed.

Two sinks read one topic of three partitions, with few keys that come again and again: one appends, with a
column that counts arrivals, the other upserts by key. Their tasks are killed at random moments. The group's
offsets are committed once a minute only, so that nearly every kill comes after the target's commit and before
the group's. In the end the appended rows are every record once, in order per partition, and the upserted ones
are the last of each key.

    TIDELOCK_SINK_RECORDS, TIDELOCK_SINK_KILLS   sizes: 3,000 and 3 by default, 1,000,000 and 200 in full
    TIDELOCK_SINK_SEED                           draws the kills again

From 10,000 records on it also runs on Apache Kafka, and a paused task has its turn.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, Engine

from tests.engines.kafka import ApacheKafka
from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.sql import open_engine

RECORDS = int(os.environ.get("TIDELOCK_SINK_RECORDS", "3000"))
KILLS = int(os.environ.get("TIDELOCK_SINK_KILLS", "3"))
SEED = int(os.environ.get("TIDELOCK_SINK_SEED", "0")) or random.randrange(1 << 30)
IS_FULL = RECORDS >= 10_000
PARTITIONS, KEYS = 3, 997
PATIENCE = 60 + RECORDS / 500 + KILLS * 5
VALUE = '{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"}]},"payload":{"n":%d}}'
JSON = "org.apache.kafka.connect.json.JsonConverter"
STRING = "org.apache.kafka.connect.storage.StringConverter"
COUNTED = {
    "sqlite": "integer PRIMARY KEY AUTOINCREMENT",
    "postgresql": "bigserial PRIMARY KEY",
    "mysql": "bigint AUTO_INCREMENT PRIMARY KEY",
}


def produce(bootstrap: str, topic: str) -> dict[str, int]:
    """Send the records; returns the last number of each key."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20},
        logger=logging.getLogger("tests"),
    )
    last: dict[str, int] = {}
    for number in range(RECORDS):
        key = f"k{number * 7919 % KEYS}"
        last[key] = number
        while True:
            try:
                producer.produce(topic, VALUE % number, key=key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return last


def sinks(topic: str, url: URL) -> dict[str, dict[str, str]]:
    shared = {
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": topic,
        "connection.url": url.render_as_string(hide_password=False),
        "consumer.override.max.poll.records": str(max(100, RECORDS // 1000)),
        "errors.restart.delay.ms": "20",
        "errors.restart.delay.max.ms": "50",
    }
    append = {"insert.mode": "insert", "pk.mode": "kafka", "table.name.format": "appended"}
    upsert = {"insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "k"}
    return {
        f"append-{topic}": shared | append,
        f"upsert-{topic}": shared | upsert | {"auto.create": "true", "table.name.format": "latest"},
    }


def make_table(engine: Engine) -> None:
    """No unique key: a record that comes twice must be seen, not refused."""
    name = engine.dialect.name if engine.dialect.name in COUNTED else "mysql"
    options = " CHARACTER SET utf8mb4" if name == "mysql" else ""  # the server's latin1 is refused
    with engine.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE appended (arrival {COUNTED[name]}, __connect_topic varchar(99), "
                f"__connect_partition integer, __connect_offset bigint, n integer){options}"
            )
        )


def answer(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def written(engine: Engine) -> int:
    return int(answer(engine, "SELECT count(*) FROM appended")[0][0])


def check(engine: Engine, last: dict[str, int]) -> None:
    """Every record once, in order per partition; the last of each key."""
    rows = answer(engine, "SELECT __connect_partition, __connect_offset, n FROM appended ORDER BY arrival")
    assert sorted(row[2] for row in rows) == list(range(RECORDS)), f"seed {SEED}"
    for partition in range(PARTITIONS):
        offsets = [row[1] for row in rows if row[0] == partition]
        assert offsets == list(range(len(offsets))), f"seed {SEED}"
    assert dict(answer(engine, "SELECT k, n FROM latest")) == last, f"seed {SEED}"


def worker_properties(bootstrap: str) -> dict[str, str]:
    return {
        "bootstrap.servers": bootstrap,
        "key.converter": STRING,
        "value.converter": JSON,
        "offset.flush.interval.ms": "60000",
    }


@pytest.mark.timeout(PATIENCE * 3)
def test_every_record_is_there_once_whenever_the_task_is_killed(
    kafka: Kafka, any_database: URL, tmp_path: Path
) -> None:
    if isinstance(kafka, ApacheKafka) and not IS_FULL:
        pytest.skip("on Apache Kafka from TIDELOCK_SINK_RECORDS=10000 on")
    draw = random.Random(SEED)
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    engine = open_engine(any_database)
    make_table(engine)
    last = produce(kafka.bootstrap, topic)
    with Worker(tmp_path, worker_properties(kafka.bootstrap)) as worker:
        names = list(sinks(topic, any_database))
        for name, config in sinks(topic, any_database).items():
            assert worker.request("PUT", f"/connectors/{name}/config", config)[0] == 201
        kills = 0
        while kills < KILLS:
            time.sleep(draw.random() * 0.3)  # a random moment, not a wait for something
            worker.kill_task(draw.choice(names))
            kills += 1
        eventually(lambda: written(engine) >= RECORDS, PATIENCE)
        eventually(lambda: inspect(engine).has_table("latest"), PATIENCE)  # made by the first records
        expected = [(len(last), RECORDS - 1)]
        eventually(lambda: answer(engine, "SELECT count(*), max(n) FROM latest") == expected, PATIENCE)
        eventually(lambda: dict(answer(engine, "SELECT k, n FROM latest")) == last, PATIENCE)
    check(engine, last)
    engine.dispose()


def stand_still(pids: list[int], url: URL) -> None:
    """Stop processes, but not within a transaction of SQLite: nobody could take its lock from them."""
    while True:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if url.get_backend_name() != "sqlite":
            return
        try:
            with contextlib.closing(sqlite3.connect(str(url.database), 0.5, isolation_level=None)) as file:
                file.execute("BEGIN IMMEDIATE")
                return
        except sqlite3.OperationalError:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        time.sleep(random.random() * 0.1)  # another moment, not a wait for something


@pytest.mark.skipif(not IS_FULL, reason="the full size only: it waits for a session to time out")
@pytest.mark.timeout(PATIENCE * 3)
def test_a_paused_task_whose_partitions_were_taken_is_rejected(
    kafka: Kafka, any_database: URL, tmp_path: Path
) -> None:
    """The zombie is stopped in the middle, its heir writes everything, and then the zombie goes on."""
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    engine = open_engine(any_database)
    make_table(engine)
    last = produce(kafka.bootstrap, topic)
    session = {"consumer.override.session.timeout.ms": "6000"}
    folders = [tmp_path / "zombie", tmp_path / "heir"]
    for folder in folders:
        folder.mkdir()
    with Worker(folders[0], worker_properties(kafka.bootstrap)) as zombie:
        for name, config in sinks(topic, any_database).items():
            assert zombie.request("PUT", f"/connectors/{name}/config", config | session)[0] == 201
        pids = [zombie.task_pid(name) for name in sinks(topic, any_database)]
        eventually(lambda: written(engine) > 0, 60)
        stand_still(pids, any_database)
        with Worker(folders[1], worker_properties(kafka.bootstrap)) as heir:
            for name, config in sinks(topic, any_database).items():
                assert heir.request("PUT", f"/connectors/{name}/config", config | session)[0] == 201
            eventually(lambda: written(engine) >= RECORDS, PATIENCE)
            eventually(lambda: inspect(engine).has_table("latest"), PATIENCE)
            eventually(lambda: dict(answer(engine, "SELECT k, n FROM latest")) == last, PATIENCE)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            time.sleep(5)  # the zombie has its chance
            check(engine, last)
    engine.dispose()
