"""ListGroups (16), v0-5: every group; v4 filters by state (KIP-518), v5 by type (KIP-848)."""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse


def handle(state: BrokerState, request: ListGroupsRequest, call: Call) -> ListGroupsResponse:
    """List the groups that pass the filters."""
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state.value,
                group_type="classic",
            )
            for group in state.groups.listed(request.states_filter, request.types_filter)
        ]
    )
