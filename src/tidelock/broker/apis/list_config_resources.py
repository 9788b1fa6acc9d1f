"""ListConfigResources (74), v0-1: what has configs.

KIP-714 (v0: client metrics only, of which there are none), KIP-1142 (v1: by type; none given = all). Topics
and the broker have configs, and the groups that were given some; loggers and client metrics have none here.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
KNOWN = {TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP}
TYPES_SINCE = 1


def handle(
    state: BrokerState, request: ListConfigResourcesRequest, call: Call
) -> ListConfigResourcesResponse:
    """List the resources of the types asked for."""
    wanted = {CLIENT_METRICS} if call.version < TYPES_SINCE else {*request.resource_types} or KNOWN
    if not wanted <= KNOWN:
        return ListConfigResourcesResponse(error_code=int(ErrorCode.UNSUPPORTED_VERSION))
    names = [(GROUP, name) for name in state.image.group_configs]
    names += [(TOPIC, name) for name in state.image.topics]
    names.append((BROKER, str(state.settings.node_id)))
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_type=kind, resource_name=name) for kind, name in names if kind in wanted
        ]
    )
