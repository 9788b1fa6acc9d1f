"""One topic partition: its segments, its producers, its epochs, and the one way a batch gets in.

`append` decides (validate, sequence check), then writes the batch in one call, then applies (end offset,
indexes, producer state), then returns; recovery applies the same way. Not thread-safe: one event loop owns
a partition, except that the `run` of a flush may happen elsewhere.

May import the rest of the log package, the protocol's record header and error codes. Invariants: offsets are
gapless and never given twice; what `append` returned is what a read will see; a disk error leaves the log as
if the append had not been asked for, or takes the partition offline.

Source: Kafka `UnifiedLog`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidelock.broker.log import lookup
from tidelock.broker.log.checkpoint import PartitionKey
from tidelock.broker.log.clean_job import CleanJob
from tidelock.broker.log.compaction import Aborted, Bounds, LastOfProducer, bounds
from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import Files
from tidelock.broker.log.producer_state import MAX_SEQUENCE, ProducerState
from tidelock.broker.log.recovery import Recovered, Start, recover
from tidelock.broker.log.retention import SegmentFacts, overdue
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.log.stored_log import StoredLog
from tidelock.broker.log.transactions import Marker, read_marker
from tidelock.broker.log.validate import (
    COMPRESSION_MASK,
    CONTROL,
    LAST_COMPRESSION,
    TRANSACTIONAL,
    refusal,
    wrong_size,
)
from tidelock.protocol.checksum import crc32c
from tidelock.protocol.error_codes import (
    CorruptMessage,
    KafkaError,
    KafkaStorageError,
    OffsetOutOfRange,
    OutOfOrderSequenceNumber,
)
from tidelock.protocol.records import (
    ABORT,
    COMMIT,
    HEADER,
    Producer,
    build_control_batch,
    iter_batches,
    set_log_append_time,
    set_offset_and_epoch,
)

HIGH_WATERMARK = -1

_unpack = HEADER.unpack_from
_checksum = crc32c


class Appended(NamedTuple):
    """Where a batch is in the log. `log_append_time_ms` is -1 when the records keep their own timestamps."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    log_start_offset: int
    duplicate: bool


