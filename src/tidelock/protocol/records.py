"""Record batches (magic 2): the 61-byte header read in place, rewritten in place, and the records inside.

A broker keeps batches opaque: it reads the header with `read_header`, checks the CRC, and writes the two
fields that lie outside the CRC (base offset, leader epoch) where they stand. Records are only opened where
the content matters (null keys on a compacted topic, look-up by time, compaction, transaction markers).
Imports primitives, compression and the error codes; the CRC is crc32c's.
Source: Kafka `DefaultRecordBatch`, `DefaultRecord`, `EndTransactionMarker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from struct import Struct as Layout
from struct import error as struct_error
from typing import Final, NamedTuple

from tidelock.protocol import compression as codecs
from tidelock.protocol.checksum import crc32c
from tidelock.protocol.error_codes import CorruptMessage, InvalidRecord
from tidelock.protocol.primitives import Buffer, MalformedMessage, read_varint, write_varint

MAGIC: Final = 2
HEADER_BYTES: Final = 61
LOG_OVERHEAD: Final = 12
"""Base offset and batch length, which the batch length does not count."""
NO_TIMESTAMP: Final = -1
NO_PRODUCER_ID: Final = -1
ABORT: Final = 0
COMMIT: Final = 1

HEADER: Final = Layout(">qiibIhiqqqhii")
"""The header's layout itself, for loops that cannot afford a `BatchHeader` per batch."""
_OFFSET = Layout(">q")
_EPOCH = Layout(">i")
_CRC = Layout(">I")
_ATTRIBUTES = Layout(">h")
_CONTROL_KEY = Layout(">hh")
_CONTROL_VALUE = Layout(">hi")
_EPOCH_AT, _CRC_AT, _CRC_FROM, _MAX_TIMESTAMP_AT = 12, 17, 21, 35
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL, _DELETE_HORIZON = 0x07, 0x08, 0x10, 0x20, 0x40
_SMALLEST_RECORD = 7
_new: Callable[[type[Record], tuple[object, ...]], Record] = tuple.__new__  # Record(...) without its wrapper


