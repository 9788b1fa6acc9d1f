"""Heartbeat (12), v0-4: a member is alive; the error tells it to rejoin (27) or that it is out (22, 25, 82).

v3 static members (KIP-345).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


def handle(state: BrokerState, request: HeartbeatRequest, call: Call) -> HeartbeatResponse:
    """Keep the session alive."""
    try:
        state.groups.heartbeat(
            request.group_id, request.member_id, request.group_instance_id, request.generation_id, call.now
        )
    except KafkaError as error:
        return HeartbeatResponse(error_code=error.error_code)
    return HeartbeatResponse()