class Partition(StoredLog):
    """The log of one topic partition.

    `log_start_offset` is the first offset that can be read, `log_end_offset` the next to be given; what is
    committed ends at `high_watermark`: a single node reaches it with every append, or, where the settings say
    so, with every flush.
    `offline` is the reason why nothing works any more, or None. `codec` is the one that batches are stored
    in; None: as their producers sent them.
    """

    def __init__(
        self, files: Files, folder: str, settings: LogSettings, start: Start, found: Recovered
    ) -> None:
        super().__init__(files, folder, start, found)
        self.on_log_start: Callable[[PartitionKey, int], None] | None = None
        self.configure(settings)

    @classmethod
    def open(
        cls, files: Files, folder: str, settings: LogSettings, now_ms: int, start: Start | None = None
    ) -> Partition:
        """Open, recover or create the partition in `folder` (named `<topic>-<index>`).

        Args:
            files: where.
            folder: its path; created when absent.
            settings: the topic's.
            now_ms: the broker's wall clock; counts as the time of everything found in the log.
            start: what the data folder knows; without it the whole log is checked.

        Raises:
            CorruptLog: durable bytes are damaged; nothing was changed.
            OSError: the disk.
        """
        files.make_folder(folder)
        start = start or Start()
        partition = cls(files, folder, settings, start, recover(files, folder, settings, start, now_ms))
        partition.activate()
        return partition

    def configure(self, settings: LogSettings) -> None:
        """Take over changed settings; they hold from the next append on."""
        self.settings = settings
        self._stamps = settings.message_timestamp_type == "LogAppendTime"
        self._looks_inside = settings.compacts
        self._commits_when_durable = settings.commits_when_durable
        self.codec = settings.compression_codec
        self._max_batch_bytes = min(settings.max_message_bytes, settings.segment_bytes)
        self._max_ahead_ms = settings.message_timestamp_after_max_ms
        self.configure_storage(settings)

    @property
    def high_watermark(self) -> int:
        """Offsets below it are committed and can be read."""
        return self._unflushed.recovery_point if self._commits_when_durable else self.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """Offsets below it are committed and belong to no open transaction."""
        open_since = self._producers.open
        if not open_since:
            return self.high_watermark
        return min(max(next(iter(open_since.values())), self.log_start_offset), self.high_watermark)

    @property
    def producers(self) -> ProducerState:
        """What is known of each producer; not to be changed."""
        return self._producers

    # -- writing

    def append(self, batches: memoryview, now_ms: int, *, internal: bool = False) -> Appended:
        """Append one record batch.

        Args:
            batches: writable; exactly one batch. Its base offset, leader epoch and, under LogAppendTime, its
                timestamp and checksum are rewritten in place, unless the topic's codec asks for a new one.
            now_ms: the broker's wall clock.
            internal: written by the broker itself: markers, any base offset and no sequence are allowed.

        Raises:
            CorruptMessage, InvalidRecord, MessageTooLarge, InvalidTimestamp, ...: the batch is not
            acceptable. OutOfOrderSequenceNumber, InvalidProducerEpoch, InvalidTxnState: nor is its
            producer's order.
            KafkaStorageError: the disk refused; nothing was appended.
        """
        size = len(batches)
        if size < HEADER.size:
            raise CorruptMessage(f"{size} bytes are too few for a record batch")
        base, length, _, magic, crc, bits, delta, _, newest, pid, epoch, first, count = _unpack(batches)
        if (
            length + 12 != size
            or magic != 2
            or base
            or size > self._max_batch_bytes
            or count != delta + 1
            or count < 1
            or bits & CONTROL
            or bits & COMPRESSION_MASK > LAST_COMPRESSION
            or newest - now_ms > self._max_ahead_ms
            or (pid >= 0 and (epoch < 0 or first < 0))
            or _checksum(batches[21:]) != crc
        ):
            self._refuse(batches, now_ms, internal=internal)
        if pid >= 0 and not bits & CONTROL:
            known = self._known(pid, epoch, first, delta, bits)
            if known is not None:
                return known
        if self._looks_inside and not internal:
            lookup.require_keys(batches)
        if self.codec is not None and bits & COMPRESSION_MASK != self.codec and not internal:
            batches = self._recompressed(batches)
        stamp = -1
        if self._stamps:
            newest = stamp = now_ms
            set_log_append_time(batches, 0, now_ms)
        base = self.log_end_offset
        last = base + delta
        set_offset_and_epoch(batches, 0, base, self.leader_epoch)
        self.write(batches, last, newest, now_ms)
        if pid >= 0:
            if bits & CONTROL:
                self._ended(batches, pid, epoch, base, now_ms)
            else:
                numbers = (first, (first + delta) & MAX_SEQUENCE if first >= 0 else first, base, last)
                self._producers.note(pid, epoch, numbers, now_ms, bits & TRANSACTIONAL != 0)
        return Appended(base, last, stamp, self.log_start_offset, False)

    def append_marker(self, marker: Marker, now_ms: int) -> Appended:
        """End a producer's transaction in this partition; without an open one only its epoch is taken over.

        Raises:
            InvalidProducerEpoch, TransactionCoordinatorFenced: see ProducerState.check_marker.
            KafkaStorageError: the disk refused; nothing was appended.
        """
        try:
            self._producers.check_marker(marker)
        except KafkaError as error:
            error.where = f"{self.topic}-{self.index}"
            raise
        producer = Producer(marker.producer_id, marker.epoch)
        kind = COMMIT if marker.commit else ABORT
        batch = build_control_batch(
            kind, producer, coordinator_epoch=marker.coordinator_epoch, timestamp=now_ms
        )
        return self.append(memoryview(batch), now_ms, internal=True)

    def _ended(self, batch: memoryview, pid: int, epoch: int, offset: int, now_ms: int) -> None:
        found = read_marker(batch)
        if found is not None:
            aborted = self._producers.end(Marker(pid, epoch, *found), offset, now_ms)
            if aborted is not None:
                self._active.aborted.append(aborted)

    def _refuse(self, batch: memoryview, now_ms: int, *, internal: bool) -> None:
        error = refusal(batch, self.settings, now_ms, internal=internal)
        if error is not None:
            error.where = f"{self.topic}-{self.index}"
            raise error

    def _recompressed(self, batch: memoryview) -> memoryview:
        try:
            found = lookup.recompressed(batch, self.settings)
            if too_large := wrong_size(len(found), self.settings):
                raise too_large
        except KafkaError as error:
            error.where = f"{self.topic}-{self.index}"
            raise
        return found

    def _known(self, pid: int, epoch: int, first: int, delta: int, bits: int) -> Appended | None:
        """Return where a producer's batch already is, or None for one that is due; raises for all others."""
        last = (first + delta) & MAX_SEQUENCE if first >= 0 else first
        producers = self._producers
        try:
            known = producers.check(pid, epoch, first, last, bits & TRANSACTIONAL != 0)
        except OutOfOrderSequenceNumber:
            entry = producers.get(pid)
            if entry is None or not entry.restored or entry.epoch != epoch:
                raise
            # A snapshot keeps only the last batch of each producer; the log still has the ones before it.
            entry.recall(lookup.recent_batches(self._segments, pid, epoch))
            known = producers.check(pid, epoch, first, last, bits & TRANSACTIONAL != 0)
        if known is None:
            return None
        self.require_online()
        return Appended(known.base_offset, known.last_offset, -1, self.log_start_offset, True)

    # -- reading

    def read(self, offset: int, max_bytes: int, *, limit: int | None = None) -> bytes | memoryview:
        """Return whole batches from the one that contains `offset`.

        The first batch comes whole even when it is larger than `max_bytes`, so that a consumer always gets
        on. One call reads from one segment only.

        Args:
            offset: absolute; may lie inside a batch, whose earlier records the client skips.
            max_bytes: soft limit, >= 1.
            limit: end before this offset; default: the high watermark.

        Returns:
            Bytes as they lie in the file; empty at the limit.

        Raises:
            OffsetOutOfRange: below the log start or above the log end.
            KafkaStorageError: the disk.
            CorruptMessage: a batch is damaged.

        Source: KIP-74 (first batch); Kafka `UnifiedLog.read`.
        """
        end = self.log_end_offset
        if offset > end or offset < self.log_start_offset:
            raise OffsetOutOfRange(
                f"offset {offset} is outside {self.log_start_offset} to {end}",
                where=f"{self.topic}-{self.index}",
            )
        self.require_online()
        bound = self.high_watermark if limit is None else min(limit, end)
        if offset >= bound:
            return b""
        try:
            return self._segments.read(offset, max_bytes, bound, end)
        except (OSError, CorruptLog) as error:
            raise self._unreadable(error) from error

    def aborted_in(self, offset: int, data: bytes | memoryview) -> list[tuple[int, int]]:
        """Return (producer id, first offset) of the aborted transactions with records in what was read.

        Args:
            offset: what was asked for.
            data: what `read` returned for it.
        """
        if not data or not self._segments.have_aborted:
            return []
        for header, _ in iter_batches(data):
            end = header.last_offset + 1
        return self._segments.aborted(offset, end)

    def size_between(self, start: int, end: int) -> int:
        """Return the bytes of the batches from the one that contains `start` to before the one of `end`."""
        return self._segments.size_between(start, end, self.log_end_offset)

    def offset_for_timestamp(
        self, timestamp_ms: int, opening: lookup.Opening | None = None
    ) -> tuple[int, int] | None:
        """Return (timestamp, offset) of the first record that is not older than `timestamp_ms`, if any."""
        allowed = opening or lookup.Opening()
        return self._looking_up(
            lambda: lookup.by_timestamp(self._segments, timestamp_ms, self.log_start_offset, allowed)
        )

    def max_timestamp(self, opening: lookup.Opening | None = None) -> tuple[int, int] | None:
        """Return (timestamp, offset) of the record with the greatest timestamp, if any has one."""
        allowed = opening or lookup.Opening()
        return self._looking_up(lambda: lookup.newest(self._segments, self.log_start_offset, allowed))

    def _looking_up(self, search: Callable[[], tuple[int, int] | None]) -> tuple[int, int] | None:
        self.require_online()
        try:
            return search()
        except (OSError, CorruptLog) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError | CorruptLog) -> KafkaError:
        """Say what a client is told: a damaged batch ends readers, whom a disk's error has try again.

        Source: Kafka `FileLogInputStream.nextBatch` (CorruptRecordException), `CompletedFetch` of consumers.
        """
        self.troubles.note("records cannot be read", self.folder, error)
        kind = CorruptMessage if isinstance(error, CorruptLog) else KafkaStorageError
        return kind(f"the log could not be read: {error}", where=self.folder)

    def epoch_end_offset(self, epoch: int) -> tuple[int, int]:
        """Answer OffsetForLeaderEpoch: (largest epoch <= asked, where it ended); (-1, -1) if unknown."""
        return self._epochs.end_offset(epoch, self.log_end_offset)

    # -- deleting

    def delete_records_before(self, offset: int) -> int:
        """Move the log start; answers DeleteRecords.

        Args:
            offset: the new log start; -1 = the high watermark.

        Returns:
            The log start offset, never lower than before.

        Raises:
            OffsetOutOfRange: above the high watermark.
            KafkaStorageError: the disk; nothing was deleted.
        """
        self.require_online()
        target = self.high_watermark if offset == HIGH_WATERMARK else offset
        if target < 0 or target > self.high_watermark:
            raise OffsetOutOfRange(f"offset {offset} is above the high watermark {self.high_watermark}")
        if target > self.log_start_offset:
            if self.on_log_start is not None:
                try:
                    self.on_log_start(self.key, target)
                except OSError as error:
                    raise KafkaStorageError(f"the log start could not be written down: {error}") from error
            self.log_start_offset = target
        self.delete_oldest(self._segments.count_below(target))
        return self.log_start_offset

    def retention(self, now_ms: int) -> int:
        """Delete the segments that retention.ms and retention.bytes no longer allow; returns how many."""
        if self.offline or self.is_cleaning:
            return 0
        try:
            facts = self._segments.facts(self.log_end_offset)
            count = overdue(facts, self.settings, self.log_start_offset, now_ms)
            if count == len(self._segments):
                self.roll()
        except (OSError, CorruptLog) as error:
            raise KafkaStorageError(
                f"old segments could not be deleted: {error}", where=self.folder
            ) from error
        self.delete_oldest(count)
        return count

    def cleanable(self, first_dirty: int, now_ms: int) -> tuple[list[SegmentFacts], Bounds]:
        """Return the segments' facts and which of them a compaction may touch.

        Raises:
            OSError, CorruptLog: a segment cannot be read.
        """
        facts = self._segments.facts(self.log_end_offset)
        # What is not durable yet may be cut at the next start; nothing may have been decided by it.
        limit = min(self.last_stable_offset, self.recovery_point)
        return facts, bounds(facts, first_dirty, limit, self.settings, now_ms)

    def begin_cleaning(self, first_dirty: int, now_ms: int, map_bytes: int) -> CleanJob:
        """Write down a compaction of what is cleanable; until it ends, no segment is deleted."""
        facts, found = self.cleanable(first_dirty, now_ms)
        self.is_cleaning = True
        producers = {
            producer_id: LastOfProducer(entry.epoch, entry.batches[-1][3])
            for producer_id, entry in self._producers.items()
            if entry.batches
        }
        return CleanJob(
            self.topic,
            self.index,
            self.folder,
            tuple((one.base_offset, one.size) for one in [*self._segments][: found.count]),
            facts[found.count - 1].end_offset,
            found.dirty,
            self.settings.segment_bytes,
            self.settings.index_interval_bytes,
            now_ms,
            self.settings.delete_retention_ms,
            map_bytes,
            producers,
            tuple(Aborted(*one[:3]) for segment in self._segments for one in segment.aborted),
            {one.base_offset: one.aborted.to_bytes() for one in self._segments if len(one.aborted)},
        )

    def expire_producers(self, now_ms: int) -> int:
        """Forget producers that were silent for producer.id.expiration.ms; returns how many."""
        return self._producers.expire(now_ms, self.settings.producer_id_expiration_ms)
