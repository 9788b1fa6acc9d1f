"""What a partition remembers of each idempotent producer: its epoch and its last five batches.

`check` decides (duplicate, in order, or refused) and changes nothing; `note` applies a batch that is in the
log, `end` the marker of a transaction. Normal running and recovery use the same `note` and `end`. Memory is
bounded by expiry: a producer that has been silent for `producer.id.expiration.ms` is forgotten, and then any
sequence is accepted from it.

The silence is measured on the broker's clock. Kafka uses the batch's own timestamps, which forgets at once a
producer that replays history; ours does not.

Pure. Invariants: batches of one entry are consecutive and of the entry's epoch; `open` has exactly the
producers with an open transaction, the oldest first.

Source: Kafka `ProducerStateManager`, `ProducerStateEntry`, `ProducerAppendInfo`; KIP-98.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from tidelock.broker.log.transactions import AbortedTransaction, Marker
from tidelock.protocol.checksum import crc32c
from tidelock.protocol.error_codes import (
    InvalidProducerEpoch,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    TransactionCoordinatorFenced,
)

REMEMBERED_BATCHES = 5
MAX_SEQUENCE = 2**31 - 1
NO_PRODUCER = -1
NO_SEQUENCE = -1
NO_OFFSET = -1

SNAPSHOT_VERSION = 1
SNAPSHOT_HEAD = struct.Struct(">hIi")  # version, crc of everything behind it, number of entries
SNAPSHOT_CRC_START = 6
SNAPSHOT_ENTRY = struct.Struct(">qhiqiqiq")


class ProducerBatch(NamedTuple):
    """One batch a producer has in the log. The hot path notes plain tuples of the same four numbers."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int


NO_BATCH = ProducerBatch(NO_SEQUENCE, NO_SEQUENCE, 0, NO_OFFSET)
Numbers: TypeAlias = tuple[int, int, int, int]


class ProducerEntry:
    """One producer id's state."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_seen_ms",
        "last_sequence",
        "restored",
        "transaction_start",
    )

    def __init__(self, epoch: int, last_seen_ms: int) -> None:
        self.epoch = epoch
        self.last_sequence = NO_SEQUENCE  # -1 in a new epoch: 0 comes next
        self.batches: list[Numbers] = []
        self.last_seen_ms = last_seen_ms
        self.coordinator_epoch = -1
        self.transaction_start = NO_OFFSET
        self.restored = False  # from a snapshot, which knows one batch where the log has more

    def recall(self, batches: Sequence[Numbers]) -> None:
        """Take over what a look into the log found, the last batches of this epoch."""
        if batches:
            self.batches = list(batches)
        self.restored = False


def last_sequence_of(first_sequence: int, last_offset_delta: int) -> int:
    """Return a batch's last sequence number; after 2^31-1 comes 0. -1 for a batch without sequences."""
    if first_sequence < 0:
        return NO_SEQUENCE
    return (first_sequence + last_offset_delta) & MAX_SEQUENCE


