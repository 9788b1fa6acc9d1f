"""A source that is exactly once: what a read_committed consumer sees over kills, restarts and zombies."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
import uuid
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually

KILLS = int(os.environ.get("TIDELOCK_SOURCE_KILLS", "3"))
LINES = int(os.environ.get("TIDELOCK_SOURCE_LINES", "3000"))
SEED = int(os.environ.get("TIDELOCK_SOURCE_SEED", "0")) or random.randrange(1 << 30)
STRING = "org.apache.kafka.connect.storage.StringConverter"


def properties(bootstrap: str) -> dict[str, str]:
    return {
        "bootstrap.servers": bootstrap,
        "key.converter": STRING,
        "value.converter": STRING,
        "exactly.once.source.support": "enabled",
        "offset.flush.interval.ms": "200",
    }


def source(path: Path, topic: str, **keys: str) -> dict[str, str]:
    return {
        "connector.class": "FileStreamSource",
        "file": str(path),
        "topic": topic,
        "batch.size": "20",
        "exactly.once.support": "required",
        "errors.restart.delay.ms": "20",
        "errors.restart.delay.max.ms": "50",
        **keys,
    }


def committed(bootstrap: str, topic: str, count: int) -> list[str]:
    """Read the topic as a read_committed consumer, until it has so many records and a while longer."""
    keys = {
        "bootstrap.servers": bootstrap,
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
    consumer = Consumer(keys, logger=logging.getLogger("tests"))
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[str] = []

    def more() -> bool:
        messages = consumer.consume(1000, 0.3)
        found.extend((one.value() or b"").decode() for one in messages if one.error() is None)
        return len(found) >= count

    eventually(more, 120)
    more()  # nothing may follow
    consumer.close()
    return found


def test_every_line_is_seen_once_over_kills(kafka: Kafka, tmp_path: Path) -> None:
    draw = random.Random(SEED)
    name = f"lines-{uuid.uuid4().hex[:8]}"
    path = tmp_path / "in.txt"
    lines = [f"줄 {number}" for number in range(LINES)]
    path.write_text("")
    boundary = draw.choice(
        [{}, {"transaction.boundary": "interval", "transaction.boundary.interval.ms": "50"}]
    )
    with Worker(tmp_path, properties(kafka.bootstrap)) as worker, path.open("a") as out:
        status, body = worker.request("PUT", f"/connectors/{name}/config", source(path, name, **boundary))
        assert status == 201, body
        for part in range(KILLS):
            begin, end = part * LINES // KILLS, (part + 1) * LINES // KILLS
            out.write("".join(f"{line}\n" for line in lines[begin:end]))
            out.flush()
            time.sleep(draw.random() * 0.3)  # a random moment, not a wait for something
            worker.kill_task(name)
        assert committed(kafka.bootstrap, name, LINES) == lines, f"seed {SEED}"


def test_a_zombie_is_fenced_and_adds_nothing(kafka: Kafka, tmp_path: Path) -> None:
    name = f"lines-{uuid.uuid4().hex[:8]}"
    path = tmp_path / "in.txt"
    first, second = [f"a{number}" for number in range(50)], [f"b{number}" for number in range(50)]
    path.write_text("".join(f"{line}\n" for line in first))
    folders = [tmp_path / "zombie", tmp_path / "heir"]
    for folder in folders:
        folder.mkdir()
    with Worker(folders[0], properties(kafka.bootstrap)) as zombie:
        config = source(path, name)
        assert zombie.request("PUT", f"/connectors/{name}/config", config)[0] == 201
        assert committed(kafka.bootstrap, name, 50) == first
        pid = zombie.task_pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            with Worker(folders[1], properties(kafka.bootstrap)) as heir:
                # The heir has no file of offsets: it knows them from the topic.
                assert heir.request("PUT", f"/connectors/{name}/config", config)[0] == 201
                with path.open("a") as out:
                    out.write("".join(f"{line}\n" for line in second))
                assert committed(kafka.bootstrap, name, 100) == first + second
                heir.until(name, "RUNNING", "RUNNING")
        finally:
            os.kill(pid, signal.SIGCONT)
        zombie.until(name, "RUNNING", "FAILED", timeout=30)
        trace = zombie.get(f"/connectors/{name}/status")["tasks"][0]["trace"]
        assert "another producer has this transactional id now" in trace
        assert committed(kafka.bootstrap, name, 100) == first + second


def test_offsets_that_are_changed_are_where_the_next_task_begins(kafka: Kafka, tmp_path: Path) -> None:
    name = f"lines-{uuid.uuid4().hex[:8]}"
    path = tmp_path / "in.txt"
    path.write_text("a\nb\n")
    offsets = f"/connectors/{name}/offsets"
    with Worker(tmp_path, properties(kafka.bootstrap)) as worker:
        assert worker.request("PUT", f"/connectors/{name}/config", source(path, name))[0] == 201
        assert committed(kafka.bootstrap, name, 2) == ["a", "b"]
        assert worker.request("PUT", f"/connectors/{name}/stop")[0] == 204
        changed = {"offsets": [{"partition": {"filename": str(path)}, "offset": {"position": 2}}]}
        assert worker.request("PATCH", offsets, changed)[0] == 200
        assert worker.request("PUT", f"/connectors/{name}/resume")[0] == 202
        assert committed(kafka.bootstrap, name, 3) == ["a", "b", "b"]
        assert worker.request("PUT", f"/connectors/{name}/stop")[0] == 204
        assert worker.request("DELETE", offsets)[0] == 200
        assert worker.get(offsets) == {"offsets": []}
        assert worker.request("PUT", f"/connectors/{name}/resume")[0] == 202
        assert committed(kafka.bootstrap, name, 5) == ["a", "b", "b", "a", "b"]
