"""AlterPartitionReassignments (45), v0-1: replicas can only be where they are.

KIP-455, v1 allow_replication_factor_change (KIP-860). The assignment that holds anyway succeeds; any other
names brokers that there are not. Nothing is ever under way that could be cancelled (null replicas).
"""

from __future__ import annotations

from collections.abc import Sequence

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


def handle(
    state: BrokerState, request: AlterPartitionReassignmentsRequest, call: Call
) -> AlterPartitionReassignmentsResponse:
    """Judge every assignment."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    _judged(state, topic.name, one.partition_index, one.replicas) for one in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def _judged(
    state: BrokerState, topic: str, index: int, replicas: Sequence[int] | None
) -> ReassignablePartitionResponse:
    try:
        state.partition(topic, index)
        if replicas is None:
            raise errors.NoReassignmentInProgress(f"nothing is being moved in {topic}-{index}")
        if list(replicas) != [state.settings.node_id]:
            raise errors.InvalidReplicaAssignment(f"the only broker is {state.settings.node_id}")
    except KafkaError as error:
        return ReassignablePartitionResponse(
            partition_index=index, error_code=error.error_code, error_message=error.what
        )
    return ReassignablePartitionResponse(partition_index=index, error_message=None)
