"""The clients of a storm: idempotent producers and a group of consumers, each in a thread of its own.

They write down what they were told, and know nothing of kills. A value names its producer and its number;
a key belongs to one producer, so that per key the numbers must rise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.waiting import eventually

TOPIC, PARTITIONS = "storm", 4
KEYS = 5
BACKLOG = 3_000
"""Records that a writer may be ahead of the broker; one that dies more than it lives must not be drowned."""

QUICK = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0}
FILLING = b"." * 150

Place = tuple[int, int]
"""Partition and offset."""


class Client(threading.Thread):
    """Repeats `step` until it is told to stop; what went wrong is kept for the test."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            self.step()
        self.finish()

    def step(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def end(self, within: float = 90.0) -> None:
        self.stopping.set()
        self.join(within)
        if self.is_alive():
            self.problems.append(f"{self.name} did not end within {within} s")


class Writer(Client):
    """An idempotent producer that numbers its records."""

    def __init__(self, bootstrap: str, name: str) -> None:
        super().__init__(name)
        self.count = 0
        self.acknowledged: dict[bytes, Place] = {}
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "batch.size": 100_000,  # far below the segments' size, which no batch may exceed
                "message.timeout.ms": 0,  # giving up would begin a new epoch, in which duplicates are allowed
                **QUICK,
            }
        )

    def step(self) -> None:
        if self.count - len(self.acknowledged) > BACKLOG:
            self.producer.poll(0.05)
            return
        for _ in range(10):
            value = f"{self.name}:{self.count}".encode()
            key = f"{self.name}/{self.count % KEYS}"
            self.producer.produce(TOPIC, value + FILLING, key, on_delivery=self.told)
            self.count += 1
        self.producer.poll(0)
        self.stopping.wait(0.025)  # the pace of the feeding

    def told(self, error: Any, message: Any) -> None:
        value = message.value()[: -len(FILLING)]
        if error is not None:
            self.problems.append(f"{value!r} was not delivered: {error}")
        elif value in self.acknowledged:
            self.problems.append(f"{value!r} was acknowledged twice")
        else:
            self.acknowledged[value] = message.partition(), message.offset()

    def finish(self) -> None:
        left = self.producer.flush(60)
        if left:
            self.problems.append(f"{self.name}: {left} records were never acknowledged")


class Reader(Client):
    """A member of the group; notes what was at each place, and whoever saw something else there."""

    def __init__(self, bootstrap: str, name: str, seen: dict[Place, bytes]) -> None:
        super().__init__(name)
        self.seen = seen
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "storm",
                "auto.offset.reset": "error",
                "auto.commit.interval.ms": 200,
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "check.crcs": True,
                **QUICK,
            }
        )

    def step(self) -> None:
        for message in self.consumer.consume(500, 0.2):
            if message.error() is not None:
                self.problems.append(f"{self.name}: {message.error()}")
                continue
            place = message.partition(), message.offset()
            value = message.value()[: -len(FILLING)]
            if self.seen.setdefault(place, value) != value:
                self.problems.append(f"{place} was {self.seen[place]!r} and is {value!r}")

    def start_at_zero(self) -> None:
        """Join with positions committed, so that no reset can hide a loss."""
        places = [TopicPartition(TOPIC, index, 0) for index in range(PARTITIONS)]
        self.consumer.commit(offsets=places, asynchronous=False)

    def finish(self) -> None:
        self.consumer.close()


def create(bootstrap: str) -> None:
    """Create the storm's topic."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUICK})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)


def read_all(
    bootstrap: str, is_known: Callable[[int], bool] = lambda index: True
) -> tuple[dict[Place, bytes], list[str]]:
    """Everything that is served of the topic, by place, and which checksums were wrong.

    Args:
        bootstrap: of the broker.
        is_known: whether a partition is to be read.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "all",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "check.crcs": True,
            **QUICK,
        }
    )
    found: dict[Place, bytes] = {}
    bad: list[str] = []
    ended: set[int] = set()
    wanted = [index for index in range(PARTITIONS) if is_known(index)]

    def all_is_read() -> bool:
        for message in consumer.consume(2000, 0.5):
            if message.error() is None:
                found[message.partition(), message.offset()] = message.value()[: -len(FILLING)]
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                bad.append(str(message.error()))
        return len(ended) == len(wanted)

    try:
        consumer.assign([TopicPartition(TOPIC, index, 0) for index in wanted])
        eventually(all_is_read, 60.0, interval=0)
    finally:
        consumer.close()
    return found, bad
