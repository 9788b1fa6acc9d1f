"""The node: dispatch, parking, time, durability, reading back."""

from __future__ import annotations

import errno
import struct

import pytest

from tests.support.node import START_MS, MemoryBroker, fetch_request, produce_request
from tidelock.broker.apis.closing import CloseConnection
from tidelock.broker.log import keep_everything
from tidelock.broker.metadata import ClusterNamed, TopicCreated, TopicDeleted, encode
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.api_versions import ApiVersionsResponse
from tidelock.protocol.messages.heartbeat import HeartbeatRequest
from tidelock.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidelock.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tidelock.protocol.primitives import MalformedMessage
from tidelock.protocol.records import Producer, Record, build_batch


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 2)
    return found


def raw(broker: MemoryBroker, key: int, version: int, rest: bytes = b"\xff\xff") -> object:
    frame = bytearray(struct.pack(">hhi", key, version, 9) + rest)
    return broker.node.handle(memoryview(frame), "/127.0.0.1", broker.now())


def storage_errors(broker: MemoryBroker) -> dict[Parked, list[int]]:
    return {
        parked: [one.error_code for one in response.responses[0].partition_responses]
        for parked, response in broker.finished().items()
    }


def records_of(response: object) -> bytes:
    return bytes(response.responses[0].partitions[0].records)  # type: ignore[attr-defined]  # a FetchResponse


def test_an_unknown_api_ends_the_connection(broker: MemoryBroker) -> None:
    with pytest.raises(CloseConnection):
        raw(broker, 999, 0)


@pytest.mark.parametrize(("key", "version"), [(3, 14), (3, -1), (0, 2), (1, 3), (11, 10)])
def test_a_version_that_is_not_served_ends_the_connection(
    broker: MemoryBroker, key: int, version: int
) -> None:
    with pytest.raises(CloseConnection):
        raw(broker, key, version)


def test_an_unknown_version_of_api_versions_is_answered_in_version_0(broker: MemoryBroker) -> None:
    reply = raw(broker, 18, 99)
    assert isinstance(reply, list)
    response, _ = ApiVersionsResponse.decode(reply[0], 0, 8)
    assert response.error_code == E.UNSUPPORTED_VERSION


@pytest.mark.parametrize("frame", [b"", b"\0", b"\0\0\0\x0c\0\0\0\1\0", b"\0\3\0\1\0\0\0\1\0\x20ab"])
def test_a_frame_without_a_header_ends_the_connection(broker: MemoryBroker, frame: bytes) -> None:
    with pytest.raises(MalformedMessage):
        broker.node.handle(memoryview(bytearray(frame)), "/", broker.now())


def test_a_fetch_waits_until_data_arrives(broker: MemoryBroker) -> None:
    parked = broker.send(fetch_request("t", 0, max_wait_ms=500), 11)
    assert isinstance(parked, Parked)
    broker.produce("t", b"elsewhere", partition=1)
    assert broker.finished() == {}
    broker.produce("t", b"here")
    assert b"here" in records_of(broker.finished()[parked])


def test_a_fetch_waits_no_longer_than_it_said(broker: MemoryBroker) -> None:
    parked = broker.send(fetch_request("t", 0, max_wait_ms=500), 11)
    broker.advance(0.499)
    assert broker.finished() == {}
    broker.advance(0.001)
    assert records_of(broker.finished()[parked]) == b""


def test_a_fetch_waits_for_as_many_bytes_as_it_wants(broker: MemoryBroker) -> None:
    broker.produce("t", b"x")
    parked = broker.send(fetch_request("t", 0, max_wait_ms=500, min_bytes=200), 11)
    assert isinstance(parked, Parked)
    broker.produce("t", b"y")
    assert broker.finished() == {}
    broker.produce("t", b"z")
    assert len(records_of(broker.finished()[parked])) > 200


def test_a_fetch_of_a_client_that_is_gone_is_forgotten(broker: MemoryBroker) -> None:
    parked = broker.send(fetch_request("t", 0, max_wait_ms=500), 11)
    broker.node.forget(parked)
    broker.produce("t", b"x")
    broker.advance(1.0)
    assert broker.finished() == {}
    assert broker.state.purgatory.waiting == {}


def test_a_deleted_topic_ends_the_wait(broker: MemoryBroker) -> None:
    parked = broker.send(fetch_request("t", 0, max_wait_ms=500), 11)
    broker.delete("t")
    found = broker.finished()[parked]
    assert found.responses[0].partitions[0].error_code == E.UNKNOWN_TOPIC_OR_PARTITION


