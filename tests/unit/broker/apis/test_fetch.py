"""Fetch: every version, soft limits, epochs, what ends a wait."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import MemoryBroker, fetch_request
from tidelock.broker.apis.limits import LEAST_FETCH_BYTES, MOST_UNSENT_BYTES
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidelock.protocol.primitives import MalformedMessage
from tidelock.protocol.records import iter_batches, iter_records

VERSIONS = range(4, 19)
BIG = 10_000


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 3)
    for number in range(3):
        found.produce("t", b"small %d" % number)
    return found


def named(broker: MemoryBroker, request: FetchRequest, version: int) -> Any:
    """Send with ids instead of names where the version wants them."""
    if version >= 13:
        for topic in request.topics:
            found = broker.state.image.topics.get(topic.topic)
            topic.topic_id = found.topic_id if found else b"\1" * 16
    return broker.send(request, version)


def only(response: Any) -> Any:
    ((partition,),) = [topic.partitions for topic in response.responses]
    return partition


def values(partition: Any) -> list[bytes | None]:
    data = bytes(partition.records)
    return [one.value for _, at in iter_batches(data) for one in iter_records(data, at)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("isolation", [0, 1])
def test_every_version_reads(broker: MemoryBroker, version: int, isolation: int) -> None:
    found = only(named(broker, fetch_request("t", 1, isolation_level=isolation), version))
    assert (found.error_code, found.high_watermark, found.last_stable_offset) == (0, 3, 3)
    assert found.aborted_transactions == ([] if isolation else None)
    assert values(found) == [b"small 1", b"small 2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads_batches_too_large_to_copy(broker: MemoryBroker, version: int) -> None:
    broker.produce("t", b"x" * BIG, partition=1)
    wanted = [
        FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1 << 20) for index in (0, 1, 2)
    ]
    request = FetchRequest(min_bytes=1, max_bytes=1 << 20, topics=[FetchTopic(topic="t", partitions=wanted)])
    (topic,) = named(broker, request, version).responses
    assert [len(values(one)) for one in topic.partitions] == [3, 1, 0]
    assert values(topic.partitions[1]) == [b"x" * BIG]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_errors(broker: MemoryBroker, version: int) -> None:
    found = only(named(broker, fetch_request("t", 99), version))
    assert (found.error_code, found.high_watermark) == (E.OFFSET_OUT_OF_RANGE, -1)
    found = only(named(broker, fetch_request("t", 0, partition=9), version))
    assert (found.partition_index, found.error_code) == (9, E.UNKNOWN_TOPIC_OR_PARTITION)
    unknown = E.UNKNOWN_TOPIC_ID if version >= 13 else E.UNKNOWN_TOPIC_OR_PARTITION
    assert only(named(broker, fetch_request("u", 0), version)).error_code == unknown


@pytest.mark.parametrize("version", range(7, 19))
def test_a_session_that_does_not_exist(broker: MemoryBroker, version: int) -> None:
    response = named(broker, fetch_request("t", 0, session_id=5, session_epoch=1), version)
    assert (response.error_code, response.responses) == (E.FETCH_SESSION_ID_NOT_FOUND, [])


def test_the_first_batch_comes_whole_and_the_limit_ends_the_rest(broker: MemoryBroker) -> None:
    broker.produce("t", b"x" * BIG, partition=1)
    wanted = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1) for index in (2, 1, 0)]
    request = FetchRequest(min_bytes=1, max_bytes=1, topics=[FetchTopic(topic="t", partitions=wanted)])
    (topic,) = broker.send(request, 11).responses
    assert [len(values(one)) for one in topic.partitions] == [0, 1, 0]


def test_the_partition_limit_is_soft(broker: MemoryBroker) -> None:
    size = len(bytes(only(broker.send(fetch_request("t", 2), 11)).records))
    assert len(values(only(broker.send(fetch_request("t", 0, partition_max_bytes=1), 11)))) == 1
    assert len(values(only(broker.send(fetch_request("t", 0, partition_max_bytes=2 * size), 11)))) == 2


@pytest.mark.parametrize(("claimed", "code"), [(0, E.NONE), (-1, E.NONE), (3, E.UNKNOWN_LEADER_EPOCH)])
def test_the_leader_epoch_is_checked(broker: MemoryBroker, claimed: int, code: int) -> None:
    request = fetch_request("t", 0, current_leader_epoch=claimed)
    assert only(broker.send(request, 9)).error_code == code
    broker.restart()
    if claimed == 0:
        assert only(broker.send(request, 9)).error_code == E.FENCED_LEADER_EPOCH


@pytest.mark.parametrize("version", range(12, 19))
def test_a_reader_that_has_seen_what_is_not_there_any_more(broker: MemoryBroker, version: int) -> None:
    broker.restart()
    broker.produce("t", b"epoch 1")
    request = fetch_request("t", 4)
    request.topics[0].partitions[0].last_fetched_epoch = 0
    found = only(named(broker, request, version))
    assert (found.error_code, bytes(found.records)) == (0, b"")
    assert (found.diverging_epoch.epoch, found.diverging_epoch.end_offset) == (0, 3)


def test_errors_and_empty_requests_are_answered_at_once(broker: MemoryBroker) -> None:
    waiting = {"max_wait_ms": 1000, "min_bytes": 1 << 20}
    assert not isinstance(broker.send(fetch_request("t", 99, **waiting), 11), Parked)
    assert not isinstance(broker.send(FetchRequest(max_wait_ms=1000, min_bytes=1), 11), Parked)
    assert isinstance(broker.send(fetch_request("t", 0, **waiting), 11), Parked)


@pytest.mark.parametrize("version", [4, 8, 11, 12, 18])
def test_a_request_that_is_cut_short_ends_the_connection(broker: MemoryBroker, version: int) -> None:
    whole = encode_request(fetch_request("t", 0), version, 1, "c")[4:]
    # Behind the topics come forgotten topics and the rack, which nobody reads.
    for size in range(10, len(whole) - 8):
        with pytest.raises(MalformedMessage):
            broker.node.handle(memoryview(whole[:size]), "/", broker.now())


def test_fetches_get_small_while_slow_readers_have_much_waiting(broker: MemoryBroker) -> None:
    for _ in range(10):
        broker.produce("t", b"x" * LEAST_FETCH_BYTES, partition=1)
    everything = fetch_request("t", 0, partition=1)
    assert len(values(only(broker.send(everything, 11)))) == 10
    broker.state.unsent_bytes = MOST_UNSENT_BYTES + 1
    assert len(values(only(broker.send(everything, 11)))) == 1
