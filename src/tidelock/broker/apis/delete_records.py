"""DeleteRecords (21), v0-2: move a partition's log start (KIP-107); -1 = up to the high watermark."""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState, is_internal
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)


def handle(state: BrokerState, request: DeleteRecordsRequest, call: Call) -> DeleteRecordsResponse:
    """Delete in each partition."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name, partitions=[_delete(state, topic.name, one) for one in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _delete(state: BrokerState, topic: str, asked: DeleteRecordsPartition) -> DeleteRecordsPartitionResult:
    answer = DeleteRecordsPartitionResult(partition_index=asked.partition_index, low_watermark=-1)
    try:
        partition = state.partition(topic, asked.partition_index)
        if is_internal(topic):
            raise errors.InvalidTopic(f"topic {topic!r} belongs to the broker")
        if "delete" not in state.log_settings(topic).cleanup_policy:
            raise errors.PolicyViolation(f"topic {topic!r} is compacted: records go by key, not by offset")
        answer.low_watermark = partition.delete_records_before(asked.offset)
    except KafkaError as error:
        answer.error_code = error.error_code
    return answer
