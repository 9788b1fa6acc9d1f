"""Producer, Consumer and Admin on a real broker: what they promise, and how they say no."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kafka import NewKafka
from tests.support.waiting import eventually
from tidelock.client import (
    Admin,
    BrokerUnreachable,
    Consumer,
    Outgoing,
    OutgoingBatch,
    Producer,
    TopicPartition,
)
from tidelock.client.model import Message
from tidelock.config import ConfigError
from tidelock.errors import LocalProtocolError
from tidelock.protocol.error_codes import (
    GroupIdNotFound,
    InvalidTopic,
    KafkaError,
    MessageTooLarge,
    TopicAlreadyExists,
    UnknownTopicOrPartition,
)

Unique = Callable[[str], str]
NOBODY = "127.0.0.1:1"


def read_all(consumer: Consumer, partitions: list[TopicPartition]) -> list[Message]:
    found: list[Message] = []

    def at_end() -> bool:
        found.extend(consumer.poll(500, 0.2))
        return consumer.at_end >= set(partitions)

    eventually(at_end, 20, interval=0)
    return found


def test_what_was_flushed_is_read_back_in_order(bootstrap: str, unique: Unique) -> None:
    topic = unique("orders")
    admin = Admin(bootstrap)
    assert admin.create_topic(topic, 3)
    records = [
        Outgoing(b"%d" % (n % 10), b"value %d" % n, [("n", b"%d" % n), ("none", None)]) for n in range(500)
    ]
    with Producer(bootstrap) as producer:
        assert producer.send_batch(topic, records) == 500
    partitions = admin.partitions(topic)
    assert [one.partition for one in partitions] == [0, 1, 2]
    assert sum(admin.end_offsets(partitions).values()) == 500
    with Consumer(bootstrap) as consumer:
        consumer.assign(dict.fromkeys(partitions, 0))
        found = read_all(consumer, partitions)
    assert sorted(one.value() or b"" for one in found) == sorted(one.value or b"" for one in records)
    for partition in partitions:
        numbers = [
            int((one.headers() or [("", b"")])[0][1] or b"")
            for one in found
            if one.partition() == partition[1]
        ]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("extra", [{}, {"timestamps": [5] * 700}, {"headers": [[("n", b"1")]] * 700}])
def test_a_batch_arrives_in_order_whatever_the_queue_holds(
    bootstrap: str, unique: Unique, extra: dict[str, Any]
) -> None:
    topic = unique("batches")
    Admin(bootstrap).create_topic(topic, 1)
    done: list[int] = []
    values = [None if number == 3 else b"%d" % number for number in range(700)]
    with Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": "50"}) as producer:
        for number in range(2):
            keys = [b"k"] * 700 if number else None
            batch = OutgoingBatch(values, keys, partition=0, **extra)
            producer.send_many(topic, batch, lambda number=number: done.append(number))
    assert done == [0, 1]
    with Consumer(bootstrap) as consumer:
        consumer.assign({TopicPartition(topic, 0): 0})
        found = read_all(consumer, [TopicPartition(topic, 0)])
    assert [(one.key(), one.value()) for one in found] == [
        (key, value) for key in (None, b"k") for value in values
    ]
    if "timestamps" in extra:
        assert {one.timestamp() for one in found} == {(1, 5)}
    if "headers" in extra:
        assert [one.headers() for one in found] == [[("n", b"1")]] * 1400


def test_a_record_of_a_batch_that_is_too_large_is_told_and_the_batch_is_not_done(
    bootstrap: str, unique: Unique
) -> None:
    topic = unique("large")
    done: list[bool] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": "2000"})
    with pytest.raises(MessageTooLarge, match=topic):
        producer.send_many(topic, OutgoingBatch([b"a", b"x" * 3000, b"b"]), lambda: done.append(True))
    producer.flush()
    assert done == []
    assert producer.bytes_under_way == 0
    with pytest.raises(MessageTooLarge, match=topic):
        producer.send_many(topic, OutgoingBatch([b"x" * 3000]))
    assert producer.bytes_under_way == 0
    one_by_one = OutgoingBatch([b"a", b"x" * 3000, b"b"], timestamps=[1, 2, 3])
    with pytest.raises(MessageTooLarge, match=topic):
        producer.send_many(topic, one_by_one, lambda: done.append(True))
    producer.flush()
    assert done == []
    assert producer.bytes_under_way == 0


def test_a_batch_without_records_is_done_at_once(bootstrap: str, unique: Unique) -> None:
    done: list[bool] = []
    producer = Producer(bootstrap)
    producer.send_many(unique("empty"), OutgoingBatch([]), lambda: done.append(True))
    producer.send_many(unique("empty"), OutgoingBatch([]))
    assert done == [True]
    assert producer.bytes_under_way == 0


def test_keys_are_placed_as_java_places_them(bootstrap: str, unique: Unique) -> None:
    topic = unique("murmur")
    Admin(bootstrap).create_topic(topic, 12)
    placed: dict[bytes, int] = {}

    def note(message: Message) -> None:
        placed[message.key() or b""] = message.partition()

    with Producer(bootstrap) as producer:
        for key in (
            b"21",
            b"foobar",
            b"a-little-bit-long-string",
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
        ):
            producer.send(topic, Outgoing(key, b""), note)
        producer.send(topic, Outgoing(b"21", b"", partition=11, timestamp=1_600_000_000_000))
    # The hashes are those of Kafka's own UtilsTest.testMurmur2.
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {key: placed[key] for key in hashes} == {
        key: (value & 0x7FFFFFFF) % 12 for key, value in hashes.items()
    }
    with Consumer(bootstrap) as consumer:
        consumer.assign({TopicPartition(topic, 11): 0})
        found = [one for one in read_all(consumer, [TopicPartition(topic, 11)]) if one.key() == b"21"]
    assert [one.timestamp()[1] for one in found] == [1_600_000_000_000]


def test_a_group_goes_on_where_it_committed(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("resume"), unique("group")
    admin = Admin(bootstrap)
    admin.create_topic(topic, 1)
    only = TopicPartition(topic, 0)
    with Producer(bootstrap) as producer:
        producer.send_batch(topic, [Outgoing(None, b"%d" % n) for n in range(10)])
    with Consumer(bootstrap, group=group) as consumer:
        assert consumer.committed([only]) == {only: None}
        consumer.assign({only: None})
        assert len(read_all(consumer, [only])) == 10
        consumer.commit({only: 6})
    with Consumer(bootstrap, group=group) as consumer:
        assert consumer.committed([only]) == {only: 6}
        consumer.assign({only: None})
        assert [one.value() for one in read_all(consumer, [only])] == [b"6", b"7", b"8", b"9"]
        consumer.seek(only, 9)
        assert [one.value() for one in read_all(consumer, [only])] == [b"9"]
    described = admin.describe_group(group)
    assert described.committed == {only: 6}
    assert group in [one.name for one in admin.groups()]
    admin.delete_group(group)
    with pytest.raises(GroupIdNotFound):
        admin.describe_group(group)


def test_a_subscriber_is_told_what_is_its_own(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("subscribed"), unique("group")
    Admin(bootstrap).create_topic(topic, 2)
    with Producer(bootstrap) as producer:
        producer.send_batch(topic, [Outgoing(b"%d" % n, b"") for n in range(20)])
    assigned: list[TopicPartition] = []
    revoked: list[tuple[TopicPartition, bool]] = []
    found: list[Message] = []
    with Consumer(bootstrap, group=group) as consumer:
        consumer.subscribe(
            [topic], assigned.extend, lambda gone, lost: revoked.extend((one, lost) for one in gone)
        )

        def have_all() -> bool:
            found.extend(consumer.poll(100, 0.2))
            return len(found) == 20

        eventually(have_all, 30, interval=0)
        members = Admin(bootstrap).describe_group(group).members
        assert sorted(members[0].partitions) == sorted(assigned)
    assert sorted(assigned) == [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert sorted(revoked) == [(one, False) for one in sorted(assigned)]


def test_topics_are_described_changed_and_deleted(bootstrap: str, unique: Unique) -> None:
    topic = unique("kept")
    admin = Admin(bootstrap)
    assert admin.create_topic(topic, 2, {"cleanup.policy": "compact"})
    assert not admin.create_topic(topic, 2, if_not_exists=True)
    with pytest.raises(TopicAlreadyExists) as caught:
        admin.create_topic(topic, 2)
    assert caught.value.exit_code == 6
    described = admin.describe_topic(topic)
    assert described.configs["cleanup.policy"] == "compact"
    assert [(one.index, one.leader is not None) for one in described.partitions] == [(0, True), (1, True)]
    assert (topic, 2) in [(one.name, one.partitions) for one in admin.topics()]
    admin.delete_topic(topic)
    with pytest.raises(UnknownTopicOrPartition):
        admin.delete_topic(topic)


def test_records_are_deleted_up_to_an_offset(bootstrap: str, unique: Unique) -> None:
    topic = unique("trimmed")
    admin = Admin(bootstrap)
    admin.create_topic(topic, 1)
    with Producer(bootstrap) as producer:
        producer.send_batch(topic, [Outgoing(None, b"%d" % n) for n in range(10)])
    only = TopicPartition(topic, 0)
    assert admin.delete_records({only: 4}) == {only: 4}
    assert (admin.begin_offsets([only]), admin.end_offsets([only])) == ({only: 4}, {only: 10})


def test_a_broker_that_says_no_is_quoted(bootstrap: str, unique: Unique) -> None:
    admin = Admin(bootstrap)
    with pytest.raises(InvalidTopic):
        admin.create_topic("no/slash", 1)
    with pytest.raises(KafkaError) as caught:
        admin.create_topic(unique("wrong"), 1, {"cleanup.policy": "sometimes"})
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownTopicOrPartition):
        admin.partitions(unique("absent"))
    with pytest.raises(UnknownTopicOrPartition):
        admin.describe_topic(unique("absent"))
    producer = Producer(bootstrap)
    with pytest.raises(MessageTooLarge):
        producer.send(unique("large"), Outgoing(None, bytes(2 << 20)))


def test_a_partition_that_is_not_there_is_told_at_once(bootstrap: str, unique: Unique) -> None:
    topic, absent = unique("small"), unique("absent")
    admin = Admin(bootstrap)
    admin.create_topic(topic, 1)
    with Consumer(bootstrap) as consumer:
        with pytest.raises(UnknownTopicOrPartition):
            consumer.assign({TopicPartition(absent, 0): 0})
        with pytest.raises(UnknownTopicOrPartition, match="has no partition 7"):
            consumer.assign({TopicPartition(topic, 0): 0, TopicPartition(topic, 7): 0})
    assert absent not in [one.name for one in admin.topics()]


@pytest.mark.parametrize("client", [Producer, Consumer, Admin])
def test_nobody_there_is_told_at_once(client: Callable[[str], object]) -> None:
    started = time.monotonic()
    with pytest.raises(BrokerUnreachable, match="no broker answers: connection refused") as caught:
        client(NOBODY)
    assert time.monotonic() - started < 2
    assert (caught.value.hint or "").startswith("tidelock up broker")


def test_a_value_that_librdkafka_refuses_is_a_configuration_problem(bootstrap: str) -> None:
    with pytest.raises(ConfigError, match="Invalid value for configuration property"):
        Producer({"bootstrap.servers": bootstrap, "linger.ms": "soon"})


def test_a_consumer_without_a_group_does_not_commit(bootstrap: str) -> None:
    with Consumer(bootstrap) as consumer, pytest.raises(LocalProtocolError, match="no group"):
        consumer.commit({TopicPartition("t", 0): 1})


def test_a_broker_that_dies_is_waited_for_and_then_told(
    new_kafka: NewKafka, unique: Unique, capfd: pytest.CaptureFixture[str]
) -> None:
    topic = unique("dying")
    with new_kafka() as broker:
        Admin(broker.bootstrap).create_topic(topic, 1)
        producer = Producer(broker.bootstrap)
        producer.send(topic, Outgoing(None, b"before"))
        producer.flush()
        consumer = Consumer(broker.bootstrap, patience=1.0)
        consumer.assign({TopicPartition(topic, 0): 0})
        assert len(read_all(consumer, [TopicPartition(topic, 0)])) == 1
        broker.kill()
        producer.send(topic, Outgoing(None, b"during"))
        with pytest.raises(BrokerUnreachable, match="1 records are not acknowledged after 1 s"):
            producer.flush(1.0)
        with pytest.raises(BrokerUnreachable):
            eventually(lambda: bool(consumer.poll(10, 0.2)), 20)
        broker.start()
        producer.flush()
        assert [one.value() for one in eventually(lambda: consumer.poll(10, 0.5), 20)] == [b"during"]
        assert producer.trouble is None
        consumer.close()
    assert capfd.readouterr().err == ""


def test_the_first_record_that_is_lost_is_raised(new_kafka: NewKafka, unique: Unique) -> None:
    with new_kafka() as broker:
        Admin(broker.bootstrap).create_topic(unique("lost"), 1)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "delivery.timeout.ms": "500"})
        broker.kill()
        producer.send("lost", Outgoing(None, b""))
        with pytest.raises(BrokerUnreachable, match="does not answer"):
            producer.flush(10.0)
