"""IncrementalAlterConfigs (44), v0-1: set, delete, append to or subtract from single configs (KIP-339).

Operations: 0 SET, 1 DELETE, 2 APPEND, 3 SUBTRACT; the last two for lists only, and they act on the
effective value. A key named twice is INVALID_REQUEST. All changes of a resource happen, or none. Deleting
what is not set, or not known, changes nothing: tools clear keys of other releases that way.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.config_changes import Resource
from tidelock.broker.changes import Steps, in_order
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def handle(
    state: BrokerState, request: IncrementalAlterConfigsRequest, call: Call
) -> Steps[IncrementalAlterConfigsResponse]:
    """Change each resource."""
    responses = yield from in_order(_alter(state, one, request.validate_only) for one in request.resources)
    return IncrementalAlterConfigsResponse(responses=responses)


def _alter(
    state: BrokerState, asked: AlterConfigsResource, validate_only: bool
) -> Steps[AlterConfigsResourceResponse]:
    answer = AlterConfigsResourceResponse(
        error_message=None, resource_type=asked.resource_type, resource_name=asked.resource_name
    )
    try:
        resource = Resource(state, asked.resource_type, asked.resource_name)
        names = [one.name for one in asked.configs]
        if len(set(names)) < len(names):
            raise errors.InvalidRequest("a config is named twice")
        wanted: dict[str, str | None] = dict(resource.current)
        for one in asked.configs:
            _apply(resource, one, wanted)
        yield from resource.change(wanted, validate_only=validate_only)
    except KafkaError as error:
        answer.error_code, answer.error_message = error.error_code, error.what
    return answer


def _apply(resource: Resource, change: AlterableConfig, wanted: dict[str, str | None]) -> None:
    name, operation = change.name, change.config_operation
    if operation == DELETE:
        wanted.pop(name, None)
    elif change.value is None:
        wanted[name] = None
    elif operation == SET:
        wanted[name] = change.value
    elif operation in (APPEND, SUBTRACT):
        key = resource.key(name)
        if key is None or key.java_type != "LIST":
            raise errors.InvalidConfig(f"{name}: is not a list, nothing can be appended or subtracted")
        wanted[name] = _joined(resource.effective(name) or "", change.value, operation)
    else:
        raise errors.InvalidRequest(f"{operation} is not an operation")


def _joined(current: str, value: str, operation: int) -> str:
    items = [one for one in current.split(",") if one]
    given = [one.strip() for one in value.split(",") if one.strip()]
    if operation == APPEND:
        items += [one for one in given if one not in items]
    else:
        items = [one for one in items if one not in given]
    return ",".join(items)