def test_replies_to_writes_are_held_until_the_flush() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    one, two = broker.produce("t", b"1"), broker.produce("t", b"2")
    assert broker.node.flush_is_due
    assert broker.finished() == {}
    job = broker.node.begin_flush()
    assert job is not None
    job.run()
    three = broker.produce("t", b"3")
    assert not broker.node.flush_is_due
    broker.node.end_flush(job)
    assert set(broker.finished()) == {one, two}
    broker.restart(clean=False)
    assert broker.state.partition("t", 0).log_end_offset == 2
    assert isinstance(three, Parked)


def flush(broker: MemoryBroker) -> None:
    job = broker.node.begin_flush()
    assert job is not None
    job.run()
    broker.node.end_flush(job)


def seen(broker: MemoryBroker, isolation: int) -> tuple[int, int, int]:
    found = broker.send(fetch_request("t", 0, isolation_level=isolation), 11).responses[0].partitions[0]
    return found.high_watermark, found.last_stable_offset, len(found.records)


@pytest.mark.parametrize("isolation", [0, 1])
def test_records_are_read_once_they_are_durable(isolation: int) -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    produced = broker.produce("t", b"1")
    assert seen(broker, isolation) == (0, 0, 0)
    parked = broker.send(fetch_request("t", 0, max_wait_ms=5000, isolation_level=isolation), 11)
    assert broker.finished() == {}
    flush(broker)
    finished = broker.finished()
    assert set(finished) == {produced, parked}
    assert records_of(finished[parked])
    assert seen(broker, isolation)[:2] == (1, 1)
    broker.produce("t", b"2")
    broker.kill()
    assert seen(broker, isolation)[:2] == (2, 2)
    broker.restart(clean=False)
    assert seen(broker, isolation)[:2] == (2, 2)


def test_what_cannot_be_made_durable_at_a_start_is_offline() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    broker.produce("t", b"1")
    broker.files.crash(keep_everything)
    broker.files.fail("sync", after=3)  # behind those of the metadata log and the leader epoch
    broker.open()
    assert broker.node.report.offline.keys() == {("t", 0)}


def test_records_nobody_waits_for_are_flushed_for_the_readers() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    assert broker.produce("t", b"1", acks=0) is None
    assert broker.node.flush_is_due
    flush(broker)
    assert not broker.node.flush_is_due
    assert seen(broker, 0)[0] == 1


def test_a_repeated_batch_is_acknowledged_with_the_first() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    batch = build_batch([Record(0, START_MS, None, b"1")], producer=Producer(1, 0, 0))
    first, again = (broker.send(produce_request("t", bytes(batch)), 12) for _ in range(2))
    assert isinstance(again, Parked)
    flush(broker)
    assert set(broker.finished()) == {first, again}
    known = broker.send(produce_request("t", bytes(batch)), 12)
    assert known.responses[0].partition_responses[0].base_offset == 0


def test_what_arrived_during_a_flush_that_failed_is_not_acknowledged() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    first = broker.produce("t", b"1")
    job = broker.node.begin_flush()
    assert job is not None
    second = broker.produce("t", b"2")
    broker.files.fail("sync")
    job.run()
    broker.node.end_flush(job)
    assert storage_errors(broker) == {first: [E.KAFKA_STORAGE_ERROR]}
    assert broker.node.flush_is_due
    assert broker.node.begin_flush() is None
    assert storage_errors(broker) == {second: [E.KAFKA_STORAGE_ERROR]}


def test_a_failed_flush_is_answered_for_the_partitions_concerned_only() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t", 3)
    both = produce_request("t", build_batch([Record(0, START_MS, None, b"1")]))
    second = produce_request("t", build_batch([Record(0, START_MS, None, b"2")]), partition=1)
    both.topic_data[0].partition_data += second.topic_data[0].partition_data
    wide, sound = broker.send(both, 12), broker.produce("t", b"3", partition=2)
    job = broker.node.begin_flush()
    assert job is not None
    late = broker.produce("t", b"4", partition=2)
    broker.files.fail("sync", after=1)
    job.run()
    assert job.failures.keys() == {("t", 0)}
    broker.node.end_flush(job)
    assert storage_errors(broker) == {wide: [E.KAFKA_STORAGE_ERROR, 0], sound: [0]}
    flush(broker)
    assert storage_errors(broker) == {late: [0]}


