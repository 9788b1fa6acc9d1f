"""What a request or the passing of time does to a transactional id: decisions only.

Each rule takes the present image and returns the next one, or raises the error that the client gets. The
coordinator makes the next image durable before anything else sees it. Nothing here writes a marker: an image
whose status is `Prepare...` says that they are due, and `completed` what follows once they are written.

Transactions of version 2 (KIP-890) raise the producer's epoch with every transaction, so that nothing of an
earlier one can be taken for the next; a transaction that the coordinator ends on its own does so in either
version. When the epochs of a producer id run out, the end of the transaction brings a new id.

Pure. Imports state and error codes.

Source: Kafka `TransactionCoordinator`, `TransactionMetadata` (4.x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from tidelock.broker.transactions.state import (
    MAX_EPOCH,
    NO_EPOCH,
    NO_ID,
    NO_TIME,
    TRANSITIONS,
    TopicPartition,
    Transaction,
    TransactionStatus,
    is_exhausted,
)
from tidelock.protocol import error_codes as errors

_S = TransactionStatus


class ProducerName(NamedTuple):
    """A producer id with its epoch."""

    id: int
    epoch: int


def init_producer_id(
    image: Transaction, timeout_ms: int, expected: ProducerName | None, new_id: Callable[[], int], now_ms: int
) -> Transaction:
    """Give a client the next epoch, or a new producer id when epochs have run out.

    Args:
        image: the present one; must not be in a transaction (see `fenced` for one that is).
        timeout_ms: for its transactions from now on.
        expected: what the client believes to have (KIP-360); None for one that starts.
        new_id: hands out a producer id.
        now_ms: the broker's wall clock.

    Raises:
        ProducerFenced: another client has got the id since.
    """
    change = {
        "timeout_ms": timeout_ms,
        "partitions": frozenset(),
        "start_ms": NO_TIME,
        "update_ms": now_ms,
    }
    if image.epochs_exhausted and (expected is None or expected.epoch == image.epoch):
        last = image.epoch if expected is not None else NO_EPOCH
        return _moved(image, _S.EMPTY, **change, producer_id=new_id(), epoch=0, last_epoch=last)
    if expected is None:
        return _moved(image, _S.EMPTY, **change, epoch=image.epoch + 1, last_epoch=NO_EPOCH)
    if not image.epochs_exhausted and (image.epoch == NO_EPOCH or expected.epoch == image.epoch):
        return _moved(image, _S.EMPTY, **change, epoch=image.epoch + 1, last_epoch=image.epoch)
    if expected.epoch == image.last_epoch:
        return _moved(image, _S.EMPTY, **change)  # its last request once more
    raise errors.ProducerFenced(f"epoch {expected.epoch} of {image.transactional_id!r} was superseded")


def check_init(image: Transaction, expected: ProducerName | None) -> None:
    """Decide whether a client may ask for an epoch at all.

    Raises:
        ProducerFenced: it names another producer than the one that has the id.
        ConcurrentTransactions: the last transaction is still being ended; ask again.
    """
    if expected is not None and image.epoch != NO_EPOCH and expected.id != image.producer_id:
        was_last = expected.id == image.previous_producer_id and is_exhausted(expected.epoch)
        if not was_last:
            raise errors.ProducerFenced(f"{image.transactional_id!r} belongs to another producer")
    _require_not_ending(image)


def fenced(image: Transaction, now_ms: int) -> Transaction:
    """Abort an open transaction without its client: its epoch is raised past anything that it can know."""
    fence = min(image.epoch + 1, MAX_EPOCH)
    return _moved(
        image,
        _S.PREPARE_ABORT,
        epoch=min(fence + 1, MAX_EPOCH),
        last_epoch=fence,
        update_ms=now_ms,
        next_producer_id=NO_ID,
        version=2,
    )


def check_producer(image: Transaction | None, producer: ProducerName) -> Transaction:
    """Decide whether a client may take part in the transaction of an id.

    Raises:
        InvalidProducerIdMapping: the id is not known, or belongs to another producer.
        ProducerFenced: another epoch has it.
        ConcurrentTransactions: the last transaction is still being ended; ask again.
    """
    if image is None or image.producer_id != producer.id:
        raise errors.InvalidProducerIdMapping("the producer id is not the one of this transactional id")
    if image.epoch != producer.epoch:
        raise errors.ProducerFenced(f"epoch {producer.epoch} is not the current one")
    _require_not_ending(image)
    return image


def added(
    image: Transaction, partitions: frozenset[TopicPartition], version: int, now_ms: int
) -> Transaction:
    """Put partitions into the transaction; opens it when none is open. The same image if they are in it."""
    if image.is_ongoing and partitions <= image.partitions:
        return image
    return _moved(
        image,
        _S.ONGOING,
        partitions=image.partitions | partitions,
        start_ms=image.start_ms if image.is_ongoing else now_ms,
        update_ms=now_ms,
        version=version,
    )


def ended(image: Transaction | None, producer: ProducerName, commit: bool, now_ms: int) -> Transaction | None:
    """End a transaction of version 0 or 1; None when it has ended so already.

    Raises:
        InvalidProducerIdMapping, ProducerFenced: it is not this client's.
        ConcurrentTransactions: it is being ended so; ask again.
        InvalidTxnState: there is none, or it was ended otherwise.
    """
    if image is None or image.producer_id != producer.id:
        raise errors.InvalidProducerIdMapping("the producer id is not the one of this transactional id")
    if image.epoch != producer.epoch:
        raise errors.ProducerFenced(f"epoch {producer.epoch} is not the current one")
    if image.is_ongoing:
        return _moved(
            image,
            _S.PREPARE_COMMIT if commit else _S.PREPARE_ABORT,
            update_ms=now_ms,
            next_producer_id=NO_ID,
            version=0,
        )
    _require_same_end(image, commit)
    return None


def ended_v2(
    image: Transaction | None, producer: ProducerName, commit: bool, new_id: Callable[[], int], now_ms: int
) -> Transaction | None:
    """End a transaction of version 2; None for a request sent again, whose answer is the present image.

    A client may abort without a transaction: it gets a new epoch.

    Raises:
        InvalidProducerIdMapping, ProducerFenced: it is not this client's.
        ConcurrentTransactions: it is being ended so; ask again.
        InvalidTxnState: there is none to commit, or it was ended otherwise.
    """
    if image is None:
        raise errors.InvalidProducerIdMapping("the transactional id is not known")
    after_overflow = (
        image.previous_producer_id == producer.id and producer.epoch == MAX_EPOCH - 1 and image.epoch == 0
    )
    if image.producer_id != producer.id and not after_overflow:
        raise errors.InvalidProducerIdMapping("the producer id is not the one of this transactional id")
    is_complete = image.status in (_S.COMPLETE_COMMIT, _S.COMPLETE_ABORT)
    is_same = image.epoch == producer.epoch and not image.is_ending
    # No client is ever given the last epoch: it only fences one, who must not pass for sending again.
    fences = is_complete and image.epoch == MAX_EPOCH
    sent_again = (image.epoch == producer.epoch + 1 and not fences) or (is_complete and after_overflow)
    if not is_same and not (sent_again and (is_complete or image.is_ending)):
        raise errors.ProducerFenced(f"epoch {producer.epoch} is not the current one")
    if not is_same:
        _require_same_end(image, commit)
        return None
    if commit and not image.is_ongoing:
        raise errors.InvalidTxnState(f"{image.transactional_id!r} has no transaction to commit")
    return _moved(
        image,
        _S.PREPARE_COMMIT if commit else _S.PREPARE_ABORT,
        epoch=min(image.epoch + 1, MAX_EPOCH),
        last_epoch=image.epoch,
        start_ms=image.start_ms if image.is_ongoing else now_ms,
        update_ms=now_ms,
        next_producer_id=new_id() if image.epochs_exhausted else NO_ID,
        version=2,
    )


def completed(image: Transaction, now_ms: int) -> Transaction:
    """What follows once every marker of an ending transaction is written."""
    commits = image.status is _S.PREPARE_COMMIT
    rotates = image.version >= 2 and image.next_producer_id != NO_ID
    return _moved(
        image,
        _S.COMPLETE_COMMIT if commits else _S.COMPLETE_ABORT,
        producer_id=image.next_producer_id if rotates else image.producer_id,
        epoch=0 if rotates else image.epoch,
        partitions=frozenset(),
        update_ms=now_ms,
        next_producer_id=NO_ID,
    )


def _require_not_ending(image: Transaction) -> None:
    if image.is_ending:
        raise errors.ConcurrentTransactions(
            f"the last transaction of {image.transactional_id!r} is being ended"
        )


def _require_same_end(image: Transaction, commit: bool) -> None:
    if image.status not in _ENDS[commit]:
        raise errors.InvalidTxnState(
            f"{image.transactional_id!r} cannot be ended so: it is {image.status.title}"
        )
    _require_not_ending(image)


_ENDS = {True: (_S.PREPARE_COMMIT, _S.COMPLETE_COMMIT), False: (_S.PREPARE_ABORT, _S.COMPLETE_ABORT)}


def _moved(image: Transaction, status: TransactionStatus, **change: object) -> Transaction:
    assert status in TRANSITIONS[image.status], f"{image.status} -> {status}"
    fields = {"previous_producer_id": image.producer_id, "status": status, **change}
    return replace(image, **fields)  # type: ignore[arg-type]  # fields of the image, by name
