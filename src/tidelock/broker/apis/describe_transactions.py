"""DescribeTransactions (65), v0: where the transactions of given transactional ids stand (KIP-664)."""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)


def handle(
    state: BrokerState, request: DescribeTransactionsRequest, call: Call
) -> DescribeTransactionsResponse:
    """Describe each id."""
    return DescribeTransactionsResponse(
        transaction_states=[_transaction(state, name) for name in request.transactional_ids]
    )


def _transaction(state: BrokerState, name: str) -> TransactionState:
    image = state.transactions.transactions.get(name)
    if image is None:
        error = errors.TransactionalIdNotFound if name else errors.InvalidRequest
        return TransactionState(transactional_id=name, error_code=error.error_code)
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(image.partitions):
        topics.setdefault(topic, []).append(partition)
    return TransactionState(
        transactional_id=name,
        transaction_state=image.status.title,
        transaction_timeout_ms=image.timeout_ms,
        transaction_start_time_ms=image.start_ms,
        producer_id=image.producer_id,
        producer_epoch=image.epoch,
        topics=[TopicData(topic=topic, partitions=found) for topic, found in topics.items()],
    )
