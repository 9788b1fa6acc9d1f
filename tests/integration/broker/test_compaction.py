"""Compaction under real clients, in its own process, with the broker killed meanwhile."""

from __future__ import annotations

import random
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.broker.test_confluent_kafka import consumer
from tests.support.kafka import NewKafka
from tests.support.waiting import eventually

CONFIGS = {"cleanup.policy": "compact", "segment.bytes": str(1 << 20), "min.cleanable.dirty.ratio": "0.1"}
ROUNDS, KEYS = 40, 500
NOISE = [random.Random(key).randbytes(key) for key in range(KEYS)]
"""What cannot be compressed; 4.5 MB in all."""


def value(number: int, key: int) -> bytes:
    return b"%d-%d-%b" % (number, key, NOISE[key])


def log_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.log"))


def table_of(bootstrap: str, topic: str, group: str) -> dict[bytes, bytes]:
    table: dict[bytes, bytes] = {}
    with consumer(bootstrap, group) as found:
        found.subscribe([topic])
        deadline = time.monotonic() + 30
        while table.get(b"end") != b"here" and time.monotonic() < deadline:
            for message in found.consume(1_000, 0.5):
                assert message.error() is None
                if message.value() is None:
                    table.pop(message.key(), None)
                else:
                    table[message.key()] = message.value()
    return table


def test_the_last_value_of_each_key_stays_and_the_log_shrinks(new_kafka: NewKafka, tmp_path: Path) -> None:
    with new_kafka({"log.cleaner.backoff.ms": "100"}) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic("table", 1, 1, config=CONFIGS)])["table"].result(10)
        producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "compression.type": "gzip",
                "log_level": 0,
            }
        )
        for number in range(ROUNDS):
            for key in range(KEYS):
                producer.produce("table", None if key % 10 == 9 else value(number, key), key=f"k{key}")
            producer.flush(20)
            if number % 10 == 5:
                broker.kill()
                broker.start()
        producer.produce("table", b"here", key=b"end")
        assert producer.flush(20) == 0
        folder = tmp_path / "data" / "table-0"
        eventually(lambda: not list(folder.glob("*.swap")) and log_bytes(folder) < 2_500_000, 30)
        expected = {f"k{key}".encode(): value(ROUNDS - 1, key) for key in range(KEYS) if key % 10 != 9}
        expected[b"end"] = b"here"
        assert table_of(broker.bootstrap, "table", "first") == expected
        broker.kill()
        broker.start()
        assert table_of(broker.bootstrap, "table", "second") == expected
