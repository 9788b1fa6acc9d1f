"""DescribeProducers (61), v0: what partitions know of their producers (KIP-664).

That is how an administrator finds a transaction that hangs: one that a partition has and no coordinator.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


def handle(state: BrokerState, request: DescribeProducersRequest, call: Call) -> DescribeProducersResponse:
    """Describe each partition."""
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_partition(state, topic.name, index) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(state: BrokerState, topic: str, index: int) -> PartitionResponse:
    try:
        partition = state.partition(topic, index)
    except KafkaError as error:
        return PartitionResponse(partition_index=index, error_code=error.error_code, error_message=error.what)
    return PartitionResponse(
        partition_index=index,
        active_producers=[
            ProducerState(
                producer_id=producer_id,
                producer_epoch=entry.epoch,
                last_sequence=entry.last_sequence,
                last_timestamp=entry.last_seen_ms,
                coordinator_epoch=entry.coordinator_epoch,
                current_txn_start_offset=entry.transaction_start,
            )
            for producer_id, entry in partition.producers.items()
        ],
    )
