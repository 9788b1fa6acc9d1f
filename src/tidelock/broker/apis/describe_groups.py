"""DescribeGroups (15), v0-6: state, protocol and members of groups.

v3 authorized operations (everything is allowed), v4 group instance ids, v6 GROUP_ID_NOT_FOUND for an
unknown group (KIP-1043); before that an unknown group is reported as Dead without an error.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.state import Group, GroupState
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)

# AclOperation bits of a group: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
GROUP_OPERATIONS = sum(1 << bit for bit in (3, 6, 8, 10, 11))


def handle(state: BrokerState, request: DescribeGroupsRequest, call: Call) -> DescribeGroupsResponse:
    """Describe each group."""
    groups = [_described(state, group_id, call) for group_id in request.groups]
    if request.include_authorized_operations:
        for group in groups:
            group.authorized_operations = GROUP_OPERATIONS
    return DescribeGroupsResponse(groups=groups)


def _described(state: BrokerState, group_id: str, call: Call) -> DescribedGroup:
    group = state.groups.groups.get(group_id)
    if group is None:
        unknown = int(ErrorCode.GROUP_ID_NOT_FOUND) if call.version >= 6 else 0
        message = f"there is no group {group_id!r}" if unknown else None
        return DescribedGroup(
            error_code=unknown, error_message=message, group_id=group_id, group_state=GroupState.DEAD.value
        )
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol or "") if group.state is GroupState.STABLE else "",
        members=_members(group),
    )


def _members(group: Group) -> list[DescribedGroupMember]:
    stable = group.state is GroupState.STABLE
    return [
        DescribedGroupMember(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            member_metadata=member.metadata(group.protocol) if stable else b"",
            member_assignment=member.assignment if stable else b"",
        )
        for member in group.members.values()
    ]
