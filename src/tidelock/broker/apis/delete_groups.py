"""DeleteGroups (42), v0-2: forget groups without members, and their positions (KIP-229)."""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


def handle(state: BrokerState, request: DeleteGroupsRequest, call: Call) -> DeleteGroupsResponse:
    """Delete each group that can be deleted."""
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=name, error_code=_delete(state, name, call))
            for name in request.groups_names
        ]
    )


def _delete(state: BrokerState, group_id: str, call: Call) -> int:
    try:
        state.groups.delete(group_id, call.now)
    except KafkaError as error:
        return error.error_code
    return 0
