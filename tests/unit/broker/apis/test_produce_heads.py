"""A request whose head is known is answered as if it had been read: beside a broker that remembers none."""

from __future__ import annotations

import errno
import random
from typing import Any

import pytest

from tests.support.node import START_MS, MemoryBroker
from tidelock.broker.apis import produce
from tidelock.broker.apis.call import Call
from tidelock.broker.changes import Steps, at_once
from tidelock.broker.metadata import BrokerConfigured
from tidelock.errors import RemoteProtocolError
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidelock.protocol.records import Producer, Record, build_batch

TOPICS = ("t", "u", "a-rather-long-name-" + "x" * 150, "missing", "__consumer_offsets")


class Reads:
    """Stands where the broker remembers heads; reads every request."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker

    def handle(self, frame: memoryview, pos: int, call: Call) -> Any:
        return produce.handle(self.broker.state, frame, pos, call)


def brokers() -> tuple[MemoryBroker, MemoryBroker]:
    pair = MemoryBroker(), MemoryBroker()
    pair[1].node._produce = Reads(pair[1])  # type: ignore[assignment]
    for one in pair:
        for name in TOPICS[:3]:
            one.create(name, 2)
    return pair


def outcome(broker: MemoryBroker, frame: bytes) -> bytes | str | None:
    try:
        reply: Any = broker.node.handle(memoryview(bytearray(frame)), "/", broker.now())
    except RemoteProtocolError as error:
        return type(error).__name__
    return None if reply is None else b"".join(reply)


def a_batch(rng: random.Random, sequences: dict[int, int]) -> bytearray:
    producer = Producer(-1, -1, -1)
    if rng.random() < 0.4:
        number = rng.randrange(2)
        producer = Producer(number, 0, sequences.get(number, 0))
        if rng.random() < 0.8:
            sequences[number] = sequences.get(number, 0) + 1
    batch = build_batch(
        [Record(0, START_MS, b"k", rng.randbytes(rng.choice((1, 30, 200))))], producer=producer
    )
    if rng.random() < 0.1:
        batch[rng.randrange(len(batch))] ^= 1 << rng.randrange(8)
    return batch


def a_request(rng: random.Random, broker: MemoryBroker, sequences: dict[int, int]) -> bytes:
    several = rng.random() < 0.15
    topics = [
        TopicProduceData(
            name=(name := rng.choice(TOPICS)),
            topic_id=topic.topic_id if (topic := broker.state.image.topics.get(name)) else b"\1" * 16,
            partition_data=[
                PartitionProduceData(index=rng.choice((0, 0, 0, 1, 2)), records=a_batch(rng, sequences))
                for _ in range(rng.choice((0, 1, 2)) if several else 1)
            ],
        )
        for _ in range(rng.choice((0, 1, 2)) if several else 1)
    ]
    request = ProduceRequest(
        transactional_id="mine" if rng.random() < 0.05 else None,
        acks=rng.choice((-1, -1, -1, 1, 1, 0, 2)),
        timeout_ms=1000,
        topic_data=topics,
    )
    frame = encode_request(request, rng.choice((3, 7, 8, 9, 12, 12, 13)), rng.randrange(1 << 31), "client")[
        4:
    ]
    damage = rng.random()
    if damage < 0.05:
        return bytes(frame[: rng.randrange(10, len(frame))])
    return bytes(frame) + (b"\0" if damage < 0.1 else b"")


def change(rng: random.Random, *pair: MemoryBroker) -> list[Steps[None]]:
    """Change something in both; what is returned has to be gone on with, step by step."""
    what, name = (
        rng.choice(("delete", "partitions", "replicas", "default", "offline")),
        rng.choice(TOPICS[:3]),
    )
    steps = []
    for one in pair:
        one.files.faults.clear()
        if what == "default":
            steps.append(new_default(one))
        elif what == "offline":  # the next append fails and cannot be undone
            one.files.fail("append", errno.ENOSPC)
            one.files.fail("truncate")
        elif name not in one.state.image.topics:
            one.create(name, 2)
        elif what == "delete":
            one.delete(name)
        elif what == "partitions":
            at_once(one.state.add_partitions(name, one.state.image.topics[name].partitions + 1, one.now()))
        else:
            wants = one.state.image.topics[name].configs.get("min.insync.replicas")
            at_once(one.state.configure_topic(name, {} if wants else {"min.insync.replicas": "2"}))
    return steps


def new_default(broker: MemoryBroker) -> Steps[None]:
    old = broker.state.image.broker_configs.default.get("min.insync.replicas")
    yield from broker.state.commit(BrokerConfigured({"min.insync.replicas": "1" if old == "2" else "2"}))
    yield from broker.state.configure_all()


def go_on(steps: Steps[None]) -> bool:
    job = next(steps, None)
    if job is not None:
        job.run()
    return job is not None


def ends(broker: MemoryBroker) -> dict[tuple[str, int], int]:
    return {key: one.log_end_offset for key, one in broker.state.logs.partitions.items()}


@pytest.mark.parametrize("seed", range(8))
def test_a_known_head_changes_no_answer(seed: int) -> None:
    rng = random.Random(seed)
    remembering, reading = brokers()
    sequences: dict[int, int] = {}
    steps: list[Steps[None]] = []
    written = 0
    for number in range(600):
        if number % 40 == 39:
            assert ends(remembering) == ends(reading)
            written += sum(ends(remembering).values())
            for one in steps:
                at_once(one)
            steps = change(rng, remembering, reading)
            sequences.clear()
        elif number % 4 == 0:
            steps = [one for one in steps if go_on(one)]
        frame = a_request(rng, remembering, sequences)
        assert outcome(remembering, frame) == outcome(reading, frame), f"request {number}: {frame!r}"
    assert written > 100


def test_heads_are_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(produce, "MOST_HEADS", 2)
    broker = MemoryBroker()
    broker.create("t", 1)
    known = broker.node._produce._known
    for version, expected in ((9, 1), (9, 1), (12, 2), (7, 1)):
        broker.produce("t", b"x", version=version)
        assert len(known) == expected
    broker.create("u", 1)
    broker.produce("u", b"x")
    assert len(known) == 1
