"""AddPartitionsToTxn (24), v0-5: put partitions into a client's transaction (KIP-98).

v2 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH (KIP-588); v4 many transactions in one request, and
asking whether partitions are in (KIP-890: brokers ask that, clients of version 2 need not add at all). A
partition that does not exist keeps the others out, too.

Source: Kafka `KafkaApis.handleAddPartitionsToTxnRequest`.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

FENCED_SINCE, BATCHED_SINCE = 2, 4
Codes = dict[tuple[str, int], int]


def handle(state: BrokerState, request: AddPartitionsToTxnRequest, call: Call) -> AddPartitionsToTxnResponse:
    """Add, or look, per transaction."""
    if call.version >= BATCHED_SINCE:
        return AddPartitionsToTxnResponse(
            results_by_transaction=[
                AddPartitionsToTxnResult(
                    transactional_id=one.transactional_id, topic_results=_results(_add(state, one, call))
                )
                for one in request.transactions
            ]
        )
    only = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=_results(_add(state, only, call)))


def _add(state: BrokerState, asked: AddPartitionsToTxnTransaction, call: Call) -> Codes:
    keys = [(topic.name, partition) for topic in asked.topics for partition in topic.partitions]
    missing = {key for key in keys if not 0 <= key[1] < len(state.partitions.get(key[0], ()))}
    if missing:
        absent, left = errors.UnknownTopicOrPartition.error_code, errors.OperationNotAttempted.error_code
        return {key: absent if key in missing else left for key in keys}
    if not asked.transactional_id:
        return dict.fromkeys(keys, errors.InvalidRequest.error_code)
    producer = ProducerName(asked.producer_id, asked.producer_epoch)
    if asked.verify_only:
        return {key: _verified(state, asked.transactional_id, producer, key) for key in keys}
    try:
        state.transactions.add(asked.transactional_id, producer, keys, 0, call.now)
    except errors.ProducerFenced as error:
        code = error.error_code if call.version >= FENCED_SINCE else errors.InvalidProducerEpoch.error_code
        return dict.fromkeys(keys, code)
    except KafkaError as error:
        return dict.fromkeys(keys, error.error_code)
    return dict.fromkeys(keys, 0)


def _verified(state: BrokerState, name: str, producer: ProducerName, key: tuple[str, int]) -> int:
    try:
        state.transactions.verify(name, producer, key)
    except KafkaError as error:
        return error.error_code
    return 0


def _results(codes: Codes) -> list[AddPartitionsToTxnTopicResult]:
    topics: dict[str, list[AddPartitionsToTxnPartitionResult]] = {}
    for (topic, partition), code in codes.items():
        result = AddPartitionsToTxnPartitionResult(partition_index=partition, partition_error_code=code)
        topics.setdefault(topic, []).append(result)
    return [
        AddPartitionsToTxnTopicResult(name=name, results_by_partition=found) for name, found in topics.items()
    ]
