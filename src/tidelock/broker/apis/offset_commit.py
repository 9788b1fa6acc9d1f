"""OffsetCommit (8), v2-10: make a group's positions durable.

v6 leader epoch, v7 static members, v9 member epoch in the generation's place (KIP-848; classic members say
their generation there), v10 topic ids instead of names (KIP-848). Partitions that do not exist are refused
one by one; so is metadata longer than `offset.metadata.max.bytes`. The retention time of v2-4 is not
honoured, as in Kafka since KIP-211 made it the group's.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.coordinator import Committer
from tidelock.broker.groups.records import OffsetCommitted
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)


def handle(state: BrokerState, request: OffsetCommitRequest, call: Call) -> OffsetCommitResponse:
    """Commit what can be committed."""
    whole = _check_group(state, request, call)
    records: list[OffsetCommitted] = []
    response = OffsetCommitResponse(
        topics=[_topic(state, request, topic, whole, records, call) for topic in request.topics]
    )
    try:
        state.groups.commit(records, call.now)
    except KafkaError as error:
        for topic in response.topics:
            for partition in topic.partitions:
                partition.error_code = partition.error_code or error.error_code
    return response


def _check_group(state: BrokerState, request: OffsetCommitRequest, call: Call) -> int:
    """The error that holds for the whole request; 0 if it may commit."""
    if not request.group_id:
        return errors.InvalidGroupId.error_code
    try:
        state.groups.check_commit(
            request.group_id,
            Committer(request.member_id, request.group_instance_id, request.generation_id_or_member_epoch),
            call.now,
        )
    except KafkaError as error:
        return error.error_code
    return 0


def _topic(
    state: BrokerState,
    request: OffsetCommitRequest,
    topic: OffsetCommitRequestTopic,
    whole: int,
    records: list[OffsetCommitted],
    call: Call,
) -> OffsetCommitResponseTopic:
    name = topic.name
    if call.version >= 10:
        found = state.image.by_id.get(topic.topic_id)
        name = found.name if found else ""
        whole = whole or (0 if found else errors.UnknownTopicId.error_code)
    results = []
    for partition in topic.partitions:
        error = whole or _check(state, name, partition)
        if not error:
            records.append(_record(request.group_id, name, partition, call))
        results.append(
            OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error)
        )
    return OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=results)


def _check(state: BrokerState, name: str, partition: OffsetCommitRequestPartition) -> int:
    count = len(state.partitions.get(name, ()))
    if not 0 <= partition.partition_index < count:
        return errors.UnknownTopicOrPartition.error_code
    if len(partition.committed_metadata or "") > state.settings.offset_metadata_max_bytes:
        return errors.OffsetMetadataTooLarge.error_code
    return 0


def _record(group_id: str, name: str, partition: OffsetCommitRequestPartition, call: Call) -> OffsetCommitted:
    return OffsetCommitted(
        group_id,
        name,
        partition.partition_index,
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata or "",
        call.now.wall_ms,
    )
