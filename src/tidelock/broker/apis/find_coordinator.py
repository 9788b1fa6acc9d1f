"""FindCoordinator (10), v0-6: this broker coordinates every group and transactional id.

KIP-699 (v4+: many keys at once). Key types: 0 group, 1 transaction; 2 (share) is refused: INVALID_REQUEST.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

KNOWN_KEY_TYPES = (0, 1)


def handle(state: BrokerState, request: FindCoordinatorRequest, call: Call) -> FindCoordinatorResponse:
    """Name this broker."""
    host, port = state.endpoint
    own = state.settings.node_id
    error, message = 0, None
    if request.key_type not in KNOWN_KEY_TYPES:
        error, message = int(ErrorCode.INVALID_REQUEST), f"no coordinator for key type {request.key_type}"
        own, host, port = -1, "", -1
    if call.version < 4:
        return FindCoordinatorResponse(
            error_code=error, error_message=message, node_id=own, host=host, port=port
        )
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(key=key, node_id=own, host=host, port=port, error_code=error, error_message=message)
            for key in request.coordinator_keys
        ]
    )
