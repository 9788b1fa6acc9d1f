"""Idempotence: duplicates, order, epochs, wrap-around, expiry and Kafka's snapshot."""

import pytest

from tidelock.broker.log.producer_state import MAX_SEQUENCE, ProducerBatch, ProducerState
from tidelock.broker.log.transactions import Marker
from tidelock.protocol.error_codes import (
    InvalidProducerEpoch,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    TransactionCoordinatorFenced,
)

PID = 7


def state(*firsts: int, size: int = 10, epoch: int = 0, transactional: bool = False) -> ProducerState:
    """A producer with one batch of `size` records from each given sequence on, at offsets 0, 10, 20 ..."""
    found = ProducerState()
    for number, first in enumerate(firsts):
        last = (first + size - 1) & MAX_SEQUENCE
        batch = ProducerBatch(first, last, number * size, number * size + size - 1)
        found.note(PID, epoch, batch, 1_000, transactional=transactional)
    return found


def test_an_unknown_producer_may_start_with_any_sequence() -> None:
    assert ProducerState().check(PID, 3, 500, 509) is None


def test_the_next_sequence_is_in_order() -> None:
    assert state(0, 10).check(PID, 0, 20, 29) is None


def test_after_the_greatest_sequence_comes_zero() -> None:
    found = state(MAX_SEQUENCE - 9)
    assert found.check(PID, 0, 0, 9) is None
    wrapped = state(MAX_SEQUENCE - 4)
    assert wrapped.check(PID, 0, 5, 14) is None


@pytest.mark.parametrize("first", [21, 30, 5])
def test_a_gap_or_an_unknown_old_batch_is_out_of_order(first: int) -> None:
    with pytest.raises(OutOfOrderSequenceNumber):
        state(0, 10).check(PID, 0, first, first + 3)


def test_each_of_the_last_five_batches_is_a_duplicate_and_the_sixth_is_not() -> None:
    found = state(0, 10, 20, 30, 40, 50)
    for number in range(1, 6):
        known = found.check(PID, 0, number * 10, number * 10 + 9)
        assert known is not None
        assert known.base_offset == number * 10
    with pytest.raises(OutOfOrderSequenceNumber):
        found.check(PID, 0, 0, 9)


def test_a_duplicate_has_the_same_first_and_last_sequence() -> None:
    with pytest.raises(OutOfOrderSequenceNumber):
        state(0, 10).check(PID, 0, 10, 18)


def test_an_older_epoch_is_fenced() -> None:
    with pytest.raises(InvalidProducerEpoch):
        state(0, epoch=2).check(PID, 1, 10, 19)


def test_a_new_epoch_starts_at_sequence_zero() -> None:
    assert state(0, epoch=2).check(PID, 3, 0, 9) is None
    with pytest.raises(OutOfOrderSequenceNumber):
        state(0, epoch=2).check(PID, 3, 10, 19)


def test_a_new_epoch_forgets_the_batches_of_the_old_one() -> None:
    found = state(0, 10, epoch=1)
    found.note(PID, 2, ProducerBatch(0, 4, 20, 24), 1_000)
    assert found.check(PID, 2, 5, 9) is None
    with pytest.raises(OutOfOrderSequenceNumber):
        found.check(PID, 2, 10, 19)


def test_a_plain_batch_inside_the_producers_transaction_is_refused_until_a_marker() -> None:
    found = state(0, transactional=True)
    assert found.check(PID, 0, 10, 19, transactional=True) is None
    with pytest.raises(InvalidTxnState):
        found.check(PID, 0, 10, 19)
    assert found.end(Marker(PID, 0, True, 0), 20, 1_000) is None
    assert found.check(PID, 0, 10, 19) is None


def test_an_aborted_transaction_says_what_was_decided_after_it() -> None:
    found = state(0, transactional=True)
    found.note(8, 0, ProducerBatch(0, 0, 30, 30), 1_000, transactional=True)
    assert list(found.open) == [PID, 8]
    assert found.end(Marker(8, 0, False, 0), 31, 1_000) == (8, 30, 31, 0)
    assert found.end(Marker(8, 0, False, 0), 32, 1_000) is None
    assert found.end(Marker(PID, 0, False, 0), 33, 1_000) == (PID, 0, 33, 34)
    assert found.open == {}


