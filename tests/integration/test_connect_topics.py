"""Connect's topics on real brokers: made compacted, read whole, followed, written where Java would."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.support.kafka import Kafka, NewKafka
from tidelock.client import Admin, Outgoing, Producer
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.topic_log import TopicLog, TopicSpec
from tidelock.runtime import SystemClock

PATIENCE = 40.0
_numbers = itertools.count()

Applied = list[tuple[bytes | None, bytes | None]]


def name() -> str:
    return f"topic-log-{os.getpid()}-{next(_numbers)}"


async def opened(stack: AsyncExitStack, bootstrap: str, topic: str) -> tuple[TopicLog, Applied]:
    cluster = Cluster(bootstrap, "test")
    stack.push_async_callback(cluster.close)
    applied: Applied = []
    log = TopicLog(
        cluster,
        TopicSpec(topic, 5, replicas=3),
        on_record=lambda offset, key, value: applied.append((key, value)),
        clock=SystemClock(),
    )
    await log.start()
    stack.push_async_callback(log.stop)
    return log, applied


def run(story: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
            await story(stack)

    asyncio.run(whole())


def test_what_one_writes_another_reads_and_so_does_a_third_that_comes_later(
    kafka: Kafka,
) -> None:
    topic = name()
    written: Applied = [(b"status-task-c1-%d" % number, b"%d" % number) for number in range(40)]

    async def story(stack: AsyncExitStack) -> None:
        one, first = await opened(stack, kafka.bootstrap, topic)
        other, second = await opened(stack, kafka.bootstrap, topic)
        await one.send([(key or b"", value) for key, value in written])
        await one.send([(b"status-task-c1-0", None)])
        await other.read_to_end()
        await one.read_to_end()
        assert sorted(first, key=str) == sorted(second, key=str)
        assert sorted(first, key=str) == sorted([*written, (b"status-task-c1-0", None)], key=str)
        assert [value for key, value in second if key == b"status-task-c1-0"] == [b"0", None]
        _, third = await opened(stack, kafka.bootstrap, topic)
        assert sorted(third, key=str) == sorted(first, key=str)

    run(story)
    assert Admin(kafka.bootstrap).describe_topic(topic).configs["cleanup.policy"] == "compact"


def test_a_key_of_a_java_client_and_ours_share_a_partition(kafka: Kafka) -> None:
    topic = name()

    async def story(stack: AsyncExitStack) -> None:
        log, applied = await opened(stack, kafka.bootstrap, topic)
        await log.send([(b"k%d" % number, b"ours") for number in range(20)])
        await asyncio.to_thread(produce)
        await log.read_to_end()
        last = dict(applied)
        assert set(last.values()) == {b"theirs"}, "in one partition the order is that of writing"

    def produce() -> None:
        with Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "gzip"}) as producer:
            producer.send_batch(topic, [Outgoing(b"k%d" % number, b"theirs") for number in range(20)])

    run(story)


def test_a_broker_that_bounces_is_waited_for(new_kafka: NewKafka) -> None:
    async def story(stack: AsyncExitStack) -> None:
        log, applied = await opened(stack, broker.bootstrap, name())
        await log.send([(b"a", b"1")])
        await asyncio.to_thread(broker.kill)
        sending = asyncio.create_task(log.send([(b"a", b"2")]))
        await asyncio.to_thread(broker.start)
        await sending
        await log.read_to_end()
        assert list(dict.fromkeys(applied)) == [(b"a", b"1"), (b"a", b"2")]

    with new_kafka() as broker:
        run(story)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_aborted_transactions_are_left_out(kafka: Kafka, compression: str) -> None:
    from confluent_kafka import Producer as Library

    topic = name()

    def transact() -> None:
        producer = Library(
            {
                "bootstrap.servers": kafka.bootstrap,
                "transactional.id": topic,
                "compression.type": compression,
                "partitioner": "murmur2_random",
            }
        )
        producer.init_transactions(30)
        for value, ends in ((b"1", "commit"), (b"2", "abort"), (b"3", "commit")):
            producer.begin_transaction()
            producer.produce(topic, value, b"k")
            producer.flush(30)
            getattr(producer, f"{ends}_transaction")(30)

    async def story(stack: AsyncExitStack) -> None:
        log, applied = await opened(stack, kafka.bootstrap, topic)
        await asyncio.to_thread(transact)
        while len(applied) < 2:  # the last marker may come after the commit's answer
            await log.read_to_end()
        assert applied == [(b"k", b"1"), (b"k", b"3")]
        _, again = await opened(stack, kafka.bootstrap, topic)
        assert again == applied

    run(story)
