"""TxnOffsetCommit (28), v0-5: positions that count when, and only if, a transaction commits (KIP-98).

v2 leader epoch; v3 who commits (KIP-447), so that a member that was pushed out is refused; v4
TRANSACTION_ABORTABLE; v5 the commit adds the group to the transaction (KIP-890).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.enrolment import Enrolment, Support, enrol
from tidelock.broker.groups.coordinator import Committer
from tidelock.broker.groups.records import OffsetCommitted
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from tidelock.protocol.records import Producer

ABORTABLE_SINCE, IMPLICIT_ADD_SINCE = 4, 5


def handle(state: BrokerState, request: TxnOffsetCommitRequest, call: Call) -> TxnOffsetCommitResponse:
    """Hold the positions until the transaction ends."""
    records: list[OffsetCommitted] = []
    topics = []
    for topic in request.topics:
        results = []
        for partition in topic.partitions:
            code = _check(state, topic.name, partition)
            if not code:
                records.append(_record(request.group_id, topic.name, partition, call))
            results.append(
                TxnOffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
            )
        topics.append(TxnOffsetCommitResponseTopic(name=topic.name, partitions=results))
    try:
        if records:
            _commit(state, request, records, call)
    except KafkaError as error:
        for answer in topics:
            for result in answer.partitions:
                result.error_code = result.error_code or error.error_code
    return TxnOffsetCommitResponse(topics=topics)


def _commit(
    state: BrokerState, request: TxnOffsetCommitRequest, records: list[OffsetCommitted], call: Call
) -> None:
    if not request.group_id:
        raise errors.InvalidGroupId("the group id is empty")
    if not request.transactional_id:
        raise errors.InvalidRequest("the transactional id is empty")
    support = Support.IMPLICIT_ADD if call.version >= IMPLICIT_ADD_SINCE else Support.OLD
    if call.version == ABORTABLE_SINCE:
        support = Support.ABORTABLE_ERROR
    producer = ProducerName(request.producer_id, request.producer_epoch)
    partition = state.offsets_partition(call.now)
    enrol(state, partition, producer, Enrolment(request.transactional_id, support), call.now)
    committer = Committer(request.member_id, request.group_instance_id, request.generation_id)
    state.groups.check_commit(request.group_id, committer, call.now, transactional=True)
    state.groups.commit(records, call.now, Producer(producer.id, producer.epoch))


def _check(state: BrokerState, name: str, partition: TxnOffsetCommitRequestPartition) -> int:
    if not 0 <= partition.partition_index < len(state.partitions.get(name, ())):
        return errors.UnknownTopicOrPartition.error_code
    if len(partition.committed_metadata or "") > state.settings.offset_metadata_max_bytes:
        return errors.OffsetMetadataTooLarge.error_code
    return 0


def _record(
    group_id: str, name: str, partition: TxnOffsetCommitRequestPartition, call: Call
) -> OffsetCommitted:
    return OffsetCommitted(
        group_id,
        name,
        partition.partition_index,
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata or "",
        call.now.wall_ms,
    )
