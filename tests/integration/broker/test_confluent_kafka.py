"""confluent-kafka (librdkafka), unmodified: produce, consume in a group, commit, administer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from tests.support.waiting import eventually

Unique = Callable[[str], str]


_admins: dict[str, AdminClient] = {}


@pytest.fixture(scope="module", autouse=True)
def _admins_end_with_the_module() -> Iterator[None]:
    """Their threads would report every minute that the broker is gone."""
    yield
    _admins.clear()


def admin(bootstrap: str) -> AdminClient:
    """Return the one client of a broker: its requests die with it, so it must outlive the expression."""
    if bootstrap not in _admins:
        _admins[bootstrap] = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    return _admins[bootstrap]


def create(bootstrap: str, topic: str, partitions: int = 1, **configs: str) -> None:
    given = {name.replace("_", "."): value for name, value in configs.items()}
    new = NewTopic(topic, partitions, 1, config=given)
    admin(bootstrap).create_topics([new])[topic].result(10)


def produce(bootstrap: str, topic: str, values: list[bytes], **settings: Any) -> None:
    failures: list[Any] = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **settings})
    for number, value in enumerate(values):
        producer.produce(
            topic,
            value,
            key=str(number % 10),
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(20) == 0
    assert failures == []


@contextmanager
def consumer(bootstrap: str, group: str, **settings: Any) -> Iterator[Consumer]:
    found = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "log_level": 0,  # the broker's death is the test's own doing
            "heartbeat.interval.ms": 500,
            **settings,
        }
    )
    try:
        yield found
    finally:
        found.close()


def take(found: Consumer, count: int, within: float = 20.0) -> list[Any]:
    messages: list[Any] = []
    deadline = time.monotonic() + within
    while len(messages) < count and time.monotonic() < deadline:
        for message in found.consume(count - len(messages), 0.2):
            assert message.error() is None, message.error()
            messages.append(message)
    return messages


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_produced_is_consumed(bootstrap: str, unique: Unique, codec: str) -> None:
    topic = unique("codec")
    create(bootstrap, topic, 3)
    values = [f"value {number} ".encode() * 20 for number in range(1000)]
    produce(bootstrap, topic, values, **{"compression.type": codec, "enable.idempotence": True})
    with consumer(bootstrap, unique("g")) as found:
        found.subscribe([topic])
        assert sorted(one.value() for one in take(found, 1000)) == sorted(values)


def test_a_topic_keeps_its_own_codec(bootstrap: str, unique: Unique) -> None:
    topics = [(unique(codec), codec) for codec in ("uncompressed", "gzip", "snappy", "lz4", "zstd")]
    values = [f"value {number} ".encode() * 20 for number in range(100)]
    for topic, codec in topics:
        create(bootstrap, topic, compression_type=codec)
        for sent in ("none", "gzip", "zstd"):
            produce(bootstrap, topic, values, **{"compression.type": sent, "enable.idempotence": True})
    with consumer(bootstrap, unique("g")) as found:
        found.assign([TopicPartition(topic, 0, 0) for topic, _ in topics])
        messages = take(found, 300 * len(topics))
    for topic, _ in topics:
        assert [one.value() for one in messages if one.topic() == topic] == values * 3


def test_a_group_resumes_where_it_committed(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("resume"), unique("g")
    create(bootstrap, topic)
    values = [str(number).encode() for number in range(100)]
    produce(bootstrap, topic, values)
    with consumer(bootstrap, group) as found:
        found.subscribe([topic])
        assert [one.value() for one in take(found, 40)] == values[:40]
        found.commit(offsets=[TopicPartition(topic, 0, 40, "note")], asynchronous=False)
    with consumer(bootstrap, group) as found:
        found.subscribe([topic])
        assert [one.value() for one in take(found, 60)] == values[40:]
        (position,) = found.committed([TopicPartition(topic, 0)])
        assert (position.offset, position.metadata) == (40, "note")


def test_two_consumers_share_the_partitions_and_one_takes_over(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("share"), unique("g")
    create(bootstrap, topic, 4)
    with consumer(bootstrap, group) as first:
        first.subscribe([topic])
        deadline = time.monotonic() + 30
        with consumer(bootstrap, group) as second:
            second.subscribe([topic])
            while len(first.assignment()) != 2 or len(second.assignment()) != 2:
                first.poll(0.1)
                second.poll(0.1)
                assert time.monotonic() < deadline
            shares = [{one.partition for one in each.assignment()} for each in (first, second)]
            assert shares[0] | shares[1] == {0, 1, 2, 3}
            assert not shares[0] & shares[1]
        while len(first.assignment()) != 4:
            first.poll(0.1)
            assert time.monotonic() < deadline


def test_a_static_member_returns_without_a_rebalance(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("static"), unique("g")
    create(bootstrap, topic, 2)
    rebalances: list[int] = []
    static = {"group.instance.id": "two"}
    with consumer(bootstrap, group, **{"group.instance.id": "one"}) as first:
        first.subscribe([topic], on_assign=lambda _, found: rebalances.append(len(found)))
        second = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": group, "session.timeout.ms": 10000, **static}
        )
        second.subscribe([topic])
        deadline = time.monotonic() + 30
        while len(second.assignment()) != 1 or len(first.assignment()) != 1:
            first.poll(0.1)
            second.poll(0.1)
            assert time.monotonic() < deadline
        # A static member does not leave when it closes, so its partition waits for it.
        second.close()
        settled = len(rebalances)
        with consumer(bootstrap, group, **static) as back:
            back.subscribe([topic])
            while len(back.assignment()) != 1:
                first.poll(0.1)
                back.poll(0.1)
                assert time.monotonic() < deadline
            assert len(rebalances) == settled


def test_topics_are_administered(bootstrap: str, unique: Unique) -> None:
    topic, client = unique("admin"), admin(bootstrap)
    create(bootstrap, topic, 2, retention_ms="60000")
    with pytest.raises(KafkaException) as twice:
        create(bootstrap, topic)
    assert twice.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    eventually(lambda: len(client.list_topics(topic, timeout=10).topics[topic].partitions) == 5)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    configs = client.describe_configs([resource])[resource].result(10)
    assert configs["retention.ms"].value == "60000"
    assert configs["cleanup.policy"].value == "delete"
    assert configs["cleanup.policy"].is_default
    change = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)
    changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    client.incremental_alter_configs([changed])[changed].result(10)

    def policy() -> set[str]:
        configs = client.describe_configs([resource])[resource].result(10)
        return set(configs["cleanup.policy"].value.split(","))

    eventually(lambda: policy() == {"delete", "compact"})  # Kafka answers before its broker knows
    client.delete_topics([topic])[topic].result(10)
    deadline = time.monotonic() + 10
    while topic in client.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (NewTopic("bad name", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic("zero", 0, 1), KafkaError.INVALID_PARTITIONS),
        (NewTopic("copies", 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic("config", 1, 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
        (NewTopic("config", 1, 1, config={"no.such.key": "1"}), KafkaError.INVALID_CONFIG),
    ],
)
def test_a_topic_that_cannot_be_is_refused(bootstrap: str, new: NewTopic, code: int) -> None:
    with pytest.raises(KafkaException) as error:
        admin(bootstrap).create_topics([new])[new.topic].result(10)
    assert error.value.args[0].code() == code


def test_groups_are_administered(bootstrap: str, unique: Unique) -> None:
    topic, group, client = unique("groups"), unique("g"), admin(bootstrap)
    create(bootstrap, topic)
    produce(bootstrap, topic, [b"x"])
    with consumer(bootstrap, group) as found:
        found.subscribe([topic])
        take(found, 1)
        found.commit(asynchronous=False)
        described = client.describe_consumer_groups([group])[group].result(10)
        assert described.state.name == "STABLE"
        (member,) = described.members
        assert member.assignment.topic_partitions == [TopicPartition(topic, 0)]
    assert group in {one.group_id for one in client.list_consumer_groups().result(10).valid}
    offsets = client.list_consumer_group_offsets([_positions(group)])[group].result(10)
    assert [(one.topic, one.offset) for one in offsets.topic_partitions] == [(topic, 1)]
    client.delete_consumer_groups([group])[group].result(10)
    assert group not in {one.group_id for one in client.list_consumer_groups().result(10).valid}


def _positions(group: str) -> Any:
    from confluent_kafka import ConsumerGroupTopicPartitions

    return ConsumerGroupTopicPartitions(group)


def test_offsets_are_found_by_time(bootstrap: str, unique: Unique) -> None:
    topic, client = unique("times"), admin(bootstrap)
    create(bootstrap, topic)
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(10):
        producer.produce(topic, b"x", timestamp=1_000_000 + number * 1000)
    assert producer.flush(10) == 0
    partition = TopicPartition(topic, 0)
    wanted = {
        OffsetSpec.for_timestamp(1_004_500): 5,
        OffsetSpec.earliest(): 0,
        OffsetSpec.latest(): 10,
        OffsetSpec.max_timestamp(): 9,
    }
    for spec, offset in wanted.items():
        found = client.list_offsets({partition: spec})[partition].result(10)
        assert found.offset == offset


def test_records_are_deleted_up_to_an_offset(bootstrap: str, unique: Unique) -> None:
    topic, client = unique("deleted"), admin(bootstrap)
    create(bootstrap, topic)
    produce(bootstrap, topic, [b"x"] * 10)
    partition = TopicPartition(topic, 0, 4)
    assert client.delete_records([partition])[partition].result(10).low_watermark == 4
    with consumer(bootstrap, unique("g")) as found:
        assert found.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (4, 10)


def test_an_unknown_topic_is_created_when_it_is_asked_for(bootstrap: str, unique: Unique) -> None:
    topic = unique("auto")
    produce(bootstrap, topic, [b"x"])
    assert topic in admin(bootstrap).list_topics(timeout=10).topics


def test_a_batch_that_is_too_large_is_refused(bootstrap: str, unique: Unique) -> None:
    topic = unique("small")
    create(bootstrap, topic, max_message_bytes="1000")
    errors: list[Any] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 10000})
    producer.produce(topic, b"x" * 5000, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(15) == 0
    assert errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
