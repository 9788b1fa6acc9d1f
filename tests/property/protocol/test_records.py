"""Record batches: what is built is read back, and no bytes whatever break the reader.

Invariants of the fuzz tests: the readers raise a KafkaError (CompressionUnavailable without cramjam) or
stop; what they yield lies inside the buffer; a compressed batch never opens to more than the limit.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tidelock.protocol import compression, records
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.records import HEADER_BYTES, Producer, Record

THOROUGH = settings(max_examples=200, deadline=None)
LIMIT = 1 << 20

blobs = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=8), blobs), max_size=3).map(tuple)
times = st.integers(0, 1 << 42)
codecs = st.sampled_from(sorted(compression.NAMES))


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    offsets = sorted(draw(st.sets(st.integers(0, 1000), min_size=1, max_size=8)))
    return [Record(offset, draw(times), draw(blobs), draw(blobs), draw(headers)) for offset in offsets]


@given(kept=record_lists(), codec=codecs, base=st.integers(0, 1 << 60), who=st.integers(-1, 1 << 15 - 1))
@THOROUGH
def test_records_come_back_as_they_went(kept: list[Record], codec: int, base: int, who: int) -> None:
    kept = [record._replace(offset=base + record.offset) for record in kept]
    producer = Producer(who, 0 if who >= 0 else -1, 5 if who >= 0 else -1)
    batch = records.build_batch(kept, base_offset=base, compression=codec, producer=producer)
    header = records.read_header(batch)
    assert header.size == len(batch)
    assert header.last_offset == kept[-1].offset
    assert records.check_crc(batch, 0, header)
    assert list(records.iter_records(memoryview(batch))) == kept


def check_readers(wire: bytes) -> None:
    try:
        for header, pos in records.iter_batches(wire):
            assert HEADER_BYTES <= header.size <= len(wire) - pos
            records.check_crc(wire, pos, header)
            opened = 0
            for record in records.iter_records(wire, pos, limit=LIMIT):
                opened += len(record.key or b"") + len(record.value or b"")
            assert opened <= LIMIT
    except KafkaError:
        pass  # the declared way to say no


@given(wire=st.binary(max_size=300))
@THOROUGH
def test_no_bytes_break_the_reader(wire: bytes) -> None:
    check_readers(wire)


@given(body=st.binary(max_size=200), attributes=st.integers(0, 127), count=st.integers(-2, 40))
@THOROUGH
def test_no_body_behind_a_proper_header_breaks_the_reader(body: bytes, attributes: int, count: int) -> None:
    batch = records.build_batch([Record(0, 0, None, None)])[:HEADER_BYTES] + body
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    batch[21:23] = attributes.to_bytes(2, "big")
    batch[57:61] = count.to_bytes(4, "big", signed=True)
    check_readers(bytes(batch))


@given(kept=record_lists(), codec=codecs, where=st.integers(0, 1 << 16), byte=st.integers(0, 255))
@THOROUGH
def test_no_changed_byte_breaks_the_reader(kept: list[Record], codec: int, where: int, byte: int) -> None:
    batch = records.build_batch(kept, compression=codec)
    batch[where % len(batch)] = byte
    check_readers(bytes(batch))


@given(data=st.binary(max_size=300), codec=codecs)
@THOROUGH
def test_no_bytes_break_a_decompressor(data: bytes, codec: int) -> None:
    try:
        opened = compression.decompress(codec, data, limit=LIMIT)
    except KafkaError:
        return
    assert len(opened) <= LIMIT
