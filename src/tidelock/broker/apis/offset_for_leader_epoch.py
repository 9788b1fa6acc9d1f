"""OffsetForLeaderEpoch (23), v2-4: where a leader epoch ended.

So that a client notices lost records (KIP-320).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.leader_epoch import check_leader_epoch
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


def handle(
    state: BrokerState, request: OffsetForLeaderEpochRequest, call: Call
) -> OffsetForLeaderEpochResponse:
    """Look each partition's epoch up."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_look_up(state, topic.topic, one) for one in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _look_up(state: BrokerState, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    answer = EpochEndOffset(partition=asked.partition)
    try:
        partition = state.partition(topic, asked.partition)
        check_leader_epoch(partition, asked.current_leader_epoch)
        answer.leader_epoch, answer.end_offset = partition.epoch_end_offset(asked.leader_epoch)
    except KafkaError as error:
        answer.error_code = error.error_code
    return answer
