"""DescribeQuorum (55), v0-2: who decides about the metadata: this broker alone.

KIP-595; v1 fetch timestamps (KIP-836), v2 nodes and error messages (KIP-853). The metadata log's offset is
the number of its changes.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    ReplicaState,
    ResponsePartitionData,
    ResponseTopicData,
)

METADATA_TOPIC = "__cluster_metadata"


def handle(state: BrokerState, request: DescribeQuorumRequest, call: Call) -> DescribeQuorumResponse:
    """Describe the metadata's partition; there is no quorum for any other."""
    host, port = state.endpoint
    listener = Listener(name="PLAINTEXT", host=host, port=port)
    return DescribeQuorumResponse(
        error_message=None,
        topics=[
            ResponseTopicData(
                topic_name=topic.topic_name,
                partitions=[
                    _quorum(state, topic.topic_name, one.partition_index, call) for one in topic.partitions
                ],
            )
            for topic in request.topics
        ],
        nodes=[Node(node_id=state.settings.node_id, listeners=[listener])],
    )


def _quorum(state: BrokerState, topic: str, index: int, call: Call) -> ResponsePartitionData:
    if (topic, index) != (METADATA_TOPIC, 0):
        return ResponsePartitionData(
            partition_index=index,
            error_code=int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            error_message=f"{topic}-{index} has no quorum",
            leader_id=-1,
            leader_epoch=-1,
            high_watermark=-1,
        )
    end = state.image.epoch
    own = ReplicaState(
        replica_id=state.settings.node_id,
        log_end_offset=end,
        last_fetch_timestamp=call.now.wall_ms,
        last_caught_up_timestamp=call.now.wall_ms,
    )
    return ResponsePartitionData(
        partition_index=index,
        error_message=None,
        leader_id=state.settings.node_id,
        leader_epoch=state.logs.leader_epoch,
        high_watermark=end,
        current_voters=[own],
    )