@pytest.mark.parametrize("version", [3, 7, 8, 9, 12])
def test_a_result_that_is_taken_back_names_no_offset(version: int) -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    parked = broker.produce("t", b"1", version=version)
    broker.files.fail("sync")
    flush(broker)
    (result,) = broker.finished()[parked].responses[0].partition_responses
    assert (result.error_code, result.base_offset) == (E.KAFKA_STORAGE_ERROR, -1)


def test_a_commit_whose_flush_failed_ends_its_connection() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    position = OffsetCommitRequestPartition(partition_index=0, committed_offset=5)
    topic = OffsetCommitRequestTopic(name="t", partitions=[position])
    parked = broker.send(OffsetCommitRequest(group_id="g", topics=[topic]), 8)
    broker.files.fail("sync")
    flush(broker)
    assert broker.finished() == {parked: None}


def test_the_operator_is_told_once_that_the_disk_is_full(broker: MemoryBroker) -> None:
    for _ in range(3):
        broker.files.fail("append", errno.ENOSPC)
        response = broker.produce("t", b"1").responses[0].partition_responses[0]
        assert response.error_code == E.KAFKA_STORAGE_ERROR
    (line,) = broker.state.logs.troubles.due(0.0)
    assert "t-0" in line
    assert "free disk space" in line
    assert broker.produce("t", b"1").responses[0].partition_responses[0].error_code == 0
    assert broker.state.logs.troubles.due(1.0) == []


@pytest.mark.parametrize("isolation", [0, 1])
@pytest.mark.parametrize("policy", ["group", "os"])
def test_readers_of_a_partition_that_fails_are_told(policy: str, isolation: int) -> None:
    broker = MemoryBroker(tidelock_flush_policy=policy)
    broker.create("t")
    broker.produce("t", b"0")
    if policy == "group":
        flush(broker)
    waiting = fetch_request("t", 1, max_wait_ms=5000, isolation_level=isolation)
    parked = broker.send(waiting, 11)
    if policy == "group":
        broker.produce("t", b"1")
        broker.files.fail("sync")
        flush(broker)
    else:
        broker.files.fail("append", short=4)
        broker.files.fail("truncate")
        broker.produce("t", b"1")
    for answer in (broker.finished()[parked], broker.send(waiting, 11)):
        assert answer.responses[0].partitions[0].error_code == E.KAFKA_STORAGE_ERROR


def test_after_a_failed_flush_nothing_is_taken_any_more() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    broker.produce("t", b"1")
    broker.files.fail("sync")
    flush(broker)
    assert [line for line in broker.state.logs.troubles.due(0.0) if "offline" in line]
    response = broker.produce("t", b"2")
    assert response.responses[0].partition_responses[0].error_code == E.KAFKA_STORAGE_ERROR


def join(broker: MemoryBroker, member: str = "", version: int = 3) -> JoinGroupRequest:
    return broker.send(  # type: ignore[no-any-return]  # what `send` returns depends on the request
        JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=30_000,
            member_id=member,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
        ),
        version,
    )


def test_a_group_from_join_to_restart(broker: MemoryBroker) -> None:
    joined = join(broker)
    assert joined.error_code == 0  # type: ignore[attr-defined]  # a JoinGroupResponse
    member = joined.member_id
    assignment = SyncGroupRequestAssignment(member_id=member, assignment=b"all")
    synced = broker.send(
        SyncGroupRequest(group_id="g", generation_id=1, member_id=member, assignments=[assignment]), 3
    )
    assert (synced.error_code, bytes(synced.assignment)) == (0, b"all")
    commit = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=1,
        member_id=member,
        topics=[
            OffsetCommitRequestTopic(
                name="t",
                partitions=[
                    OffsetCommitRequestPartition(partition_index=0, committed_offset=42),
                    OffsetCommitRequestPartition(partition_index=7, committed_offset=42),
                ],
            )
        ],
    )
    results = broker.send(commit, 8).topics[0].partitions
    assert [one.error_code for one in results] == [0, E.UNKNOWN_TOPIC_OR_PARTITION]
    broker.restart()
    group = broker.state.groups.groups["g"]
    assert group.offsets["t", 0].offset == 42
    beat = HeartbeatRequest(group_id="g", generation_id=1, member_id=member)
    assert broker.send(beat).error_code == 0
    broker.advance(11.0)
    assert broker.send(beat).error_code == E.UNKNOWN_MEMBER_ID


