"""What a transactional batch needs before it may be appended: its partition must be in the transaction.

Clients of version 2 (KIP-890) put it there by writing; for older ones it must have been added before. Within
an open transaction of the partition nothing is asked any more. Shared by Produce and TxnOffsetCommit.

Source: Kafka `AddPartitionsToTxnManager`, `ReplicaManager.maybeSendPartitionsToTransactionCoordinator`.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from tidelock.broker.instant import Instant
from tidelock.broker.log import Partition
from tidelock.broker.state import BrokerState
from tidelock.broker.transactions.rules import ProducerName
from tidelock.protocol import error_codes as errors

NO_OFFSET = -1


class Support(enum.Enum):
    """What a request's version can cope with."""

    OLD = 0
    ABORTABLE_ERROR = 1
    IMPLICIT_ADD = 2


class Enrolment(NamedTuple):
    """Under which transactional id a request writes, and how."""

    transactional_id: str
    support: Support


def enrol(
    state: BrokerState, partition: Partition, producer: ProducerName, enrolment: Enrolment, now: Instant
) -> None:
    """Make sure that a partition is in a producer's transaction.

    Raises:
        InvalidTxnState, TransactionAbortable: an older client has not added it.
        InvalidProducerIdMapping: the transactional id belongs to another producer.
        InvalidProducerEpoch: the producer is fenced.
        ConcurrentTransactions: the last transaction is still being ended.
        KafkaError: the disk.
    """
    known = partition.producers.get(producer.id)
    if known is not None and known.transaction_start != NO_OFFSET and known.epoch == producer.epoch:
        return
    try:
        if enrolment.support is Support.IMPLICIT_ADD:
            state.transactions.add(enrolment.transactional_id, producer, (partition.key,), 2, now)
        else:
            state.transactions.verify(enrolment.transactional_id, producer, partition.key)
    except errors.ProducerFenced as error:
        raise errors.InvalidProducerEpoch(error.what) from error
    except errors.TransactionAbortable as error:
        if enrolment.support is Support.OLD:
            raise errors.InvalidTxnState(error.what) from error
        raise
