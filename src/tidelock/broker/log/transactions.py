"""Transactions as a partition's log knows them: markers that end them, and the index of the aborted ones.

A transaction is open in a partition from its producer's first transactional batch to its marker, a control
batch. Readers of committed data end before the first open one, and skip what the index of aborted
transactions tells them to. Each segment has the index of the transactions whose markers lie in it; its file
is Kafka's `.txnindex`.

Pure. Imports the record codec. Invariant of an index: its entries are in the order of their markers.

Source: Kafka `TransactionIndex`, `AbortedTxn`, `CompletedTxn`, `EndTransactionMarker`; KIP-98.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from tidelock.protocol.error_codes import InvalidRecord
from tidelock.protocol.records import ABORT, COMMIT, control_kind, iter_records

TXN_INDEX = ".txnindex"
_ENTRY = struct.Struct(">hqqqq")  # version, producer id, first and last offset, last stable offset
_VERSION = 0
_FIELDS = 4
MARKER_BYTES = 78
_MARKER_VALUE = struct.Struct(">hi").unpack_from


class AbortedTransaction(NamedTuple):
    """One aborted transaction of one partition.

    Args:
        first_offset: of its first batch.
        last_offset: of its marker.
        last_stable_offset: up to where everything was decided once it had ended.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class Marker(NamedTuple):
    """How and by whom a transaction is ended.

    Args:
        commit: False aborts it.
        coordinator_epoch: the leader epoch of the coordinator's own log; one that has lost its place has an
            older one.
        strict: the epoch was raised for this very marker (transactions of version 2), so one that is not
            above the producer's last belongs to an earlier transaction.
    """

    producer_id: int
    epoch: int
    commit: bool
    coordinator_epoch: int
    strict: bool = False


def read_marker(batch: bytes | memoryview) -> tuple[bool, int] | None:
    """Return (commit, coordinator epoch) of a control batch; None for a kind that ends no transaction.

    Raises:
        CorruptMessage, InvalidRecord: the batch has no readable record.
    """
    record = next(iter_records(batch), None)
    if record is None:
        return None
    kind = control_kind(record.key)
    if kind not in (ABORT, COMMIT):
        return None
    try:
        _, coordinator_epoch = _MARKER_VALUE(record.value or b"")
    except struct.error:
        raise InvalidRecord("the value of a transaction marker is too short") from None
    return kind == COMMIT, coordinator_epoch


class TransactionIndex:
    """The aborted transactions whose markers lie in one segment; 32 bytes each, always in memory."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._numbers) // _FIELDS

    def __iter__(self) -> Iterator[AbortedTransaction]:
        numbers = self._numbers
        for at in range(0, len(numbers), _FIELDS):
            yield AbortedTransaction._make(numbers[at : at + _FIELDS])

    def append(self, aborted: AbortedTransaction) -> None:
        """Take in a transaction whose marker has just been written."""
        self._numbers.extend(aborted)

    def collect(self, start: int, end: int, found: list[tuple[int, int]]) -> bool:
        """Add (producer id, first offset) of the transactions with records in `start` to `end` (exclusive).

        Returns:
            Whether nothing behind this index can have any.
        """
        numbers = self._numbers
        for at in range(0, len(numbers), _FIELDS):
            if numbers[at + 2] >= start and numbers[at + 1] < end:
                found.append((numbers[at], numbers[at + 1]))
            if numbers[at + 3] >= end:
                return True
        return False

    def to_bytes(self) -> bytes:
        """Return the content of a `.txnindex` file."""
        return b"".join(_ENTRY.pack(_VERSION, *aborted) for aborted in self)

    @classmethod
    def from_bytes(cls, data: bytes, base_offset: int, end_offset: int) -> TransactionIndex | None:
        """Read a `.txnindex` file; None when it is torn or says what cannot be.

        Args:
            data: the whole file.
            base_offset: of the segment, which its markers are not below.
            end_offset: of the segment, which its markers are below.
        """
        if len(data) % _ENTRY.size:
            return None
        index, previous = cls(), base_offset - 1
        for version, producer_id, first, last, stable in _ENTRY.iter_unpack(data):
            if version < 0 or not previous < last < end_offset or not 0 <= first < last:
                return None
            if producer_id < 0 or not 0 <= stable <= last + 1:
                return None
            previous = last
            index.append(AbortedTransaction(producer_id, first, last, stable))
        return index
