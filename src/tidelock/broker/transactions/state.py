"""A transactional id as data: its producer, its epoch, and where its transaction stands.

A `Transaction` is one durable image; a change is a new image. `TRANSITIONS` lists the legal moves. Wall-clock
times are milliseconds. Pure: imports nothing of the house.

Source: Kafka `TransactionMetadata`, `TransactionState`; KIP-98, KIP-360, KIP-890.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

NO_ID = -1
NO_EPOCH = -1
NO_TIME = -1
MAX_EPOCH = 2**15 - 1

TopicPartition: TypeAlias = tuple[str, int]


class TransactionStatus(enum.IntEnum):
    """The states, numbered as in `__transaction_state`."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def title(self) -> str:
        """The name as DescribeTransactions and ListTransactions say it, e.g. "PrepareCommit"."""
        return self.name.title().replace("_", "")


_S = TransactionStatus
# Every legal move. Aborting without a transaction is one of version 2: a client that does not know whether
# its last request arrived gets a new epoch that way.
TRANSITIONS = {
    _S.EMPTY: {_S.EMPTY, _S.ONGOING, _S.PREPARE_ABORT},
    _S.ONGOING: {_S.ONGOING, _S.PREPARE_COMMIT, _S.PREPARE_ABORT},
    _S.PREPARE_COMMIT: {_S.COMPLETE_COMMIT},
    _S.PREPARE_ABORT: {_S.COMPLETE_ABORT},
    _S.COMPLETE_COMMIT: {_S.EMPTY, _S.ONGOING, _S.PREPARE_ABORT},
    _S.COMPLETE_ABORT: {_S.EMPTY, _S.ONGOING, _S.PREPARE_ABORT},
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transactional id's durable state.

    Args:
        transactional_id: its key.
        producer_id: whose batches are of this transaction.
        epoch: the producer's; -1 before the first InitProducerId.
        timeout_ms: how long a transaction may stay open.
        status: where it stands.
        previous_producer_id: the one before `producer_id`, if that ran out of epochs.
        next_producer_id: the one that the end of the transaction will bring, if epochs ran out.
        last_epoch: the epoch before `epoch` if the same client got both, else -1; forgotten at a restart, as
            in Kafka.
        partitions: what the open transaction covers.
        start_ms: when it was opened; -1 if none is.
        update_ms: of the last change.
        version: of transactions, as the client last used them: 0 for 0 and 1, 2 for KIP-890.
    """

    transactional_id: str
    producer_id: int
    epoch: int
    timeout_ms: int
    status: TransactionStatus = TransactionStatus.EMPTY
    previous_producer_id: int = NO_ID
    next_producer_id: int = NO_ID
    last_epoch: int = NO_EPOCH
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = NO_TIME
    update_ms: int = NO_TIME
    version: int = 0

    @property
    def epochs_exhausted(self) -> bool:
        """Whether the next epoch would be the last, which is kept for fencing."""
        return is_exhausted(self.epoch)

    @property
    def is_ending(self) -> bool:
        """Whether its outcome is decided and its markers are not all written."""
        return self.status in (TransactionStatus.PREPARE_COMMIT, TransactionStatus.PREPARE_ABORT)

    @property
    def is_ongoing(self) -> bool:
        """Whether a transaction is open."""
        return self.status is TransactionStatus.ONGOING


def is_exhausted(epoch: int) -> bool:
    """Whether no client may get an epoch above this one."""
    return epoch >= MAX_EPOCH - 1
