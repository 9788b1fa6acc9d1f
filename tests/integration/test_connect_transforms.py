"""Transforms and dead letters through a worker: on our broker and, where it is installed, on Apache Kafka."""

import contextlib
import json
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.connect.api import Record

SCHEMA = {"type": "struct", "fields": [{"type": "int32", "field": "n"}, {"type": "string", "field": "text"}]}


def shout(record: Record) -> Record:
    record.value = record.value.upper()
    return record


def received(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first so many records of a topic."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[Any] = []

    def enough() -> bool:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message)
        return len(found) >= count

    eventually(enough, 30)
    consumer.close()
    return found


def test_a_source_transforms_drops_and_routes_its_lines(kafka: Kafka, tmp_path: Path) -> None:
    topic = f"lines-{uuid.uuid4().hex[:8]}"
    (tmp_path / "in.txt").write_text("one\ntwo\nthree\n")
    source = {
        "name": "lines",
        "connector.class": "FileStreamSource",
        "file": str(tmp_path / "in.txt"),
        "topic": topic,
        "transforms": "loud,wrap,at,route",
        "transforms.loud.type": f"python:{__name__}:shout",
        "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.wrap.field": "line",
        "transforms.at.type": "InsertField$Value",
        "transforms.at.static.field": "where",
        "transforms.at.static.value": "서울",
        "transforms.route.type": "RegexRouter",
        "transforms.route.regex": "lines-(.*)",
        "transforms.route.replacement": "loud-$1",
        "transforms.route.predicate": "ours",
        "predicates": "ours",
        "predicates.ours.type": "TopicNameMatches",
        "predicates.ours.pattern": "lines-.*",
        "value.converter": "JsonConverter",
        "value.converter.schemas.enable": "false",
        "topic.creation.default.partitions": "3",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.retention.ms": "123456789",
    }
    with Worker(tmp_path, {"bootstrap.servers": kafka.bootstrap}) as worker:
        status, body = worker.request("POST", "/connectors", {"name": "lines", "config": source})
        assert status == 201, body
        messages = received(kafka.bootstrap, topic.replace("lines", "loud"), 3)
    made = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    assert len(made[topic.replace("lines", "loud")].partitions) == 3
    assert [json.loads(one.value()) for one in messages] == [
        {"line": text, "where": "서울"} for text in ("ONE", "TWO", "THREE")
    ]


def value_of(number: int) -> bytes:
    return json.dumps({"schema": SCHEMA, "payload": {"n": number, "text": f"주문 {number}"}}).encode()


def sink_config(topic: str, dead: str, database: Path) -> dict[str, str]:
    return {
        "connector.class": "JdbcSink",
        "topics": topic,
        "key.converter": "StringConverter",
        "connection.url": f"sqlite:///{database}",
        "auto.create": "true",
        "table.name.format": "target",
        "pk.mode": "record_value",
        "pk.fields": "n",
        "insert.mode": "upsert",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.context.headers.enable": "true",
        "transforms": "drop",
        "transforms.drop.type": "Filter",
        "transforms.drop.predicate": "old",
        "transforms.drop.negate": "true",
        "predicates": "old",
        "predicates.old.type": "HasHeaderKey",
        "predicates.old.name": "h",
    }


def rows_in(database: Path) -> int:
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("select 1 from sqlite_master where name = 'target'").fetchall()
        found = connection.execute("select count(*) from target").fetchone() if tables else (0,)
    return int(found[0])


def test_bad_records_go_to_the_dead_letter_queue_and_the_others_to_the_table(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic, dead = f"t-{uuid.uuid4().hex[:8]}", f"dead-{uuid.uuid4().hex[:8]}"
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    bad = {3: b"no JSON", 500: b'{"schema":null', 1999: b"\xff"}
    count = 2000
    for number in range(count):
        producer.produce(topic, bad.get(number) or value_of(number), b"k", 0, headers=[("h", b"1")])
    producer.flush(30)
    database = tmp_path / "target.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:  # the target refuses some too
        connection.execute("create table target (n integer primary key, text text check (n % 300 <> 77))")
    refused = {number: value_of(number) for number in range(77, count, 300)}
    sink = sink_config(topic, dead, database)
    with Worker(tmp_path, {"bootstrap.servers": kafka.bootstrap}) as worker:
        status, body = worker.request("POST", "/connectors", {"name": "sink", "config": sink})
        assert status == 201, body
        eventually(lambda: rows_in(database) == count - len(bad) - len(refused), 30)
        letters = received(kafka.bootstrap, dead, len(bad) + len(refused))
        worker.until("sink", "RUNNING", "RUNNING")
    assert sorted(one.value() for one in letters) == sorted([*bad.values(), *refused.values()])
    for letter in letters:
        headers = dict(letter.headers())
        assert headers["h"] == b"1"
        assert headers["__connect.errors.topic"] == topic.encode()
        offset = int(headers["__connect.errors.offset"])
        assert headers["__connect.errors.stage"] == (b"VALUE_CONVERTER" if offset in bad else b"TASK_PUT")
        assert {**bad, **refused}[offset] == letter.value()
