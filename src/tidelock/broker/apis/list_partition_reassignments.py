"""ListPartitionReassignments (46), v0: none is ever under way on a single broker (KIP-455)."""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def handle(
    state: BrokerState, request: ListPartitionReassignmentsRequest, call: Call
) -> ListPartitionReassignmentsResponse:
    """Answer with nothing, as Kafka does for partitions that are not being moved."""
    return ListPartitionReassignmentsResponse(error_message=None)
