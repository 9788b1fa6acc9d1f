"""CreateTopics, DeleteTopics, CreatePartitions, Metadata, DescribeTopicPartitions, DescribeCluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import MemoryBroker
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from tidelock.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from tidelock.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tidelock.protocol.messages.describe_cluster import DescribeClusterRequest
from tidelock.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def create(
    broker: MemoryBroker, *topics: CreatableTopic, version: int = 7, validate_only: bool = False
) -> list[Any]:
    request = CreateTopicsRequest(topics=list(topics), validate_only=validate_only)
    return list(broker.send(request, version).topics)


def topic(name: str, partitions: int = 1, replicas: int = 1, **configs: str | None) -> CreatableTopic:
    given = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=replicas, configs=given)


@pytest.mark.parametrize("version", range(2, 8))
def test_a_topic_is_created(broker: MemoryBroker, version: int) -> None:
    (found,) = create(broker, topic("t", 3, retention_ms="5"), version=version)
    assert found.error_code == 0
    assert len(broker.state.partitions["t"]) == 3
    if version >= 5:
        configs = {one.name: (one.value, one.config_source) for one in found.configs}
        assert configs["retention.ms"] == ("5", 1)
        assert configs["cleanup.policy"] == ("delete", 5)
        assert (found.num_partitions, found.replication_factor) == (3, 1)
    if version >= 7:
        assert found.topic_id == broker.state.image.topics["t"].topic_id


def test_minus_one_means_the_brokers_default(broker: MemoryBroker) -> None:
    (found,) = create(broker, topic("t", -1, -1))
    assert (found.num_partitions, found.replication_factor) == (4, 1)


def test_only_checking_creates_nothing(broker: MemoryBroker) -> None:
    assert create(broker, topic("t"), validate_only=True)[0].error_code == 0
    assert broker.state.image.topics == {}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (topic(""), E.INVALID_TOPIC_EXCEPTION),
        (topic("."), E.INVALID_TOPIC_EXCEPTION),
        (topic("a/b"), E.INVALID_TOPIC_EXCEPTION),
        (topic("x" * 250), E.INVALID_TOPIC_EXCEPTION),
        (topic("주문"), E.INVALID_TOPIC_EXCEPTION),
        (topic("old_name"), E.INVALID_TOPIC_EXCEPTION),
        (topic("old.name"), E.TOPIC_ALREADY_EXISTS),
        (topic("t", 0), E.INVALID_PARTITIONS),
        (topic("t", -2), E.INVALID_PARTITIONS),
        (topic("t", 10_001), E.INVALID_PARTITIONS),
        (topic("t", 1, 2), E.INVALID_REPLICATION_FACTOR),
        (topic("t", 1, 0), E.INVALID_REPLICATION_FACTOR),
        (topic("t", retention_ms="soon"), E.INVALID_CONFIG),
        (topic("t", retention_ms=None), E.INVALID_CONFIG),
        (topic("t", nonsense="1"), E.INVALID_CONFIG),
    ],
)
def test_what_cannot_be_created(broker: MemoryBroker, wanted: CreatableTopic, code: int) -> None:
    create(broker, topic("old.name"))
    (found,) = create(broker, wanted)
    assert (found.error_code, bool(found.error_message)) == (code, True)
    assert list(broker.state.image.topics) == ["old.name"]


def test_a_name_given_twice(broker: MemoryBroker) -> None:
    found = create(broker, topic("t"), topic("u"), topic("t"))
    assert sorted((one.name, one.error_code) for one in found) == [("t", E.INVALID_REQUEST), ("u", 0)]


@pytest.mark.parametrize(
    ("partitions", "assignments", "code"),
    [
        (-1, [(0, [1]), (1, [1])], 0),
        (-1, [(0, [1]), (2, [1])], E.INVALID_REPLICA_ASSIGNMENT),
        (-1, [(0, [2])], E.INVALID_REPLICA_ASSIGNMENT),
        (-1, [(0, [1, 1])], E.INVALID_REPLICA_ASSIGNMENT),
        (2, [(0, [1]), (1, [1])], E.INVALID_REQUEST),
    ],
)
def test_assignments(
    broker: MemoryBroker, partitions: int, assignments: list[tuple[int, list[int]]], code: int
) -> None:
    wanted = topic("t", partitions, -1)
    wanted.assignments = [CreatableReplicaAssignment(partition_index=i, broker_ids=b) for i, b in assignments]
    assert create(broker, wanted)[0].error_code == code


@pytest.mark.parametrize("version", range(1, 7))
def test_a_topic_is_deleted(broker: MemoryBroker, version: int) -> None:
    broker.create("t")
    request = DeleteTopicsRequest(
        topic_names=["t", "u"], topics=[DeleteTopicState(name="t"), DeleteTopicState(name="u")]
    )
    found = broker.send(request, version).responses
    assert [(one.name, one.error_code) for one in found] == [("t", 0), ("u", E.UNKNOWN_TOPIC_OR_PARTITION)]
    assert [name for name in broker.files.list("") if name.startswith("t-")] == []


def test_a_topic_is_deleted_by_its_id(broker: MemoryBroker) -> None:
    broker.create("t")
    topic_id = broker.state.image.topics["t"].topic_id
    request = DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=topic_id)])
    assert [(one.name, one.error_code) for one in broker.send(request, 6).responses] == [("t", 0)]
    assert broker.send(request, 6).responses[0].error_code == E.UNKNOWN_TOPIC_ID


def test_what_cannot_be_deleted(broker: MemoryBroker) -> None:
    broker.state.offsets_partition(broker.now())
    internal = DeleteTopicsRequest(topics=[DeleteTopicState(name="__consumer_offsets")])
    assert broker.send(internal, 6).responses[0].error_code == E.INVALID_TOPIC_EXCEPTION
    strict = MemoryBroker(delete_topic_enable="false")
    strict.create("t")
    for version, code in ((2, E.INVALID_REQUEST), (3, E.TOPIC_DELETION_DISABLED)):
        request = DeleteTopicsRequest(topic_names=["t"])
        assert strict.send(request, version).responses[0].error_code == code


@pytest.mark.parametrize("version", range(4))
def test_partitions_are_added(broker: MemoryBroker, version: int) -> None:
    broker.create("t", 2)
    request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=5, assignments=None)])
    assert broker.send(request, version).results[0].error_code == 0
    broker.restart()
    assert len(broker.state.partitions["t"]) == 5


@pytest.mark.parametrize(
    ("name", "count", "assignments", "code"),
    [
        ("u", 5, None, E.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 2, None, E.INVALID_PARTITIONS),
        ("t", 1, None, E.INVALID_PARTITIONS),
        ("t", 10_001, None, E.INVALID_PARTITIONS),
        ("t", 4, [[1]], E.INVALID_REPLICA_ASSIGNMENT),
        ("t", 3, [[2]], E.INVALID_REPLICA_ASSIGNMENT),
        ("t", 3, [[1]], 0),
    ],
)
def test_partitions_that_cannot_be_added(
    broker: MemoryBroker, name: str, count: int, assignments: list[list[int]] | None, code: int
) -> None:
    broker.create("t", 2)
    given = None if assignments is None else [CreatePartitionsAssignment(broker_ids=b) for b in assignments]
    wanted = CreatePartitionsTopic(name=name, count=count, assignments=given)
    request = CreatePartitionsRequest(topics=[wanted], validate_only=True)
    assert broker.send(request).results[0].error_code == code
    assert len(broker.state.partitions["t"]) == 2


@pytest.mark.parametrize("version", range(14))
def test_metadata_of_every_version(broker: MemoryBroker, version: int) -> None:
    broker.create("t", 2)
    broker.state.endpoint = ("127.0.0.1", 1234)
    for asked in (None if version else [], [MetadataRequestTopic(name="t")]):
        found = broker.send(MetadataRequest(topics=asked), version)
        assert [(one.node_id, one.host, one.port) for one in found.brokers] == [(1, "127.0.0.1", 1234)]
        (described,) = found.topics
        assert (described.name, described.error_code) == ("t", 0)
        assert [(p.partition_index, p.leader_id, p.isr_nodes) for p in described.partitions] == [
            (0, 1, [1]),
            (1, 1, [1]),
        ]
    if version >= 2:
        assert found.cluster_id == broker.state.image.cluster_id


def test_metadata_creates_only_when_asked_and_allowed(broker: MemoryBroker) -> None:
    def ask(found: MemoryBroker, name: str, version: int, create: bool) -> int:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=create)
        return int(found.send(request, version).topics[0].error_code)

    assert ask(broker, "a", 9, False) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert ask(broker, "a", 9, True) == 0
    assert ask(broker, "b", 3, True) == 0
    assert ask(broker, "bad name", 9, True) == E.INVALID_TOPIC_EXCEPTION
    assert ask(broker, "__consumer_offsets", 9, True) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert ask(MemoryBroker(auto_create_topics_enable="false"), "a", 9, True) == E.UNKNOWN_TOPIC_OR_PARTITION


def test_metadata_by_id(broker: MemoryBroker) -> None:
    broker.create("t")
    ids = [broker.state.image.topics["t"].topic_id, b"\1" * 16]
    request = MetadataRequest(topics=[MetadataRequestTopic(topic_id=one, name=None) for one in ids])
    found = broker.send(request, 12).topics
    assert [(one.name, one.error_code) for one in found] == [("t", 0), (None, E.UNKNOWN_TOPIC_ID)]


def test_metadata_tells_what_is_allowed_when_asked(broker: MemoryBroker) -> None:
    broker.create("t")
    request = MetadataRequest(
        topics=None, include_cluster_authorized_operations=True, include_topic_authorized_operations=True
    )
    found = broker.send(request, 8)
    assert found.topics[0].topic_authorized_operations > 0
    assert found.cluster_authorized_operations > 0
    assert broker.send(MetadataRequest(topics=None), 8).cluster_authorized_operations == -(1 << 31)


def test_an_offline_partition_has_no_leader(broker: MemoryBroker) -> None:
    broker.create("t", 2)
    broker.state.partitions["t"][1] = None
    found = broker.send(MetadataRequest(topics=None), 9).topics[0].partitions
    assert [(one.leader_id, one.error_code) for one in found] == [(1, 0), (-1, E.LEADER_NOT_AVAILABLE)]


def test_topics_in_pages(broker: MemoryBroker) -> None:
    for name in ("a", "b", "c"):
        broker.create(name, 2)
    pages, cursor = [], None
    while True:
        request = DescribeTopicPartitionsRequest(response_partition_limit=3, cursor=cursor)
        found = broker.send(request)
        pages.append([(t.name, [p.partition_index for p in t.partitions]) for t in found.topics])
        if found.next_cursor is None:
            break
        cursor = Cursor(
            topic_name=found.next_cursor.topic_name, partition_index=found.next_cursor.partition_index
        )
    assert pages == [[("a", [0, 1]), ("b", [0])], [("b", [1]), ("c", [0, 1])]]
    unknown = broker.send(DescribeTopicPartitionsRequest(topics=[TopicRequest(name="x")]))
    assert unknown.topics[0].error_code == E.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("version", range(3))
def test_the_cluster(broker: MemoryBroker, version: int) -> None:
    found = broker.send(DescribeClusterRequest(), version)
    assert (found.error_code, found.cluster_id, found.controller_id) == (0, broker.state.image.cluster_id, 1)
    if version:
        for kind, code in ((2, E.MISMATCHED_ENDPOINT_TYPE), (3, E.UNSUPPORTED_ENDPOINT_TYPE)):
            assert broker.send(DescribeClusterRequest(endpoint_type=kind), version).error_code == code