def test_a_join_waits_for_the_others(broker: MemoryBroker) -> None:
    first = join(broker).member_id
    waiting = join(broker)
    assert isinstance(waiting, Parked)
    again = join(broker, first)
    assert again.generation_id == 2  # type: ignore[attr-defined]  # a JoinGroupResponse
    assert broker.finished()[waiting].generation_id == 2


def test_topics_and_their_ids_survive_a_restart(broker: MemoryBroker) -> None:
    broker.produce("t", b"1", b"2")
    before = {name: topic.topic_id for name, topic in broker.state.image.topics.items()}
    cluster = broker.state.image.cluster_id
    for clean in (True, False):
        broker.restart(clean=clean)
        assert {name: topic.topic_id for name, topic in broker.state.image.topics.items()} == before
        assert broker.state.image.cluster_id == cluster
        assert len(broker.state.partitions["t"]) == 2
    assert len(cluster) == 22


def test_a_restart_raises_the_leader_epoch(broker: MemoryBroker) -> None:
    epoch = broker.state.partition("t", 0).leader_epoch
    broker.restart()
    assert broker.state.partition("t", 0).leader_epoch == epoch + 1


def test_a_deletion_that_a_crash_interrupted_is_finished(broker: MemoryBroker) -> None:
    broker.state.metadata.commit(TopicDeleted("t"))
    broker.restart(clean=False)
    assert "t" not in broker.state.partitions
    assert not [name for name in broker.files.list("") if name.startswith("t-")]


def test_a_partition_of_an_unknown_topic_is_set_aside(broker: MemoryBroker) -> None:
    broker.produce("t", b"precious")
    topic_id = broker.state.partition("t", 0).topic_id
    size = broker.files.size("t-0/00000000000000000000.log")
    log = broker.files.open("metadata.log")
    log.truncate(0)
    log.append(encode(ClusterNamed("c")))
    broker.kill()
    kept = f"t-0.{topic_id.hex()}-stray"
    assert broker.node.report.strays == {("t", 0): kept}
    assert broker.files.size(f"{kept}/00000000000000000000.log") == size
    broker.create("t")
    assert broker.state.partition("t", 0).log_end_offset == 0


def test_a_flush_is_not_that_of_a_topic_created_again_meanwhile() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    broker.produce("t", b"x", b"y")
    for failing in (False, True):
        job = broker.node.begin_flush()
        assert job is not None
        broker.delete("t")
        broker.create("t")
        if failing:
            broker.files.fail("sync")
        job.run()
        broker.node.end_flush(job)
        partition = broker.state.partition("t", 0)
        assert (partition.recovery_point, partition.offline) == (0, None)
        broker.produce("t", b"z")


def test_a_creation_that_a_crash_interrupted_is_finished(broker: MemoryBroker) -> None:
    broker.state.metadata.commit(TopicCreated("u", "0" * 31 + "1", 3, {}))
    broker.restart(clean=False)
    assert [one.log_end_offset for one in broker.state.partitions["u"] if one] == [0, 0, 0]


def test_metadata_creates_what_it_is_asked_for(broker: MemoryBroker) -> None:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name="new")])
    (topic,) = broker.send(asked, 9).topics
    assert (topic.error_code, len(topic.partitions)) == (0, 4)


def test_retention_runs_from_time_alone() -> None:
    broker = MemoryBroker(log_retention_ms=1000, log_segment_bytes=200)
    broker.create("t")
    for _ in range(5):
        broker.produce("t", b"x" * 100)
    broker.advance(301.0)
    assert broker.state.partition("t", 0).log_start_offset == 5


def test_a_producer_id_is_never_given_twice(broker: MemoryBroker) -> None:
    given = {broker.state.next_producer_id() for _ in range(1500)}
    broker.restart(clean=False)
    given |= {broker.state.next_producer_id() for _ in range(1500)}
    assert len(given) == 3000


def test_no_acks_no_reply_but_an_end_on_failure(broker: MemoryBroker) -> None:
    assert broker.produce("t", b"x", acks=0) is None
    assert broker.state.partition("t", 0).log_end_offset == 1
    with pytest.raises(CloseConnection):
        broker.send(produce_request("ghost", b"", acks=0), 9)
