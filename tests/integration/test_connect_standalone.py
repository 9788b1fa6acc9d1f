"""Kafka's quick start with files, restart included; and the SQL sink over kills of its task."""

import logging
import random
import sqlite3
import uuid
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.connect import Worker
from tests.support.kafka import Kafka, NewKafka
from tests.support.waiting import eventually
from tidelock.properties import load_properties

WORKER = r"""
# These are defaults. This file just demonstrates how to override some settings.
bootstrap.servers={bootstrap}

key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true

offset.storage.file.filename={folder}/connect.offsets
offset.flush.interval.ms=10000
plugin.path=libs/connect-file-4.3.1.jar
"""
SOURCE = r"""
name=local-file-source
connector.class=FileStreamSource
tasks.max=1
file={folder}/test.txt
topic={topic}
"""
SINK = r"""
name=local-file-sink
connector.class=FileStreamSink
tasks.max=1
file={folder}/test.sink.txt
topics={topic}
"""


STRINGS = {
    f"{part}.converter": "org.apache.kafka.connect.storage.StringConverter" for part in ("key", "value")
}


def make_topic(bootstrap: str, topic: str, *, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)


def test_the_quick_start(kafka: Kafka, tmp_path: Path) -> None:
    topic = f"connect-test-{uuid.uuid4().hex[:8]}"
    names = {}
    for name, text in (("worker", WORKER), ("source", SOURCE), ("sink", SINK)):
        path = tmp_path / f"{name}.properties"
        path.write_text(text.format(bootstrap=kafka.bootstrap, folder=tmp_path, topic=topic))
        names[name] = load_properties(path)
    before, after = tmp_path / "test.txt", tmp_path / "test.sink.txt"
    before.write_text("foo\nbar\n")
    more = [f"안녕, {number}\n" for number in range(500)]
    whole = "foo\nbar\n" + "".join(more)
    make_topic(kafka.bootstrap, topic, partitions=4)  # as our broker would by itself
    worker = Worker(tmp_path, names["worker"], [names["source"], names["sink"]], keep=False).start()
    try:
        eventually(lambda: after.exists() and after.read_text() == "foo\nbar\n", 30)
        worker.stop()
        with before.open("a") as out:
            out.writelines(more)
        worker.start()
        eventually(lambda: after.read_text() == whole, 30)
        worker.until("local-file-source", "RUNNING", "RUNNING")
    finally:
        worker.stop()
    assert after.read_text() == whole  # nothing came twice, all in order


def test_the_sql_sink_writes_each_record_once_over_kills(kafka: Kafka, tmp_path: Path) -> None:
    topic, count, seed = f"orders-{uuid.uuid4().hex[:8]}", 20_000, random.randrange(1 << 30)
    schema = (
        '{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"},{"type":"string","field":"text"}]},'
        '"payload":{"n":%d,"text":"주문 %d"}}'
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap}, logger=logging.getLogger("tests"))
    database = tmp_path / "target.db"
    config = {
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": topic,
        "connection.url": f"sqlite:///{database}",
        "insert.mode": "insert",
        "auto.create": "true",
        "table.name.format": "orders",
        "consumer.override.max.poll.records": "200",
        "errors.restart.delay.ms": "50",
        "errors.restart.delay.max.ms": "100",
    }
    properties = {
        "bootstrap.servers": kafka.bootstrap,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    }
    chance = random.Random(seed)
    with Worker(tmp_path, properties) as worker:
        assert worker.request("PUT", f"/connectors/{topic}/config", config)[0] == 201
        for number in range(count):
            producer.produce(topic, schema % (number, number), key=str(number % 97))
            if number % 4000 == 3999:
                producer.flush()
                rows_before = rows(database)
                eventually(lambda before=rows_before: rows(database) > before, 30)
                worker.kill_task(topic)
                if chance.random() < 0.5:
                    worker.kill_task(topic)  # while it starts
        producer.flush()
        eventually(lambda: rows(database) >= count, 60)
        assert worker.get(f"/connectors/{topic}/progress")["tasks"][0]["restarts"] >= 5
    with sqlite3.connect(database) as connection:
        found = connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT n), MIN(n), MAX(n) FROM orders"
        ).fetchone()
    connection.close()
    assert found == (count, count, 0, count - 1), f"seed {seed}"


def test_tasks_outlive_a_broker_that_is_killed_under_them(new_kafka: NewKafka, tmp_path: Path) -> None:
    before, after = tmp_path / "test.txt", tmp_path / "test.sink.txt"
    before.write_text("".join(f"{number}\n" for number in range(1000)))
    with new_kafka() as broker:
        properties = {"bootstrap.servers": broker.bootstrap, "offset.flush.interval.ms": "500", **STRINGS}
        with Worker(tmp_path, properties) as worker:
            source = {"connector.class": "FileStreamSource", "file": str(before), "topic": "t"}
            sink = {"connector.class": "FileStreamSink", "file": str(after), "topics": "t"}
            worker.request("PUT", "/connectors/source/config", source)
            worker.request("PUT", "/connectors/sink/config", sink)
            eventually(lambda: after.exists() and after.read_text().count("\n") >= 1000, 30)
            pids = [worker.task_pid("source"), worker.task_pid("sink")]
            for start in range(1000, 5000, 1000):
                broker.kill()
                with before.open("a") as out:
                    out.write("".join(f"{number}\n" for number in range(start, start + 1000)))
                broker.start()
            eventually(lambda: set(after.read_text().split()) == set(before.read_text().split()), 60)
            assert worker.states("source") == worker.states("sink") == ["RUNNING", "RUNNING"]
            assert [worker.task_pid("source"), worker.task_pid("sink")] == pids


def rows(database: Path) -> int:
    if not database.exists():
        return 0
    connection = sqlite3.connect(database, timeout=10)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM orders").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the table is not there yet
    finally:
        connection.close()
