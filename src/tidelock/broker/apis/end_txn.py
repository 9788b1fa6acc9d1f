"""EndTxn (26), v0-5: commit or abort a client's transaction (KIP-98).

v2 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH (KIP-588); v5 transactions of version 2 (KIP-890): the
answer carries the epoch, and perhaps the producer id, of the next transaction.

It is answered when the outcome is durable; the markers are written with it.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse

FENCED_SINCE, VERSION_2_SINCE = 2, 5


def handle(state: BrokerState, request: EndTxnRequest, call: Call) -> EndTxnResponse:
    """End the transaction."""
    if not request.transactional_id:
        return EndTxnResponse(error_code=errors.InvalidRequest.error_code)
    producer = ProducerName(request.producer_id, request.producer_epoch)
    version = 2 if call.version >= VERSION_2_SINCE else 0
    try:
        following = state.transactions.end(
            request.transactional_id, producer, request.committed, version, call.now
        )
    except errors.ProducerFenced as error:
        code = error.error_code if call.version >= FENCED_SINCE else errors.InvalidProducerEpoch.error_code
        return EndTxnResponse(error_code=code)
    except KafkaError as error:
        return EndTxnResponse(error_code=error.error_code)
    return EndTxnResponse(producer_id=following.id, producer_epoch=following.epoch)
