"""WriteTxnMarkers (27), v1-2: end a producer's transaction in single partitions.

Between Kafka's brokers this carries out what a coordinator has decided; here it serves an administrator who
ends a transaction that nobody else will (`Admin.abortTransaction`). v2 says the transaction's version: from 2
on the marker's epoch must be above the producer's.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.log import Marker
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.write_txn_markers import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)


def handle(state: BrokerState, request: WriteTxnMarkersRequest, call: Call) -> WriteTxnMarkersResponse:
    """Write each marker."""
    results = []
    for one in request.markers:
        marker = Marker(
            one.producer_id,
            one.producer_epoch,
            one.transaction_result,
            one.coordinator_epoch,
            strict=one.transaction_version >= 2,
        )
        topics = [
            WritableTxnMarkerTopicResult(
                name=topic.name,
                partitions=[
                    WritableTxnMarkerPartitionResult(
                        partition_index=index, error_code=_write(state, (topic.name, index), marker, call)
                    )
                    for index in topic.partition_indexes
                ],
            )
            for topic in one.topics
        ]
        results.append(WritableTxnMarkerResult(producer_id=one.producer_id, topics=topics))
    return WriteTxnMarkersResponse(markers=results)


def _write(state: BrokerState, key: tuple[str, int], marker: Marker, call: Call) -> int:
    try:
        state.write_marker(key, marker, call.now)
    except KafkaError as error:
        return error.error_code
    return 0
