"""Questions that need the records inside batches, or batches found by something other than their offset.

Find by timestamp, find the newest record, find a producer's last batches, refuse records without a key,
give a batch another codec. Whole batches are skipped by their headers; at most one is opened per answer.

May import segments and the protocol's record reader. A batch whose records cannot be read (the broker never
looked inside when it was produced), are not as new as its header says, or are more than may be opened counts
as a whole: its base offset stands for its records.

Source: Kafka `LogSegment.findOffsetByTimestamp`, `FileRecords.searchForTimestamp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidelock.broker.log.producer_state import REMEMBERED_BATCHES, ProducerBatch, last_sequence_of
from tidelock.broker.log.scan import Header
from tidelock.broker.log.segment import Segment
from tidelock.broker.log.segments import Segments
from tidelock.broker.log.settings import LogSettings
from tidelock.protocol.compression import CompressionUnavailable
from tidelock.protocol.error_codes import (
    CorruptMessage,
    InvalidRecord,
    MessageTooLarge,
    UnsupportedCompressionType,
)
from tidelock.protocol.records import Record, iter_records, read_header, recompress_batch

RECALL_BYTES = 8 * 1024 * 1024
# What one batch may open to: a few KB of gzip could otherwise keep the broker's only loop busy for minutes.
OPENED_BYTES = 64 << 20
OPENED_RECORDS = 100_000
LOG_APPEND_TIME = 0x08
CONTROL = 0x20


class KeylessRecords(InvalidRecord):
    """Records without a key on a compacted topic; `record_errors` has (index in the batch, reason)."""

    def __init__(self, indexes: list[int]) -> None:
        super().__init__("a compacted topic cannot accept a record without a key")
        self.record_errors = [(index, "the record has no key") for index in indexes]


@dataclass(slots=True)
class Opening:
    """How many records may still be looked at for one request."""

    records: int = OPENED_RECORDS


def require_keys(batch: memoryview) -> None:
    """Refuse a batch for a compacted topic when a record has no key.

    Raises:
        KeylessRecords: with the place of each.
        MessageTooLarge: there are too many to look at.
        KafkaError: the records cannot be read.
    """
    count = read_header(batch).count
    if count > OPENED_RECORDS:
        raise MessageTooLarge(f"a batch of {count} records; a compacted topic takes {OPENED_RECORDS} at once")
    keyless = [number for number, record in enumerate(opened(batch)) if record.key is None]
    if keyless:
        raise KeylessRecords(keyless)


def opened(batch: bytes | memoryview) -> Iterator[Record]:
    """Iterate over a batch's records.

    Raises:
        UnsupportedCompressionType: also where the library that opens it is not installed.
        CorruptMessage, InvalidRecord: the records are not what the header says.
        MessageTooLarge: they open to more than `OPENED_BYTES`.
    """
    try:
        yield from iter_records(batch, limit=OPENED_BYTES)
    except CompressionUnavailable as error:
        raise UnsupportedCompressionType(error.what, where=error.where, hint=error.hint) from error


def recompressed(batch: memoryview, settings: LogSettings) -> memoryview:
    """Return a batch in the topic's own codec.

    Raises:
        UnsupportedCompressionType: also where the library of either codec is not installed.
        CorruptMessage: what is in it cannot be opened.
        MessageTooLarge: it opens to more than `OPENED_BYTES`.

    Source: Kafka `LogValidator.buildRecordsAndAssignOffsets`.
    """
    codec, level = settings.compression_codec, settings.compression_level
    assert codec is not None
    try:
        return memoryview(recompress_batch(batch, codec, level, limit=OPENED_BYTES))
    except CompressionUnavailable as error:
        raise UnsupportedCompressionType(error.what, where=error.where, hint=error.hint) from error


def by_timestamp(
    segments: Segments, timestamp: int, log_start_offset: int, opening: Opening
) -> tuple[int, int] | None:
    """Return (timestamp, offset) of the first record at or behind the log start that is not older."""
    for segment in segments:
        if segment.max_timestamp[0] < timestamp:
            continue
        begin = max(segment.time_index.offset_for(timestamp), log_start_offset)
        for position, header in segment.headers(segment.locate(begin)):
            if header[8] >= timestamp and header[0] + header[6] >= log_start_offset and header[12]:
                batch = segment.batch(position, header)
                found = _first_in_batch(batch, header, timestamp, log_start_offset, opening)
                if found is not None:
                    return found
    return None


def newest(segments: Segments, log_start_offset: int, opening: Opening) -> tuple[int, int] | None:
    """Return (timestamp, offset) of the record with the greatest timestamp; the first of several."""
    best: Segment | None = None
    for segment in segments:
        if best is None or _greatest(segment, log_start_offset) > _greatest(best, log_start_offset):
            best = segment
    if best is None or _greatest(best, log_start_offset) < 0:
        return None
    return by_timestamp(segments, _greatest(best, log_start_offset), log_start_offset, opening)


def recent_batches(segments: Segments, producer_id: int, epoch: int) -> list[ProducerBatch]:
    """Return the last batches of a producer in the newest part of the log, oldest first."""
    budget = RECALL_BYTES
    found: list[ProducerBatch] = []
    for segment in reversed(segments):
        start = segment.known_position_until(max(segment.size - budget, 0))
        found = [*_batches_of(segment.headers(start), producer_id, epoch), *found][-REMEMBERED_BATCHES:]
        budget -= segment.size - start
        if budget <= 0 or len(found) == REMEMBERED_BATCHES:
            break
    return found


def _batches_of(
    headers: Iterable[tuple[int, Header]], producer_id: int, epoch: int
) -> Iterator[ProducerBatch]:
    for _, header in headers:
        if header[9] == producer_id and header[10] == epoch and header[11] >= 0 and not header[5] & CONTROL:
            last = last_sequence_of(header[11], header[6])
            yield ProducerBatch(header[11], last, header[0], header[0] + header[6])


def _first_in_batch(
    batch: bytes | memoryview, header: Header, timestamp: int, log_start_offset: int, opening: Opening
) -> tuple[int, int] | None:
    """Return None only where the log starts inside the batch, behind its newest records."""
    whole = header[8], max(header[0], log_start_offset)
    count = header[12]
    if header[5] & LOG_APPEND_TIME or count > opening.records:
        return whole
    opening.records -= count
    try:
        for record in opened(batch):
            if record.timestamp >= timestamp and record.offset >= log_start_offset:
                return record.timestamp, record.offset
    except (CorruptMessage, InvalidRecord, MessageTooLarge):
        return whole
    return whole if header[0] >= log_start_offset else None


def _greatest(segment: Segment, log_start_offset: int) -> int:
    """The greatest timestamp of a segment's readable part; only the oldest segment can have another part."""
    timestamp, offset = segment.max_timestamp
    if offset >= log_start_offset:
        return timestamp
    readable = segment.headers(segment.locate(log_start_offset))
    return max((header[8] for _, header in readable), default=-1)
