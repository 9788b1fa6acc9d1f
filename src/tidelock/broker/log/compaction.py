"""Log compaction decided: which partition needs it, which segments may be cleaned, which records stay.

Pure. A pass has two halves: read the dirty part and note the last offset of every key (`KeyMap`), then go
over everything from the log's start and keep, of each batch, the records that no later one has replaced
(`Compaction`). A tombstone stays for delete.retention.ms after the first pass that met it; that time is
written into its batch, as Kafka does, so it holds across restarts. Offsets never change.

Invariant: a record is dropped only when a later one of the same key lies in what the map has seen, when it
is a tombstone whose time is over, has no key, or belongs to an aborted transaction.

Source: Kafka `LogCleaner`, `Cleaner.cleanInto`, `MemoryRecords.filterTo`; KIP-58 (lag), KIP-534 (delete
horizon).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from tidelock.broker.log.retention import SegmentFacts
from tidelock.broker.log.settings import MAX_LONG, LogSettings
from tidelock.protocol.records import BatchHeader, Record, iter_records, rebuild_batch

# What one entry of the map costs beside the key itself.
ENTRY_BYTES = 120
Raw: TypeAlias = bytes | bytearray | memoryview


class Aborted(NamedTuple):
    """A transaction whose records between two offsets count as never written."""

    producer_id: int
    first_offset: int
    last_offset: int


class LastOfProducer(NamedTuple):
    """What must stay of a producer, so that a scan finds its state again."""

    epoch: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be cleaned: the first `count` segments, of which those before `dirty` were cleaned before."""

    count: int
    dirty: int


def bounds(
    facts: Sequence[SegmentFacts], first_dirty: int, limit: int, settings: LogSettings, now_ms: int
) -> Bounds:
    """Decide which segments a pass may touch.

    Args:
        facts: oldest first; the last is the active one, which is never cleaned.
        first_dirty: offset where the last pass ended.
        limit: nothing at or behind this offset (open transactions, bytes that are not durable yet).
        settings: the topic's.
        now_ms: the broker's wall clock.
    """
    count = dirty = 0
    lag = settings.min_compaction_lag_ms
    for segment in facts[:-1]:
        if segment.end_offset > limit or (lag and segment.max_timestamp > now_ms - lag):
            break
        count += 1
        dirty += segment.end_offset <= first_dirty
    return Bounds(count, dirty)


def urgency(facts: Sequence[SegmentFacts], found: Bounds, settings: LogSettings, now_ms: int) -> float:
    """Return how much a partition needs a pass: its dirty share, more when overdue; 0 = not yet."""
    dirty = sum(segment.size for segment in facts[found.dirty : found.count])
    if not dirty:
        return 0.0
    oldest = facts[found.dirty].max_timestamp
    if settings.max_compaction_lag_ms < MAX_LONG and 0 <= oldest < now_ms - settings.max_compaction_lag_ms:
        return 2.0
    share = dirty / sum(segment.size for segment in facts[: found.count])
    return share if share > settings.min_cleanable_dirty_ratio else 0.0


def groups(sizes: Sequence[tuple[int, int]], segment_bytes: int, most_offsets: int) -> list[list[int]]:
    """Put neighbours together that fit into one segment, so that small leftovers do not pile up.

    Args:
        sizes: (base offset, bytes) of each segment, and lastly (end offset, 0).
        segment_bytes: most bytes of one segment.
        most_offsets: most offsets that one segment can index.

    Returns:
        The base offsets of each group.
    """
    found: list[list[int]] = []
    filled = 0
    for (base, size), (end, _) in pairwise(sizes):
        fits = found and filled + size <= segment_bytes and end - found[-1][0] <= most_offsets
        if not fits:
            found.append([])
            filled = 0
        found[-1].append(base)
        filled += size
    return found


class AbortedRanges:
    """Whether a batch belongs to an aborted transaction."""

    def __init__(self, aborted: Iterable[Aborted]) -> None:
        self._of: dict[int, list[Aborted]] = {}
        for one in aborted:
            self._of.setdefault(one.producer_id, []).append(one)

    def have(self, header: BatchHeader) -> bool:
        """Whether the data of this batch counts as never written."""
        if not header.is_transactional or header.is_control:
            return False
        found = self._of.get(header.producer_id, ())
        return any(one.first_offset <= header.base_offset <= one.last_offset for one in found)


@dataclass(slots=True)
class KeyMap:
    """The last offset of every key in the dirty part.

    Args:
        most_bytes: about how much memory it may take; the pass ends at the segment in which it is full.
    """

    most_bytes: int
    latest: dict[bytes, int] = field(default_factory=dict)
    used_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no further segment should be read."""
        return self.used_bytes >= self.most_bytes

    def add(self, raw: Raw) -> None:
        """Note the keys of one batch of data."""
        latest = self.latest
        for record in iter_records(raw):
            key = record.key
            if key is None:
                continue
            if key not in latest:
                self.used_bytes += len(key) + ENTRY_BYTES
            latest[key] = record.offset


class Compaction:
    """One pass's decisions about batches, which must come in order from the log's start.

    Args:
        latest: the last offset of every key that the map has seen.
        aborted: see AbortedRanges.
        producers: by id, those the partition still knows.
        now_ms: the broker's wall clock at the start of the pass.
        delete_retention_ms: the topic's delete.retention.ms.
    """

    def __init__(
        self,
        latest: Mapping[bytes, int],
        aborted: AbortedRanges,
        producers: Mapping[int, LastOfProducer],
        now_ms: int,
        delete_retention_ms: int,
    ) -> None:
        self._latest = latest
        self._aborted = aborted
        self._producers = producers
        self._now_ms = now_ms
        self._horizon = now_ms + delete_retention_ms
        self._in_transaction: set[int] = set()

    def cleaned(self, header: BatchHeader, raw: Raw) -> Raw | None:
        """Return what stays of a batch: itself, a smaller one, or None for nothing."""
        if header.is_control:
            return self._marker(header, raw)
        if header.is_transactional and header.count:
            self._in_transaction.add(header.producer_id)
        if self._aborted.have(header):
            return self._emptied(header)
        kept, dropped, tombstones = [], False, False
        over = header.has_delete_horizon and header.base_timestamp <= self._now_ms
        for record in iter_records(raw):
            if self._stays(record, over):
                kept.append(record)
                tombstones = tombstones or record.value is None
            else:
                dropped = True
        if not kept:
            return self._emptied(header)
        if tombstones and not header.has_delete_horizon:
            return rebuild_batch(header, kept, delete_horizon=self._horizon)
        return rebuild_batch(header, kept) if dropped else raw

    def _stays(self, record: Record, over: bool) -> bool:
        if record.key is None or (over and record.value is None):
            return False
        return record.offset >= self._latest.get(record.key, -1)

    def _emptied(self, header: BatchHeader) -> Raw | None:
        known = self._producers.get(header.producer_id)
        if known is not None and known.last_offset == header.last_offset:
            return rebuild_batch(header, [])
        return None

    def _marker(self, header: BatchHeader, raw: Raw) -> Raw | None:
        """A marker goes once nothing of its transaction is left, and readers had time to see it."""
        had_data = header.producer_id in self._in_transaction
        self._in_transaction.discard(header.producer_id)
        if had_data:
            return raw
        if not header.has_delete_horizon:
            return rebuild_batch(header, list(iter_records(raw)), delete_horizon=self._horizon)
        if header.base_timestamp > self._now_ms:
            return raw
        known = self._producers.get(header.producer_id)
        return raw if known is not None and known.epoch == header.producer_epoch else None
