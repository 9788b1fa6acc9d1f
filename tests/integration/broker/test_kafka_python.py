"""kafka-python, unmodified: newest protocol versions from pure Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

with warnings.catch_warnings():
    # It reads its schemas in a way that Python has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewTopic

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")

Unique = Callable[[str], str]


def test_produce_consume_commit_resume(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("kafka-python"), unique("g")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 1, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    sent = [producer.send(topic, str(number).encode()) for number in range(100)]
    producer.flush()
    assert [one.get(10).offset for one in sent] == list(range(100))
    producer.close()
    first = consumer(bootstrap, topic, group)
    assert [int(next(first).value) for _ in range(100)] == list(range(100))
    first.seek(TopicPartition(topic, 0), 60)
    first.commit()
    first.close()
    second = consumer(bootstrap, topic, group)
    assert [int(next(second).value) for _ in range(40)] == list(range(60, 100))
    second.close()
    assert topic in admin.list_topics()
    admin.close()


def consumer(bootstrap: str, topic: str, group: str) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20_000,
    )
