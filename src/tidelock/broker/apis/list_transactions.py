"""ListTransactions (66), v0-2: the transactional ids, by state, producer, age (v1) or pattern (v2) (KIP-664).

A pattern is a regular expression for the whole id. Kafka's engine takes linear time whatever the pattern;
Python's does not, so patterns that could take long (repeated groups, back references, many repetitions) are
refused with INVALID_REGULAR_EXPRESSION.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.state import Transaction, TransactionStatus
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    TransactionState,
)

LONGEST_PATTERN, MOST_REPETITIONS = 256, 4
_LONG_RUNNING = re.compile(r"\)[*+?{]|\\[1-9]|\(\?P=|\(\?[=!<]")


class _UnusablePattern(ValueError):
    """A pattern that is none, or that could take too long."""


def handle(state: BrokerState, request: ListTransactionsRequest, call: Call) -> ListTransactionsResponse:
    """List what passes every filter that is given."""
    try:
        matches = _matcher(request.transactional_id_pattern)
    except _UnusablePattern:
        return ListTransactionsResponse(error_code=int(ErrorCode.INVALID_REGULAR_EXPRESSION))
    titles = {status.title: status for status in TransactionStatus}
    wanted = {titles[name] for name in request.state_filters if name in titles}
    return ListTransactionsResponse(
        unknown_state_filters=[name for name in request.state_filters if name not in titles],
        transaction_states=[
            TransactionState(
                transactional_id=image.transactional_id,
                producer_id=image.producer_id,
                transaction_state=image.status.title,
            )
            for image in state.transactions.transactions.values()
            if (not request.state_filters or image.status in wanted)
            and (not request.producer_id_filters or image.producer_id in request.producer_id_filters)
            and _is_older(image, request.duration_filter, call.now.wall_ms)
            and matches(image.transactional_id)
        ],
    )


def _is_older(image: Transaction, duration_ms: int, now_ms: int) -> bool:
    return duration_ms < 0 or now_ms - image.start_ms > duration_ms


def _matcher(pattern: str | None) -> Callable[[str], object]:
    if not pattern:
        return lambda _: True
    repetitions = sum(pattern.count(sign) for sign in "*+{")
    if len(pattern) > LONGEST_PATTERN or repetitions > MOST_REPETITIONS or _LONG_RUNNING.search(pattern):
        raise _UnusablePattern(pattern)
    try:
        return re.compile(pattern).fullmatch
    except (re.error, OverflowError, RecursionError) as error:
        raise _UnusablePattern(pattern) from error
