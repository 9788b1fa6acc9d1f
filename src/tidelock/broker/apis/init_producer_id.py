"""InitProducerId (22), v0-5: a producer id for idempotent writes, or an epoch for a transactional id.

KIP-98; v3 the client says what it has, and gets the next epoch of it (KIP-360); v4 PRODUCER_FENCED instead of
INVALID_PRODUCER_EPOCH (KIP-588).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.changes import Steps
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

FENCED_SINCE = 4


def handle(
    state: BrokerState, request: InitProducerIdRequest, call: Call
) -> InitProducerIdResponse | Steps[InitProducerIdResponse]:
    """Hand out a producer id and an epoch."""
    is_new = (request.transactional_id or "") not in state.transactions.transactions
    if is_new and not state.has_producer_ids:
        return _reserved(state, request, call)
    return _answer(state, request, call)


def _reserved(
    state: BrokerState, request: InitProducerIdRequest, call: Call
) -> Steps[InitProducerIdResponse]:
    try:
        yield from state.reserve_producer_ids()
    except KafkaError as error:
        return InitProducerIdResponse(error_code=error.error_code, producer_id=-1, producer_epoch=-1)
    return _answer(state, request, call)


def _answer(state: BrokerState, request: InitProducerIdRequest, call: Call) -> InitProducerIdResponse:
    try:
        found = _producer(state, request, call)
    except errors.ProducerFenced as error:
        code = error.error_code if call.version >= FENCED_SINCE else errors.InvalidProducerEpoch.error_code
        return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)
    except KafkaError as error:
        return InitProducerIdResponse(error_code=error.error_code, producer_id=-1, producer_epoch=-1)
    return InitProducerIdResponse(producer_id=found.id, producer_epoch=found.epoch)


def _producer(state: BrokerState, request: InitProducerIdRequest, call: Call) -> ProducerName:
    expected = ProducerName(request.producer_id, request.producer_epoch)
    if (expected.id < 0) != (expected.epoch < 0):
        raise errors.InvalidRequest("a producer id and its epoch come together or not at all")
    if request.transactional_id is None:
        # An idempotent producer that asks with its old id (KIP-360) gets a new one, as from Kafka.
        return ProducerName(state.next_producer_id(), 0)
    if not request.transactional_id:
        raise errors.InvalidRequest("the transactional id is empty")
    return state.transactions.init_producer_id(
        request.transactional_id,
        request.transaction_timeout_ms,
        expected if expected.id >= 0 else None,
        call.now,
    )
