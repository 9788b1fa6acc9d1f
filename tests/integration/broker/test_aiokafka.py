"""aiokafka, unmodified: another consumer group implementation, in pure Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.waiting import eventually_async

Unique = Callable[[str], str]


def test_produce_consume_commit_resume(bootstrap: str, unique: Unique) -> None:
    asyncio.run(produce_consume_commit_resume(bootstrap, unique("aiokafka"), unique("g")))


async def produce_consume_commit_resume(bootstrap: str, topic: str, group: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    async with producer:
        for number in range(100):
            await producer.send(topic, str(number).encode(), partition=number % 2)
        await producer.flush()
    async with consumer(bootstrap, topic, group) as first:
        got = [await asyncio.wait_for(first.getone(), 20) for _ in range(100)]
        assert sorted(int(one.value) for one in got) == list(range(100))
        await first.commit({TopicPartition(topic, 0): 50, TopicPartition(topic, 1): 45})
    async with consumer(bootstrap, topic, group) as second:
        left = [await asyncio.wait_for(second.getone(), 20) for _ in range(5)]
        assert [int(one.value) for one in left] == [91, 93, 95, 97, 99]


def consumer(bootstrap: str, topic: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


def test_two_consumers_share_the_partitions(bootstrap: str, unique: Unique) -> None:
    asyncio.run(two_consumers(bootstrap, unique("aiokafka"), unique("g")))


async def two_consumers(bootstrap: str, topic: str, group: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1)])
    await admin.close()
    async with consumer(bootstrap, topic, group) as first, consumer(bootstrap, topic, group) as second:

        async def shared() -> bool:
            return len(first.assignment()) == len(second.assignment()) == 2

        await eventually_async(shared, 30)
        assert first.assignment() | second.assignment() == {TopicPartition(topic, n) for n in range(4)}
