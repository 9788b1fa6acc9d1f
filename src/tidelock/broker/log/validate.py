"""Why a batch is refused: the words for it; the partition itself tests everything in one condition.

Pure. The broker looks at a batch's header and checksum; the records inside stay closed, except on compacted
topics, where a record without a key could never be compacted.

Source: Kafka `LogValidator.validateBatch`, `UnifiedLog.analyzeAndValidateRecords`.
"""

from __future__ import annotations

from tidelock.broker.log.scan import CRC_START, LENGTH_OVERHEAD, MAGIC
from tidelock.broker.log.settings import LogSettings
from tidelock.protocol.checksum import crc32c
from tidelock.protocol.error_codes import (
    CorruptMessage,
    InvalidRecord,
    InvalidTimestamp,
    KafkaError,
    MessageTooLarge,
    RecordListTooLarge,
    UnsupportedCompressionType,
)
from tidelock.protocol.records import HEADER

COMPRESSION_MASK = 0x07
LAST_COMPRESSION = 4  # none, gzip, snappy, lz4, zstd
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20


def refusal(batch: memoryview, settings: LogSettings, now_ms: int, *, internal: bool) -> KafkaError | None:
    """Return the error for a batch that must not be appended, or None when there is nothing against it.

    Args:
        batch: what the client sent for one partition.
        settings: the topic's.
        now_ms: the broker's wall clock.
        internal: written by the broker itself: markers, any base offset, no sequence and any size are
            allowed.
    """
    size = len(batch)
    if size < HEADER.size:
        return CorruptMessage(f"{size} bytes are too few for a record batch")
    header = HEADER.unpack_from(batch)
    return (
        _wrong_frame(header[1] + LENGTH_OVERHEAD, header[3], size)
        or (None if internal else wrong_size(size, settings))
        or _wrong_checksum(batch, header[4])
        or _wrong_fields(header)
        or (None if internal else _not_for_clients(header))
        or _wrong_time(header, settings, now_ms)
    )


def _wrong_frame(declared: int, magic: int, size: int) -> KafkaError | None:
    if magic != MAGIC:
        return InvalidRecord(f"the batch has magic {magic}; only {MAGIC} is accepted")
    if declared < HEADER.size or declared > size:
        return CorruptMessage(f"the batch declares {declared} bytes, {size} came")
    if declared < size:
        return InvalidRecord(f"{size - declared} bytes follow the batch; one batch per partition is allowed")
    return None


def wrong_size(size: int, settings: LogSettings) -> KafkaError | None:
    """Return the error for a batch of so many bytes, or None."""
    if size > settings.max_message_bytes:
        return MessageTooLarge(
            f"the batch has {size} bytes; max.message.bytes is {settings.max_message_bytes}"
        )
    if size > settings.segment_bytes:
        return RecordListTooLarge(f"the batch has {size} bytes; segment.bytes is {settings.segment_bytes}")
    return None


def _wrong_checksum(batch: memoryview, crc: int) -> KafkaError | None:
    if crc32c(batch[CRC_START:]) != crc:
        return CorruptMessage("the batch's checksum does not match its bytes")
    return None


def _wrong_fields(header: tuple[int, ...]) -> KafkaError | None:
    attributes, delta, count = header[5], header[6], header[12]
    if count < 1:
        return InvalidRecord(f"the batch has {count} records")
    if count != delta + 1:
        return InvalidRecord(f"the batch counts {count} records, its last offset delta is {delta}")
    if attributes & COMPRESSION_MASK > LAST_COMPRESSION:
        return UnsupportedCompressionType(f"compression type {attributes & COMPRESSION_MASK} is unknown")
    return None


def _not_for_clients(header: tuple[int, ...]) -> KafkaError | None:
    if header[0] != 0:
        return InvalidRecord(f"the batch's base offset must be 0, it is {header[0]}")
    if header[5] & CONTROL:
        return InvalidRecord("clients must not write control batches")
    producer_id, producer_epoch, first_sequence = header[9:12]
    if producer_id >= 0 and (producer_epoch < 0 or first_sequence < 0):
        return InvalidRecord(
            f"producer {producer_id} sent epoch {producer_epoch}, sequence {first_sequence}: below 0"
        )
    return None


def _wrong_time(header: tuple[int, ...], settings: LogSettings, now_ms: int) -> KafkaError | None:
    ahead = header[8] - now_ms
    if settings.message_timestamp_type == "CreateTime" and ahead > settings.message_timestamp_after_max_ms:
        return InvalidTimestamp(
            f"timestamp {header[8]} is {ahead} ms ahead of the broker's clock; "
            f"message.timestamp.after.max.ms is {settings.message_timestamp_after_max_ms}"
        )
    return None
