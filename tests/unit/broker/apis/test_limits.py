"""No request keeps the broker's only loop for long."""

from __future__ import annotations

import pytest

from tests.support.node import MemoryBroker, fetch_request, produce_request
from tidelock.broker.apis.closing import CloseConnection
from tidelock.broker.apis.limits import MOST_BYTES, MOST_ENTRIES, MOST_NEW_PARTITIONS
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from tidelock.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidelock.protocol.messages.heartbeat import HeartbeatRequest
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.primitives import MalformedMessage


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t")
    return found


@pytest.mark.parametrize("version", [8, 12])
def test_a_produce_with_too_many_partitions_ends_its_connection(broker: MemoryBroker, version: int) -> None:
    request = produce_request("t", b"")
    (topic,) = request.topic_data
    topic.partition_data *= MOST_ENTRIES - 1
    assert len(broker.send(request, version).responses[0].partition_responses) == MOST_ENTRIES - 1
    topic.partition_data += topic.partition_data[:1]
    with pytest.raises(MalformedMessage, match="20000"):
        broker.send(request, version)


@pytest.mark.parametrize("version", [8, 12])
def test_so_does_a_fetch(broker: MemoryBroker, version: int) -> None:
    request = fetch_request("t", 0)
    request.topics *= MOST_ENTRIES // 2
    assert len(broker.send(request, version).responses) == MOST_ENTRIES // 2
    request.topics += request.topics[:1]
    with pytest.raises(MalformedMessage, match="20000"):
        broker.send(request, version)


def test_so_does_any_other_request_that_is_too_large(broker: MemoryBroker) -> None:
    long = HeartbeatRequest(group_id="g" * MOST_BYTES, generation_id=1, member_id="")
    with pytest.raises(CloseConnection):
        broker.send(long, 4)
    shorter = HeartbeatRequest(group_id="g" * (MOST_BYTES - 100), generation_id=1, member_id="")
    assert broker.send(shorter, 4).error_code == E.UNKNOWN_MEMBER_ID


def new(name: str, partitions: int) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)


def test_one_request_creates_only_so_many_partitions(broker: MemoryBroker) -> None:
    topics = [new("a", MOST_NEW_PARTITIONS + 1), new("b", MOST_NEW_PARTITIONS), new("c", 1)]
    found = broker.send(CreateTopicsRequest(topics=topics, validate_only=True)).topics
    assert [one.error_code for one in found] == [E.POLICY_VIOLATION, 0, E.POLICY_VIOLATION]


def test_one_request_adds_only_so_many_partitions(broker: MemoryBroker) -> None:
    asked = [
        CreatePartitionsTopic(name="t", count=1 + count, assignments=None)
        for count in (MOST_NEW_PARTITIONS + 1, MOST_NEW_PARTITIONS, 1)
    ]
    found = broker.send(CreatePartitionsRequest(topics=asked, validate_only=True)).results
    assert [one.error_code for one in found] == [E.POLICY_VIOLATION, 0, E.POLICY_VIOLATION]


def test_topics_that_a_metadata_request_does_not_create_are_created_by_the_next() -> None:
    broker = MemoryBroker(num_partitions=MOST_NEW_PARTITIONS // 2)
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=f"t{number}") for number in range(3)])
    assert [one.error_code for one in broker.send(asked).topics] == [0, 0, E.LEADER_NOT_AVAILABLE]
    assert [one.error_code for one in broker.send(asked).topics] == [0, 0, 0]
