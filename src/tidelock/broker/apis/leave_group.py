"""LeaveGroup (13), v0-5: members leave at their own wish, or are removed by an administrator.

v3+ many members at once, static ones by instance id alone (KIP-345); v5 a reason (KIP-800), which is not
kept.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)


def handle(state: BrokerState, request: LeaveGroupRequest, call: Call) -> LeaveGroupResponse:
    """Let each member leave."""
    if call.version < 3:
        return LeaveGroupResponse(
            error_code=_leave(state, request, MemberIdentity(member_id=request.member_id), call)
        )
    try:
        state.groups.find(request.group_id)
    except KafkaError as error:
        return LeaveGroupResponse(error_code=error.error_code)
    return LeaveGroupResponse(
        members=[
            MemberResponse(
                member_id=one.member_id,
                group_instance_id=one.group_instance_id,
                error_code=_leave(state, request, one, call),
            )
            for one in request.members
        ]
    )


def _leave(state: BrokerState, request: LeaveGroupRequest, member: MemberIdentity, call: Call) -> int:
    try:
        state.answer_groups(
            state.groups.leave(request.group_id, member.member_id, member.group_instance_id, call.now)
        )
    except KafkaError as error:
        return error.error_code
    return 0