class ProducerState:
    """All producers of one partition.

    Attributes:
        open: producer id -> first offset of its open transaction, in the order of these offsets.
    """

    def __init__(self) -> None:
        self._entries: dict[int, ProducerEntry] = {}
        self.open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[int, ProducerEntry]]:
        """Iterate over (producer id, entry)."""
        return iter(self._entries.items())

    def get(self, producer_id: int) -> ProducerEntry | None:
        """Return a producer's entry, if it is known."""
        return self._entries.get(producer_id)

    def check(
        self,
        producer_id: int,
        epoch: int,
        first_sequence: int,
        last_sequence: int,
        transactional: bool = False,
    ) -> ProducerBatch | None:
        """Decide about a batch; change nothing.

        The broker's own transactional batches have the sequence -1: epochs, but no order.

        Returns:
            ProducerBatch: the batch is already in the log: answer with its offsets.
            None: append it.

        Raises:
            InvalidProducerEpoch: a newer incarnation of this producer has written.
            OutOfOrderSequenceNumber: a batch before this one is missing, or it is an old one come late.
            InvalidTxnState: a plain batch inside the producer's own open transaction.
        """
        entry = self._entries.get(producer_id)
        if entry is None:
            return None  # expired, deleted or new: any sequence is the first one
        if first_sequence == NO_SEQUENCE:
            self._check_epoch(producer_id, entry.epoch, epoch)
        elif entry.epoch != epoch:
            self._check_new_epoch(producer_id, entry.epoch, epoch, first_sequence)
        elif first_sequence != (entry.last_sequence + 1) & MAX_SEQUENCE:
            for batch in entry.batches:
                if batch[0] == first_sequence and batch[1] == last_sequence:
                    return ProducerBatch._make(batch)
            raise OutOfOrderSequenceNumber(
                f"producer {producer_id} sent sequence {first_sequence} after {entry.last_sequence}"
                f" in epoch {epoch}"
            )
        if entry.transaction_start != NO_OFFSET and not transactional:
            raise InvalidTxnState(f"producer {producer_id} wrote outside its open transaction")
        return None

    def _check_epoch(self, producer_id: int, known: int, epoch: int) -> None:
        if epoch < known:
            raise InvalidProducerEpoch(
                f"producer {producer_id} wrote with epoch {epoch} after epoch {known} had begun"
            )

    def _check_new_epoch(self, producer_id: int, known: int, epoch: int, first_sequence: int) -> None:
        self._check_epoch(producer_id, known, epoch)
        if first_sequence != 0:
            raise OutOfOrderSequenceNumber(
                f"producer {producer_id} began epoch {epoch} with sequence {first_sequence} instead of 0"
            )

    def check_marker(self, marker: Marker) -> None:
        """Decide about a transaction's marker; change nothing.

        Raises:
            InvalidProducerEpoch: a newer incarnation of the producer has written, or (strict) the marker
                belongs to an earlier transaction than the open one.
            TransactionCoordinatorFenced: a newer coordinator has written markers for this producer.
        """
        entry = self._entries.get(marker.producer_id)
        if entry is None:
            return
        stale = marker.strict and marker.epoch == entry.epoch and entry.transaction_start != NO_OFFSET
        if marker.epoch < entry.epoch or stale:
            raise InvalidProducerEpoch(
                f"a marker of producer {marker.producer_id} has epoch {marker.epoch} after {entry.epoch}"
            )
        if marker.coordinator_epoch < entry.coordinator_epoch:
            raise TransactionCoordinatorFenced(
                f"a marker for producer {marker.producer_id} came from coordinator epoch"
                f" {marker.coordinator_epoch}, the last was {entry.coordinator_epoch}"
            )

    def note(
        self, producer_id: int, epoch: int, batch: Numbers, now_ms: int, transactional: bool = False
    ) -> None:
        """Apply a data batch that is in the log."""
        entry = self._entry(producer_id, epoch, now_ms)
        if batch[0] != NO_SEQUENCE:
            entry.last_sequence = batch[1]
            batches = entry.batches
            batches.append(batch)
            if len(batches) > REMEMBERED_BATCHES:
                del batches[0]
        if transactional and entry.transaction_start == NO_OFFSET:
            entry.transaction_start = self.open[producer_id] = batch[2]

    def end(self, marker: Marker, offset: int, now_ms: int) -> AbortedTransaction | None:
        """Apply a marker that is in the log at `offset`; returns the transaction if it aborted one."""
        entry = self._entry(marker.producer_id, marker.epoch, now_ms)
        entry.coordinator_epoch = marker.coordinator_epoch
        entry.transaction_start = NO_OFFSET
        first = self.open.pop(marker.producer_id, None)
        if first is None or marker.commit:
            return None
        stable = next(iter(self.open.values()), offset + 1)
        return AbortedTransaction(marker.producer_id, first, offset, stable)

    def _entry(self, producer_id: int, epoch: int, now_ms: int) -> ProducerEntry:
        """The entry of a producer that has just written with `epoch`."""
        entry = self._entries.get(producer_id)
        if entry is None:
            entry = self._entries[producer_id] = ProducerEntry(epoch, now_ms)
        elif entry.epoch != epoch:
            entry.epoch = epoch
            entry.last_sequence = NO_SEQUENCE
            entry.batches = []
            entry.restored = False
        entry.last_seen_ms = now_ms
        return entry

    def expire(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers silent for `expiration_ms` and without an open transaction; returns how many."""
        gone = [
            producer_id
            for producer_id, entry in self._entries.items()
            if now_ms - entry.last_seen_ms >= expiration_ms and entry.transaction_start == NO_OFFSET
        ]
        for producer_id in gone:
            del self._entries[producer_id]
        return len(gone)

    def to_snapshot(self) -> bytes:
        """Return the content of a `.snapshot` file; like Kafka's it keeps each producer's last batch only."""
        body = bytearray(len(self._entries).to_bytes(4, "big"))
        for producer_id, entry in self._entries.items():
            last = ProducerBatch._make(entry.batches[-1]) if entry.batches else NO_BATCH
            body += SNAPSHOT_ENTRY.pack(
                producer_id,
                entry.epoch,
                last.last_sequence,
                last.last_offset,
                max(last.last_offset - last.base_offset, 0),
                entry.last_seen_ms,
                entry.coordinator_epoch,
                entry.transaction_start,
            )
        return SNAPSHOT_VERSION.to_bytes(2, "big") + crc32c(body).to_bytes(4, "big") + bytes(body)

    @classmethod
    def from_snapshot(cls, data: bytes) -> ProducerState | None:
        """Read a `.snapshot` file; None when it is torn, of another version or no snapshot at all."""
        if len(data) < SNAPSHOT_HEAD.size:
            return None
        version, crc, count = SNAPSHOT_HEAD.unpack_from(data)
        body = memoryview(data)[SNAPSHOT_CRC_START:]
        if version != SNAPSHOT_VERSION or crc32c(body) != crc:
            return None
        if count < 0 or len(body) != 4 + count * SNAPSHOT_ENTRY.size:
            return None
        state = cls()
        for fields in SNAPSHOT_ENTRY.iter_unpack(body[4:]):
            producer_id, epoch, last_sequence, last_offset, delta, seen, coordinator_epoch, start = fields
            entry = state._entries[producer_id] = ProducerEntry(epoch, seen)
            entry.coordinator_epoch = coordinator_epoch
            entry.transaction_start = start
            entry.restored = True
            entry.last_sequence = last_sequence
            if last_sequence != NO_SEQUENCE:
                first = first_sequence_of(last_sequence, delta)
                entry.batches.append(ProducerBatch(first, last_sequence, last_offset - delta, last_offset))
        started = [(e.transaction_start, pid) for pid, e in state.items() if e.transaction_start != NO_OFFSET]
        state.open = {producer_id: start for start, producer_id in sorted(started)}
        return state


def first_sequence_of(last_sequence: int, last_offset_delta: int) -> int:
    """Return a batch's first sequence number, the inverse of `last_sequence_of`."""
    return (last_sequence - last_offset_delta) & MAX_SEQUENCE
