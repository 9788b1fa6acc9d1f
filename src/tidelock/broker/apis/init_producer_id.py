"""InitProducerId (22), v0-5: a producer id for idempotent writes (KIP-98); v3 bumps the epoch (KIP-360).

Transactions are not served: a transactional id is answered with UNSUPPORTED_VERSION, which clients take as
fatal, not with an error that they would retry forever.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


def handle(state: BrokerState, request: InitProducerIdRequest, call: Call) -> InitProducerIdResponse:
    """Hand out a producer id with epoch 0."""
    if request.transactional_id is not None:
        unsupported = (
            ErrorCode.INVALID_REQUEST if not request.transactional_id else ErrorCode.UNSUPPORTED_VERSION
        )
        return InitProducerIdResponse(error_code=int(unsupported), producer_id=-1, producer_epoch=-1)
    try:
        # An idempotent producer that asks with its old id (KIP-360) gets a new one, as from Kafka.
        producer_id = state.next_producer_id()
    except KafkaError as error:
        return InitProducerIdResponse(error_code=error.error_code, producer_id=-1, producer_epoch=-1)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)
