"""AddOffsetsToTxn (25), v0-4: put a group's positions into a client's transaction (KIP-98).

The transaction gets the partition of `__consumer_offsets` that holds the group. v2 PRODUCER_FENCED instead
of INVALID_PRODUCER_EPOCH (KIP-588).
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

FENCED_SINCE = 2


def handle(state: BrokerState, request: AddOffsetsToTxnRequest, call: Call) -> AddOffsetsToTxnResponse:
    """Add the group's partition."""
    if not request.transactional_id:
        return AddOffsetsToTxnResponse(error_code=errors.InvalidRequest.error_code)
    producer = ProducerName(request.producer_id, request.producer_epoch)
    try:
        partition = state.offsets_partition(call.now)
        state.transactions.add(request.transactional_id, producer, (partition.key,), 0, call.now)
    except errors.ProducerFenced as error:
        code = error.error_code if call.version >= FENCED_SINCE else errors.InvalidProducerEpoch.error_code
        return AddOffsetsToTxnResponse(error_code=code)
    except KafkaError as error:
        return AddOffsetsToTxnResponse(error_code=error.error_code)
    return AddOffsetsToTxnResponse()
