"""Produce: every version, every refusal, what a client reads in the response."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import START_MS, MemoryBroker, fetch_request, produce_request
from tidelock.broker.changes import at_once
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidelock.protocol.primitives import MalformedMessage
from tidelock.protocol.records import Producer, Record, build_batch, iter_records

VERSIONS = range(3, 14)


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 3)
    return found


def batch(*values: bytes, **fields: Any) -> bytearray:
    return build_batch([Record(i, START_MS, b"k", value) for i, value in enumerate(values)], **fields)


def named(broker: MemoryBroker, request: ProduceRequest, version: int) -> Any:
    """Send with ids instead of names where the version wants them."""
    if version >= 13:
        for topic in request.topic_data:
            found = broker.state.image.topics.get(topic.name)
            topic.topic_id = found.topic_id if found else b"\1" * 16
    return broker.send(request, version)


def only(response: Any) -> Any:
    ((partition,),) = [topic.partition_responses for topic in response.responses]
    return partition


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_appends_and_answers(broker: MemoryBroker, version: int) -> None:
    for expected in (0, 2):
        found = only(named(broker, produce_request("t", batch(b"a", b"b"), partition=1), version))
        assert (found.index, found.error_code, found.base_offset) == (1, 0, expected)
        assert found.log_append_time_ms == -1
        if version >= 5:
            assert found.log_start_offset == 0
    fetched = broker.send(fetch_request("t", 0, partition=1), 11).responses[0].partitions[0]
    assert [one.value for one in iter_records(bytes(fetched.records))] == [b"a", b"b"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_errors(broker: MemoryBroker, version: int) -> None:
    unknown_topic = E.UNKNOWN_TOPIC_ID if version >= 13 else E.UNKNOWN_TOPIC_OR_PARTITION
    assert only(named(broker, produce_request("u", batch(b"a")), version)).error_code == unknown_topic
    found = only(named(broker, produce_request("t", batch(b"a"), partition=9), version))
    assert (found.index, found.error_code, found.base_offset) == (9, E.UNKNOWN_TOPIC_OR_PARTITION, -1)
    damaged = batch(b"a")
    damaged[-1] ^= 1
    found = only(named(broker, produce_request("t", damaged), version))
    assert found.error_code == E.CORRUPT_MESSAGE
    assert bool(found.error_message) == (version >= 8)


@pytest.mark.parametrize("version", [3, 8, 9, 13])
def test_many_topics_and_partitions_in_one_request(broker: MemoryBroker, version: int) -> None:
    broker.create("u", 2)
    request = ProduceRequest(
        transactional_id=None,
        acks=1,
        topic_data=[
            TopicProduceData(
                name=name,
                partition_data=[PartitionProduceData(index=i, records=batch(b"x")) for i in indexes],
            )
            for name, indexes in (("t", [2, 0]), ("u", [1, 5]))
        ],
    )
    response = named(broker, request, version)
    results = [[(p.index, p.error_code) for p in topic.partition_responses] for topic in response.responses]
    assert results == [[(2, 0), (0, 0)], [(1, 0), (5, E.UNKNOWN_TOPIC_OR_PARTITION)]]


def test_a_deleted_topics_id_is_unknown(broker: MemoryBroker) -> None:
    request = produce_request("t", batch(b"a"))
    request.topic_data[0].topic_id = broker.state.image.topics["t"].topic_id
    broker.delete("t")
    broker.create("t", 3)
    assert only(broker.send(request, 13)).error_code == E.UNKNOWN_TOPIC_ID


def test_log_append_time_is_told(broker: MemoryBroker) -> None:
    broker.create("stamped", message_timestamp_type="LogAppendTime")
    broker.seconds = 5.0
    assert only(broker.produce("stamped", b"x")).log_append_time_ms == START_MS + 5000


def test_idempotence(broker: MemoryBroker) -> None:
    def send(sequence: int) -> Any:
        return only(broker.send(produce_request("t", batch(b"x", producer=Producer(7, 0, sequence))), 12))

    assert [send(0).base_offset, send(1).base_offset, send(1).base_offset] == [0, 1, 1]
    assert send(5).error_code == E.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize("acks", [2, -2, 7])
def test_acks_that_do_not_exist(broker: MemoryBroker, acks: int) -> None:
    assert (
        only(broker.send(produce_request("t", batch(b"x"), acks=acks), 9)).error_code
        == E.INVALID_REQUIRED_ACKS
    )


def test_more_replicas_than_there_are(broker: MemoryBroker) -> None:
    broker.create("safe", min_insync_replicas="2")
    for restarted in (False, True):
        assert only(broker.produce("safe", b"x")).error_code == E.NOT_ENOUGH_REPLICAS
        assert only(broker.produce("safe", b"x", acks=1)).error_code == 0
        if not restarted:
            broker.restart()
    at_once(broker.state.configure_topic("safe", {}))
    assert only(broker.produce("safe", b"x")).error_code == 0


def test_a_transactional_batch_needs_a_transactional_id(broker: MemoryBroker) -> None:
    written = build_batch([Record(0, 1, None, b"x")], producer=Producer(1, 0, 0), transactional=True)
    for version in (8, 9):
        found = only(broker.send(produce_request("t", written), version))
        assert found.error_code == E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_a_plain_batch_may_come_with_a_transactional_id(broker: MemoryBroker) -> None:
    request = produce_request("t", batch(b"x"))
    request.transactional_id = "mine"
    for version in (8, 9):
        assert only(broker.send(request, version)).error_code == 0


def test_internal_topics_belong_to_the_broker(broker: MemoryBroker) -> None:
    broker.state.offsets_partition(broker.now())
    found = only(broker.produce("__consumer_offsets", b"x"))
    assert found.error_code == E.INVALID_TOPIC_EXCEPTION


def test_a_compacted_topic_wants_keys(broker: MemoryBroker) -> None:
    broker.create("compacted", cleanup_policy="compact")
    assert only(broker.produce("compacted", b"no key")).error_code == E.INVALID_RECORD
    assert only(broker.send(produce_request("compacted", batch(b"key")), 9)).error_code == 0


def test_a_full_disk_is_an_error_of_the_partition(broker: MemoryBroker) -> None:
    broker.files.fail("append", 28)
    assert only(broker.produce("t", b"x")).error_code == E.KAFKA_STORAGE_ERROR
    assert only(broker.produce("t", b"x")).base_offset == 0


@pytest.mark.parametrize("version", [3, 8, 9, 13])
def test_a_request_that_is_cut_short_ends_the_connection(broker: MemoryBroker, version: int) -> None:
    request = produce_request("t", batch(b"x"))
    request.topic_data[0].topic_id = broker.state.image.topics["t"].topic_id
    whole = encode_request(request, version, 1, "c")[4:]
    ends = 0
    for size in range(10, len(whole)):
        try:
            reply = broker.node.handle(memoryview(whole[:size]), "/", broker.now())
        except MalformedMessage:
            ends += 1
        else:
            assert isinstance(reply, list | Parked)
    assert ends > len(whole) - 80
    assert broker.state.partition("t", 0).log_end_offset <= 10