def test_a_marker_of_an_older_epoch_or_coordinator_is_refused() -> None:
    found = state(0, epoch=3, transactional=True)
    with pytest.raises(InvalidProducerEpoch):
        found.check_marker(Marker(PID, 2, True, 5))
    found.check_marker(Marker(PID, 3, True, 5))
    with pytest.raises(InvalidProducerEpoch):
        found.check_marker(Marker(PID, 3, True, 5, strict=True))
    found.end(Marker(PID, 4, True, 5), 20, 1_000)
    found.check_marker(Marker(PID, 4, True, 5, strict=True))  # the same again, after a crash
    with pytest.raises(TransactionCoordinatorFenced):
        found.check_marker(Marker(PID, 4, True, 4))


def test_a_batch_without_sequence_has_an_epoch_but_no_order() -> None:
    found = state(0, epoch=3)
    assert found.check(PID, 3, -1, -1, transactional=True) is None
    found.note(PID, 3, ProducerBatch(-1, -1, 50, 50), 1_000, transactional=True)
    assert found.check(PID, 3, 10, 19, transactional=True) is None
    with pytest.raises(InvalidProducerEpoch):
        found.check(PID, 2, -1, -1, transactional=True)


def test_open_transactions_survive_a_snapshot_in_order() -> None:
    found = state(0, transactional=True)
    found.note(3, 0, ProducerBatch(0, 0, 30, 30), 1_000, transactional=True)
    found.end(Marker(PID, 0, False, 7), 31, 1_000)
    found.note(PID, 0, ProducerBatch(10, 10, 32, 32), 1_000, transactional=True)
    again = ProducerState.from_snapshot(found.to_snapshot())
    assert again is not None
    assert list(again.open.items()) == [(3, 30), (PID, 32)]
    with pytest.raises(TransactionCoordinatorFenced):
        again.check_marker(Marker(PID, 0, True, 6))


def test_a_silent_producer_is_forgotten_and_one_in_a_transaction_is_not() -> None:
    found = state(0, transactional=True)
    found.note(8, 0, ProducerBatch(0, 0, 10, 10), 1_000)
    assert found.expire(1_999, 1_000) == 0
    assert found.expire(2_000, 1_000) == 1
    assert [producer_id for producer_id, _ in found.items()] == [PID]


def test_a_snapshot_keeps_the_last_batch() -> None:
    again = ProducerState.from_snapshot(state(MAX_SEQUENCE - 14, MAX_SEQUENCE - 4, epoch=3).to_snapshot())
    assert again is not None
    known = again.check(PID, 3, MAX_SEQUENCE - 4, 4)
    assert known == ProducerBatch(MAX_SEQUENCE - 4, 4, 10, 19)
    assert again.check(PID, 3, 5, 5) is None


def test_a_snapshot_is_kafkas_bytes() -> None:
    data = state(0, 10, epoch=3).to_snapshot()
    assert data[:2] == b"\0\x01"
    assert data[6:10] == b"\0\0\0\x01"
    assert data[10:18] == PID.to_bytes(8, "big")
    assert data[18:20] == b"\0\x03"
    assert data[20:24] == (19).to_bytes(4, "big")
    assert data[24:32] == (19).to_bytes(8, "big")
    assert data[32:36] == (9).to_bytes(4, "big")
    assert data[36:44] == (1_000).to_bytes(8, "big")
    assert data[44:] == b"\xff" * 12


def test_a_damaged_snapshot_is_refused() -> None:
    data = bytearray(state(0).to_snapshot())
    assert ProducerState.from_snapshot(bytes(data[:-1])) is None
    assert ProducerState.from_snapshot(b"") is None
    data[30] ^= 1
    assert ProducerState.from_snapshot(bytes(data)) is None


def test_an_empty_snapshot_knows_nobody() -> None:
    again = ProducerState.from_snapshot(ProducerState().to_snapshot())
    assert again is not None
    assert len(again) == 0
