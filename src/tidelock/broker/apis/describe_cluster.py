"""DescribeCluster (60), v0-2: cluster id and brokers.

KIP-700; v1 endpoint type (KIP-919), v2 fenced brokers (KIP-1073: there are none). Only broker endpoints (1)
are served; controllers (2) are MISMATCHED_ENDPOINT_TYPE, others UNSUPPORTED_ENDPOINT_TYPE.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.metadata import CLUSTER_OPERATIONS, NOT_ASKED
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS, CONTROLLERS = 1, 2


def handle(state: BrokerState, request: DescribeClusterRequest, call: Call) -> DescribeClusterResponse:
    """Describe the cluster of one."""
    if request.endpoint_type != BROKERS:
        controllers = request.endpoint_type == CONTROLLERS
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE if controllers else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        return DescribeClusterResponse(
            error_code=int(code), error_message=f"endpoint type {request.endpoint_type} is not served here"
        )
    host, port = state.endpoint
    own = state.settings.node_id
    return DescribeClusterResponse(
        cluster_id=state.image.cluster_id,
        controller_id=own,
        brokers=[DescribeClusterBroker(broker_id=own, host=host, port=port)],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )
