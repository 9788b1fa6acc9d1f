"""SyncGroup (14), v0-5: the leader brings the assignment, the others wait for it.

v3 static members (KIP-345), v5 protocol type and name (KIP-559). The rules are in groups/classic.py.
"""

from __future__ import annotations

from typing import cast

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.classic import SyncRequest
from tidelock.broker.groups.outcome import Joined, Synced
from tidelock.broker.state import BrokerState, Chunks, ParkedGroup
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


def handle(state: BrokerState, request: SyncGroupRequest, call: Call) -> SyncGroupResponse | ParkedGroup:
    """Sync; the node finds the answer among the finished requests if it is there at once."""

    def reply(answer: Joined | Synced) -> Chunks:
        return call.framed(_response(cast("Synced", answer)))

    waiter = ParkedGroup(reply)
    if call.version >= 5 and (request.protocol_type is None or request.protocol_name is None):
        # KIP-559: from v5 on the member must say which protocol it believes in.
        return SyncGroupResponse(error_code=int(ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
    sync = SyncRequest(
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        generation=request.generation_id,
        protocol_type=request.protocol_type,
        protocol=request.protocol_name,
        assignments={one.member_id: bytes(one.assignment) for one in request.assignments},
        waiter=waiter,
    )
    try:
        state.answer_groups(state.groups.sync(request.group_id, sync, call.now))
    except KafkaError as error:
        return _response(Synced(error.error_code))
    return waiter


def _response(answer: Synced) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=answer.error_code,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol,
        assignment=answer.assignment,
    )
