"""AlterConfigs (33), v0-2: replace all configs of a topic or of the broker (KIP-133; deprecated by KIP-339).

Keys that are not named fall back to their defaults.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.config_changes import Resource
from tidelock.broker.changes import Steps, in_order
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


def handle(state: BrokerState, request: AlterConfigsRequest, call: Call) -> Steps[AlterConfigsResponse]:
    """Replace each resource's configs."""
    responses = yield from in_order(_alter(state, one, request.validate_only) for one in request.resources)
    return AlterConfigsResponse(responses=responses)


def _alter(
    state: BrokerState, asked: AlterConfigsResource, validate_only: bool
) -> Steps[AlterConfigsResourceResponse]:
    answer = AlterConfigsResourceResponse(
        error_message=None, resource_type=asked.resource_type, resource_name=asked.resource_name
    )
    try:
        resource = Resource(state, asked.resource_type, asked.resource_name)
        yield from resource.change(
            {one.name: one.value for one in asked.configs}, validate_only=validate_only
        )
    except KafkaError as error:
        answer.error_code, answer.error_message = error.error_code, error.what
    return answer
