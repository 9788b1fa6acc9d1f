"""JoinGroup (11), v0-9: become part of a group's next generation; the answer waits for the other members.

v1 rebalance timeout (v0: the session timeout), v4 MEMBER_ID_REQUIRED (KIP-394), v5 static members (KIP-345),
v7 protocol type (KIP-559), v9 skip assignment (KIP-814). The rules are in groups/classic.py.
"""

from __future__ import annotations

from typing import cast

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.classic import JoinRequest
from tidelock.broker.groups.outcome import Joined, Synced
from tidelock.broker.state import BrokerState, Chunks, ParkedGroup
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)


def handle(state: BrokerState, request: JoinGroupRequest, call: Call) -> JoinGroupResponse | ParkedGroup:
    """Join; the node finds the answer among the finished requests if it is there at once."""

    def reply(answer: Joined | Synced) -> Chunks:
        return call.framed(_response(cast("Joined", answer), call))

    waiter = ParkedGroup(reply)
    rebalance_ms = request.rebalance_timeout_ms if call.version >= 1 else request.session_timeout_ms
    join = JoinRequest(
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=call.client_id,
        client_host=call.client_host,
        session_timeout=request.session_timeout_ms / 1000,
        rebalance_timeout=rebalance_ms / 1000,
        protocol_type=request.protocol_type,
        protocols=tuple((one.name, bytes(one.metadata)) for one in request.protocols),
        knows_member_id_required=call.version >= 4,
        can_skip_assignment=call.version >= 9,
        waiter=waiter,
    )
    try:
        state.answer_groups(state.groups.join(request.group_id, join, call.now))
    except KafkaError as error:
        return _response(Joined(error.error_code, request.member_id), call)
    return waiter


def _response(answer: Joined, call: Call) -> JoinGroupResponse:
    nothing = None if call.version >= 7 else ""
    return JoinGroupResponse(
        error_code=answer.error_code,
        generation_id=answer.generation,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol if answer.protocol is not None else nothing,
        leader=answer.leader,
        skip_assignment=answer.skip_assignment,
        member_id=answer.member_id,
        members=[
            JoinGroupResponseMember(member_id=name, group_instance_id=instance, metadata=metadata)
            for name, instance, metadata in answer.members
        ],
    )
