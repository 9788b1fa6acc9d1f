"""The group APIs as clients see them: every version on the way from join to deletion."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import MemoryBroker
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from tidelock.protocol.messages.delete_groups import DeleteGroupsRequest
from tidelock.protocol.messages.describe_groups import DescribeGroupsRequest
from tidelock.protocol.messages.find_coordinator import FindCoordinatorRequest
from tidelock.protocol.messages.heartbeat import HeartbeatRequest
from tidelock.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidelock.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidelock.protocol.messages.list_groups import ListGroupsRequest
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidelock.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidelock.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tidelock.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 2)
    return found


def subscription(*topics: str) -> bytes:
    out = bytearray(b"\0\1")
    ConsumerProtocolSubscription(topics=list(topics), user_data=None).encode(1, out)
    return bytes(out)


def join(broker: MemoryBroker, member: str = "", version: int = 9, instance: str | None = None) -> Any:
    protocol = JoinGroupRequestProtocol(name="range", metadata=subscription("t"))
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=30_000,
        member_id=member,
        group_instance_id=instance,
        protocol_type="consumer",
        protocols=[protocol],
    )
    return broker.send(request, version)


def joined(broker: MemoryBroker, version: int = 9) -> Any:
    answer = join(broker, version=version)
    if version >= 4:
        assert answer.error_code == E.MEMBER_ID_REQUIRED
        answer = join(broker, answer.member_id, version)
    assert answer.error_code == 0
    return answer


def sync(broker: MemoryBroker, member: str, generation: int, version: int = 5) -> Any:
    request = SyncGroupRequest(
        group_id="g",
        generation_id=generation,
        member_id=member,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(member_id=member, assignment=b"plan")],
    )
    return broker.send(request, version)


def stable(broker: MemoryBroker) -> str:
    answer = joined(broker)
    assert sync(broker, answer.member_id, answer.generation_id).error_code == 0
    return str(answer.member_id)


def commit(
    broker: MemoryBroker,
    offset: int,
    version: int = 9,
    *,
    partition: int = 0,
    topic: str = "t",
    **fields: Any,
) -> int:
    found = broker.state.image.topics.get(topic)
    wanted = OffsetCommitRequestTopic(
        name=topic,
        topic_id=found.topic_id if found else b"\1" * 16,
        partitions=[
            OffsetCommitRequestPartition(
                partition_index=partition,
                committed_offset=offset,
                committed_leader_epoch=3,
                committed_metadata=fields.pop("metadata", "note"),
            )
        ],
    )
    request = OffsetCommitRequest(group_id=fields.pop("group_id", "g"), topics=[wanted], **fields)
    return int(broker.send(request, version).topics[0].partitions[0].error_code)


@pytest.mark.parametrize("version", range(10))
def test_join_of_every_version(broker: MemoryBroker, version: int) -> None:
    answer = joined(broker, version)
    assert (answer.generation_id, answer.protocol_name) == (1, "range")
    assert answer.leader == answer.member_id
    assert [one.metadata for one in answer.members] == [subscription("t")]
    if version >= 7:
        assert answer.protocol_type == "consumer"


@pytest.mark.parametrize("version", range(10))
def test_join_errors_of_every_version(broker: MemoryBroker, version: int) -> None:
    answer = join(broker, "ghost", version)
    assert (answer.error_code, answer.member_id) == (E.UNKNOWN_MEMBER_ID, "ghost")


@pytest.mark.parametrize("version", range(6))
def test_sync_of_every_version(broker: MemoryBroker, version: int) -> None:
    answer = joined(broker)
    assert sync(broker, answer.member_id, 9, version).error_code == E.ILLEGAL_GENERATION
    found = sync(broker, answer.member_id, 1, version)
    assert (found.error_code, found.assignment) == (0, b"plan")


def test_sync_must_name_its_protocol_from_version_5(broker: MemoryBroker) -> None:
    answer = joined(broker)
    request = SyncGroupRequest(group_id="g", generation_id=1, member_id=answer.member_id)
    assert broker.send(request, 5).error_code == E.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", range(5))
def test_heartbeat_of_every_version(broker: MemoryBroker, version: int) -> None:
    member = stable(broker)
    beat = HeartbeatRequest(group_id="g", generation_id=1, member_id=member)
    assert broker.send(beat, version).error_code == 0
    waiting = join(broker, version=3)
    assert isinstance(waiting, Parked)
    assert broker.send(beat, version).error_code == E.REBALANCE_IN_PROGRESS


@pytest.mark.parametrize("version", range(6))
def test_leave_of_every_version(broker: MemoryBroker, version: int) -> None:
    member = stable(broker)
    request = LeaveGroupRequest(
        group_id="g",
        member_id=member,
        members=[MemberIdentity(member_id=member), MemberIdentity(member_id="x")],
    )
    answer = broker.send(request, version)
    assert answer.error_code == 0
    if version >= 3:
        assert [one.error_code for one in answer.members] == [0, E.UNKNOWN_MEMBER_ID]
    assert broker.send(request, version).error_code == (0 if version >= 3 else E.UNKNOWN_MEMBER_ID)


@pytest.mark.parametrize("version", range(2, 11))
def test_commit_and_fetch_of_every_version(broker: MemoryBroker, version: int) -> None:
    assert commit(broker, 42, version) == 0
    unknown = E.UNKNOWN_TOPIC_ID if version >= 10 else E.UNKNOWN_TOPIC_OR_PARTITION
    assert commit(broker, 42, version, topic="u") == unknown
    assert commit(broker, 42, version, partition=2) == E.UNKNOWN_TOPIC_OR_PARTITION
    assert commit(broker, 42, version, metadata="x" * 4097) == E.OFFSET_METADATA_TOO_LARGE
    assert commit(broker, 42, version, group_id="") == E.INVALID_GROUP_ID
    assert commit(broker, 42, version, generation_id_or_member_epoch=1) == E.UNKNOWN_MEMBER_ID
    position = broker.state.groups.groups["g"].offsets["t", 0]
    assert (position.offset, position.metadata) == (42, "note")


def fetched(broker: MemoryBroker, version: int, *, everything: bool, group: str = "g") -> list[Any]:
    topic_id = broker.state.image.topics["t"].topic_id
    request = OffsetFetchRequest(
        group_id=group,
        topics=None if everything else [OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])],
        groups=[
            OffsetFetchRequestGroup(
                group_id=group,
                topics=None
                if everything
                else [OffsetFetchRequestTopics(name="t", topic_id=topic_id, partition_indexes=[0, 1])],
            )
        ],
    )
    answer = broker.send(request, version)
    topics = answer.groups[0].topics if version >= 8 else answer.topics
    return [
        (one.partition_index, one.committed_offset, one.metadata)
        for topic in topics
        for one in topic.partitions
    ]


@pytest.mark.parametrize("version", range(1, 11))
def test_positions_are_fetched_in_every_version(broker: MemoryBroker, version: int) -> None:
    commit(broker, 42)
    assert fetched(broker, version, everything=False) == [(0, 42, "note"), (1, -1, "")]
    assert fetched(broker, version, everything=False, group="nobody") == [(0, -1, ""), (1, -1, "")]
    if version >= 2:
        assert fetched(broker, version, everything=True) == [(0, 42, "note")]


@pytest.mark.parametrize("version", range(7))
def test_groups_are_described_in_every_version(broker: MemoryBroker, version: int) -> None:
    stable(broker)
    found, unknown = broker.send(DescribeGroupsRequest(groups=["g", "u"]), version).groups
    assert (found.group_state, found.protocol_type, found.protocol_data) == ("Stable", "consumer", "range")
    (member,) = found.members
    assert (member.client_id, member.client_host, member.member_assignment) == (
        "client",
        "/127.0.0.1",
        b"plan",
    )
    assert unknown.group_state == "Dead"
    assert unknown.error_code == (E.GROUP_ID_NOT_FOUND if version >= 6 else 0)


@pytest.mark.parametrize("version", range(6))
def test_groups_are_listed_in_every_version(broker: MemoryBroker, version: int) -> None:
    stable(broker)
    (found,) = broker.send(ListGroupsRequest(), version).groups
    assert (found.group_id, found.protocol_type) == ("g", "consumer")
    if version >= 4:
        assert found.group_state == "Stable"
        assert broker.send(ListGroupsRequest(states_filter=["Empty"]), version).groups == []


@pytest.mark.parametrize("version", range(3))
def test_groups_are_deleted_in_every_version(broker: MemoryBroker, version: int) -> None:
    member = stable(broker)
    request = DeleteGroupsRequest(groups_names=["g", "u"])
    assert [one.error_code for one in broker.send(request, version).results] == [
        E.NON_EMPTY_GROUP,
        E.GROUP_ID_NOT_FOUND,
    ]
    broker.send(LeaveGroupRequest(group_id="g", member_id=member), 0)
    assert broker.send(request, version).results[0].error_code == 0


def test_single_positions_are_deleted(broker: MemoryBroker) -> None:
    broker.create("other")
    commit(broker, 1)
    commit(broker, 2, topic="other")
    stable(broker)

    def delete(topic: str) -> Any:
        partitions = [OffsetDeleteRequestPartition(partition_index=0)]
        request = OffsetDeleteRequest(
            group_id="g", topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)]
        )
        return broker.send(request).topics[0].partitions[0].error_code

    assert delete("t") == E.GROUP_SUBSCRIBED_TO_TOPIC
    assert delete("other") == 0
    assert list(broker.state.groups.groups["g"].offsets) == [("t", 0)]
    assert broker.send(OffsetDeleteRequest(group_id="u")).error_code == E.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize("version", range(7))
def test_this_broker_coordinates_everything(broker: MemoryBroker, version: int) -> None:
    broker.state.endpoint = ("127.0.0.1", 1234)
    for kind in (0, 1, 2)[: 3 if version else 1]:
        answer = broker.send(FindCoordinatorRequest(key="g", key_type=kind, coordinator_keys=["g"]), version)
        found = answer.coordinators[0] if version >= 4 else answer
        expected = (E.INVALID_REQUEST, -1, -1) if kind == 2 else (0, 1, 1234)
        assert (found.error_code, found.node_id, found.port) == expected


def test_a_full_disk_refuses_a_commit(broker: MemoryBroker) -> None:
    commit(broker, 1)
    broker.files.fail("append", 28)
    assert commit(broker, 2) == E.KAFKA_STORAGE_ERROR
    assert broker.state.groups.groups["g"].offsets["t", 0].offset == 1