class BatchHeader(NamedTuple):
    """The header of one batch, field by field as on the wire."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants of a header

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.batch_length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        """Offset of the last record, also where compaction has removed it."""
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; wraps from 2^31 - 1 to 0. -1 without a producer id."""
        if self.base_sequence < 0:
            return self.base_sequence
        return (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF

    @property
    def compression(self) -> int:
        """The codec's number, see tidelock.protocol.compression."""
        return self.attributes & _CODEC

    @property
    def log_append_time(self) -> bool:
        """Whether `max_timestamp` is the time of append and holds for every record."""
        return bool(self.attributes & _LOG_APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a marker instead of data."""
        return bool(self.attributes & _CONTROL)

    @property
    def has_delete_horizon(self) -> bool:
        """Whether `base_timestamp` is the time from which on tombstones may go."""
        return bool(self.attributes & _DELETE_HORIZON)


class Record(NamedTuple):
    """One record; offset and timestamp (milliseconds since 1970) are absolute."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Producer(NamedTuple):
    """Who wrote a batch: producer id, epoch, and the sequence of its first record."""

    id: int = NO_PRODUCER_ID
    epoch: int = -1
    sequence: int = -1


NO_PRODUCER: Final = Producer()


def read_header(buf: Buffer, pos: int = 0) -> BatchHeader:
    """Read a batch header in place; whether the whole batch is there is `pos + header.size <= len(buf)`.

    Raises:
        CorruptMessage: fewer than 61 bytes, or a batch length that cannot be.
        InvalidRecord: a magic other than 2.
    """
    try:
        header = BatchHeader._make(HEADER.unpack_from(buf, pos))
    except struct_error:
        raise CorruptMessage(f"{len(buf) - pos} bytes are too few for a batch header") from None
    if header.magic != MAGIC:
        raise InvalidRecord(f"a batch has the magic {header.magic}; only {MAGIC} is supported")
    if header.batch_length < HEADER_BYTES - LOG_OVERHEAD:
        raise CorruptMessage(f"a batch says it is {header.batch_length} bytes long, less than its header")
    return header


def check_crc(buf: Buffer, pos: int, header: BatchHeader) -> bool:
    """Whether the batch at `pos`, all of which is in `buf`, has the CRC that its header says."""
    return crc32c(memoryview(buf)[pos + _CRC_FROM : pos + header.size]) == header.crc


def set_offset_and_epoch(buf: bytearray | memoryview, pos: int, base_offset: int, leader_epoch: int) -> None:
    """Write base offset and leader epoch in place; both lie outside the CRC, so it stays valid."""
    _OFFSET.pack_into(buf, pos, base_offset)
    _EPOCH.pack_into(buf, pos + _EPOCH_AT, leader_epoch)


def set_log_append_time(buf: bytearray | memoryview, pos: int, now_ms: int) -> None:
    """Give every record of the batch the time of append, in place, and write the new CRC.

    Source: KIP-32; `DefaultRecordBatch.setMaxTimestamp`.
    """
    header = read_header(buf, pos)
    _ATTRIBUTES.pack_into(buf, pos + _CRC_FROM, header.attributes | _LOG_APPEND_TIME)
    _OFFSET.pack_into(buf, pos + _MAX_TIMESTAMP_AT, now_ms)
    _write_crc(buf, pos, header.size)


def iter_batches(buf: Buffer, pos: int = 0) -> Iterator[tuple[BatchHeader, int]]:
    """Yield (header, position) of each whole batch; one that is cut off at the end is left out, as in Kafka.

    Raises:
        CorruptMessage, InvalidRecord: see read_header.
    """
    end = len(buf)
    while end - pos >= HEADER_BYTES:
        header = read_header(buf, pos)
        if header.size > end - pos:
            return
        yield header, pos
        pos += header.size


def iter_records(buf: Buffer, pos: int = 0, *, limit: int = codecs.DEFAULT_LIMIT) -> Iterator[Record]:
    """Yield the records of the batch at `pos`, decompressed where it is compressed. The CRC is not checked.

    Args:
        buf: holds the whole batch.
        pos: bytes, where it starts.
        limit: bytes, the most that a compressed batch may open to.

    Raises:
        CorruptMessage, InvalidRecord: the batch is cut short, or is not what its header says.
        MessageTooLarge, UnsupportedCompressionType, CompressionUnavailable: see compression.decompress.
    """
    header = read_header(buf, pos)
    if pos + header.size > len(buf):
        raise CorruptMessage(f"a batch of {header.size} bytes is cut off after {len(buf) - pos}")
    body = memoryview(buf)[pos + HEADER_BYTES : pos + header.size]
    data = bytes(codecs.decompress(header.compression, body, limit))
    if header.count < 0 or header.count * _SMALLEST_RECORD > len(data):
        raise InvalidRecord(f"a batch of {len(data)} bytes cannot hold {header.count} records")
    at = 0
    try:
        for _ in range(header.count):
            record, at = _read_record(data, at, header)
            yield record
    except (IndexError, ValueError, MalformedMessage) as error:
        raise InvalidRecord(f"a record is garbled: {error}") from None
    if at != len(data):
        raise InvalidRecord(f"{len(data) - at} bytes are left over behind {header.count} records")


def _read_record(data: bytes, pos: int, header: BatchHeader) -> tuple[Record, int]:
    length, pos = read_varint(data, pos)
    end = pos + length
    if length < 0 or end > len(data):
        raise InvalidRecord(f"a record of {length} bytes does not fit its batch")
    timestamp_delta, pos = read_varint(data, pos + 1)  # one byte of attributes, unused so far
    offset_delta, pos = read_varint(data, pos)
    key, pos = _read_bytes(data, pos)
    value, pos = _read_bytes(data, pos)
    count = data[pos]
    headers: tuple[tuple[str, bytes | None], ...] = ()
    if count:
        headers, pos = _read_headers(data, pos, end)
    else:
        pos += 1
    if pos != end:
        raise InvalidRecord("a record is not as long as it says")
    timestamp = header.max_timestamp if header.log_append_time else header.base_timestamp + timestamp_delta
    return _new(Record, (header.base_offset + offset_delta, timestamp, key, value, headers)), pos


def _read_bytes(data: bytes, pos: int) -> tuple[bytes | None, int]:
    length, pos = read_varint(data, pos)
    if length < 0:
        return None, pos
    end = pos + length
    return data[pos:end], end


def _read_headers(data: bytes, pos: int, end: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    count, pos = read_varint(data, pos)
    if count < 0 or 2 * count > end - pos:
        raise InvalidRecord(f"a record cannot hold {count} headers")
    headers = []
    for _ in range(count):
        name, pos = _read_bytes(data, pos)
        if name is None:
            raise InvalidRecord("a record header has no name")
        value, pos = _read_bytes(data, pos)
        headers.append((name.decode(), value))
    return tuple(headers), pos


def build_batch(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    compression: int = codecs.NONE,
    producer: Producer = NO_PRODUCER,
    transactional: bool = False,
    leader_epoch: int = -1,
) -> bytearray:
    """Return one batch.

    Args:
        records: at least one, by offset; offsets count from `base_offset` (a client's batch starts at 0).
        base_offset: the offset of the batch.
        compression: a codec's number.
        producer: who writes it, for idempotence and transactions.
        transactional: whether it belongs to a transaction.
        leader_epoch: -1 from a client.

    Raises:
        InvalidRecord: no record, or one before `base_offset`.
    """
    attributes = compression | (_TRANSACTIONAL if transactional else 0)
    return _build(records, attributes, producer, base_offset=base_offset, leader_epoch=leader_epoch)


def rebuild_batch(
    header: BatchHeader, records: Sequence[Record], *, delete_horizon: int | None = None
) -> bytearray:
    """Return a batch in the place of another, with some of its records: what compaction leaves of it.

    Base offset, last offset, producer, sequence, epoch, codec and kind stay, so that nothing that was true
    of the old batch becomes untrue; without records only the header stays, as the last word of a producer.

    Args:
        header: of the batch that is replaced.
        records: some of its records, in order.
        delete_horizon: milliseconds; from then on tombstones may go. None leaves it as it is.

    Source: KIP-534; Kafka `MemoryRecords.filterTo`, `DefaultRecordBatch.writeEmptyHeader`.
    """
    attributes = header.attributes
    base_timestamp = header.base_timestamp
    if delete_horizon is not None:
        attributes, base_timestamp = attributes | _DELETE_HORIZON, delete_horizon
    if records and not header.log_append_time:
        newest = max(record.timestamp for record in records)
    else:
        newest = header.max_timestamp
    body = bytearray()
    for record in records:
        _write_record(body, record, header.base_offset, base_timestamp)
    codec = attributes & _CODEC
    if not records:
        attributes &= ~_CODEC
    elif codec:
        body = bytearray(codecs.compress(codec, body))
    out = bytearray(HEADER_BYTES) + body
    fixed = header._replace(
        batch_length=len(out) - LOG_OVERHEAD,
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=newest,
        count=len(records),
    )
    HEADER.pack_into(out, 0, *fixed)
    _write_crc(out, 0, len(out))
    return out


def recompress_batch(
    batch: Buffer, codec: int, level: int | None = None, *, limit: int = codecs.DEFAULT_LIMIT
) -> bytearray:
    """Return a batch with the same records and another compression; the records are not looked at.

    Args:
        batch: one whole batch.
        codec: the new one, attributes & 7.
        level: see `compress`.
        limit: bytes, the most its records may open to.

    Raises:
        CorruptMessage, InvalidRecord, MessageTooLarge: what is in it cannot be opened.
        UnsupportedCompressionType, CompressionUnavailable: one of the codecs is not there.
    """
    header = read_header(batch)
    plain = codecs.decompress(header.attributes & _CODEC, batch[HEADER_BYTES : header.size], limit)
    out = bytearray(HEADER_BYTES) + codecs.compress(codec, plain, level)
    attributes = header.attributes & ~_CODEC | codec
    HEADER.pack_into(out, 0, *header._replace(batch_length=len(out) - LOG_OVERHEAD, attributes=attributes))
    _write_crc(out, 0, len(out))
    return out


def build_control_batch(
    kind: int, producer: Producer, *, coordinator_epoch: int, timestamp: int, base_offset: int = 0
) -> bytearray:
    """Return the batch that ends a transaction in one partition: a marker, ABORT or COMMIT.

    Source: `EndTransactionMarker` version 0; KIP-98.
    """
    key, value = _CONTROL_KEY.pack(0, kind), _CONTROL_VALUE.pack(0, coordinator_epoch)
    marker = Record(base_offset, timestamp, key, value)
    nameless = producer._replace(sequence=-1)
    return _build([marker], _TRANSACTIONAL | _CONTROL, nameless, base_offset=base_offset, leader_epoch=-1)


def control_kind(key: bytes | None) -> int:
    """Return what the key of a control record says: ABORT, COMMIT, or a kind of a later Kafka.

    Raises:
        InvalidRecord: not a control record's key.
    """
    if key is None or len(key) < _CONTROL_KEY.size:
        raise InvalidRecord("the key of a control record is too short")
    version, kind = _CONTROL_KEY.unpack_from(key)
    if version < 0:
        raise InvalidRecord(f"a control record has the version {version}")
    return int(kind)


def _build(
    records: Sequence[Record], attributes: int, producer: Producer, *, base_offset: int, leader_epoch: int
) -> bytearray:
    if not records or records[0].offset < base_offset:
        raise InvalidRecord("a batch needs at least one record, none of them before its base offset")
    base_timestamp = records[0].timestamp
    body = bytearray()
    for record in records:
        _write_record(body, record, base_offset, base_timestamp)
    codec = attributes & _CODEC
    data = codecs.compress(codec, body) if codec else body
    out = bytearray(HEADER_BYTES)
    out += data
    HEADER.pack_into(
        out,
        0,
        base_offset,
        len(out) - LOG_OVERHEAD,
        leader_epoch,
        MAGIC,
        0,
        attributes,
        records[-1].offset - base_offset,
        base_timestamp,
        max(record.timestamp for record in records),
        *producer,
        len(records),
    )
    _write_crc(out, 0, len(out))
    return out


def _write_record(out: bytearray, record: Record, base_offset: int, base_timestamp: int) -> None:
    body = bytearray(1)
    write_varint(body, record.timestamp - base_timestamp)
    write_varint(body, record.offset - base_offset)
    _write_bytes(body, record.key)
    _write_bytes(body, record.value)
    write_varint(body, len(record.headers))
    for name, value in record.headers:
        _write_bytes(body, name.encode())
        _write_bytes(body, value)
    write_varint(out, len(body))
    out += body


def _write_bytes(out: bytearray, value: bytes | None) -> None:
    if value is None:
        out.append(1)  # zigzag of -1
    else:
        write_varint(out, len(value))
        out += value


def _write_crc(buf: bytearray | memoryview, pos: int, size: int) -> None:
    with memoryview(buf) as view:
        _CRC.pack_into(buf, pos + _CRC_AT, crc32c(view[pos + _CRC_FROM : pos + size]))
