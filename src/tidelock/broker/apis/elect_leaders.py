"""ElectLeaders (43), v0-2: every partition is led by its only replica, so no election is ever needed.

KIP-183, v1 election type (KIP-460). Asked about all partitions (null), those that need none are left out, as
in Kafka.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)


def handle(state: BrokerState, request: ElectLeadersRequest, call: Call) -> ElectLeadersResponse:
    """Answer that nothing has to be done."""
    return ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[_elected(state, topic.topic, index) for index in topic.partitions],
            )
            for topic in request.topic_partitions or ()
        ]
    )


def _elected(state: BrokerState, topic: str, index: int) -> PartitionResult:
    try:
        state.partition(topic, index)
    except KafkaError as error:
        return PartitionResult(partition_id=index, error_code=error.error_code, error_message=error.what)
    return PartitionResult(
        partition_id=index,
        error_code=int(ErrorCode.ELECTION_NOT_NEEDED),
        error_message="the only replica leads",
    )
