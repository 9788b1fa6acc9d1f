import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tidelock.protocol import compression, records
from tidelock.protocol.error_codes import CorruptMessage, InvalidRecord, KafkaError, MessageTooLarge
from tidelock.protocol.records import NO_PRODUCER, Producer, Record

NOW = 1_700_000_000_000
RECORDS = [
    Record(0, NOW, b"key", b"value"),
    Record(1, NOW + 7, None, b"", (("trace", b"1"), ("none", None))),
    Record(2, NOW - 3, b"", None),
    Record(3, NOW + 70_000, b"k" * 200, b"v" * 20_000),
]
CODECS = sorted(compression.NAMES)


def read(batch: bytes | bytearray, pos: int = 0) -> list[Record]:
    return list(records.iter_records(batch, pos))


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES.get)
def test_a_batch_gives_its_records_back(codec: int) -> None:
    batch = records.build_batch(RECORDS, compression=codec)
    header = records.read_header(batch)
    assert header.size == len(batch)
    assert (header.count, header.last_offset_delta, header.compression) == (4, 3, codec)
    assert (header.base_timestamp, header.max_timestamp) == (NOW, NOW + 70_000)
    assert records.check_crc(batch, 0, header)
    assert read(batch) == RECORDS


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES.get)
def test_aiokafka_reads_our_batch(codec: int) -> None:
    theirs = DefaultRecordBatch(bytes(records.build_batch(RECORDS, compression=codec)))
    assert theirs.validate_crc()
    assert [
        Record(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in theirs
    ] == RECORDS


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES.get)
def test_we_read_aiokafkas_batch(codec: int) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=1,
        producer_id=5,
        producer_epoch=2,
        base_sequence=9,
        batch_size=1 << 20,
    )
    for one in RECORDS:
        assert builder.append(one.offset, one.timestamp, one.key, one.value, list(one.headers)) is not None
    batch = bytes(builder.build())
    header = records.read_header(batch)
    assert records.check_crc(batch, 0, header)
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 2, 9)
    assert read(batch) == RECORDS


def test_an_uncompressed_batch_is_what_aiokafka_builds() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, 5, 2, 9, 1 << 20)
    for one in RECORDS:
        builder.append(one.offset, one.timestamp, one.key, one.value, list(one.headers))
    ours = records.build_batch(RECORDS, producer=Producer(5, 2, 9), leader_epoch=0)
    theirs = bytearray(builder.build())
    records.set_offset_and_epoch(theirs, 0, 0, 0)
    assert ours == theirs


def test_offset_and_epoch_are_written_in_place_outside_the_crc() -> None:
    buffer = bytearray(b"??") + records.build_batch(RECORDS) + b"??"
    view = memoryview(buffer)
    records.set_offset_and_epoch(view, 2, 1_000_000, 4)
    header = records.read_header(view, 2)
    assert (header.base_offset, header.leader_epoch, header.last_offset) == (1_000_000, 4, 1_000_003)
    assert records.check_crc(view, 2, header)
    assert [one.offset for one in read(buffer, 2)] == [1_000_000, 1_000_001, 1_000_002, 1_000_003]


def test_log_append_time_holds_for_every_record_and_the_crc_follows() -> None:
    batch = records.build_batch(RECORDS)
    records.set_log_append_time(batch, 0, NOW + 5)
    header = records.read_header(batch)
    assert header.log_append_time
    assert records.check_crc(batch, 0, header)
    assert {one.timestamp for one in read(batch)} == {NOW + 5}


def test_a_changed_byte_changes_the_crc() -> None:
    batch = records.build_batch(RECORDS)
    header = records.read_header(batch)
    for where in range(21, len(batch), 97):
        changed = bytearray(batch)
        changed[where] ^= 1
        assert not records.check_crc(changed, 0, header)


def test_whole_batches_are_listed_and_a_cut_off_one_is_not() -> None:
    one, two = records.build_batch(RECORDS[:1]), records.build_batch(RECORDS[:2])
    both = bytes(one + two)
    assert [(header.count, pos) for header, pos in records.iter_batches(both)] == [(1, 0), (2, len(one))]
    assert [pos for _, pos in records.iter_batches(both[:-1])] == [0]
    assert [pos for _, pos in records.iter_batches(both[: len(one) + 30])] == [0]
    assert list(records.iter_batches(b"")) == []


@pytest.mark.parametrize(("kind", "name"), [(records.ABORT, 0), (records.COMMIT, 1)])
def test_a_control_batch_holds_one_marker(kind: int, name: int) -> None:
    batch = records.build_control_batch(kind, Producer(7, 3, 5), coordinator_epoch=2, timestamp=NOW)
    header = records.read_header(batch)
    assert header.is_control
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, -1)
    (marker,) = read(batch)
    assert records.control_kind(marker.key) == name
    assert marker.value == b"\x00\x00\x00\x00\x00\x02"


@pytest.mark.parametrize("key", [None, b"\x00\x00\x00", b"\xff\xff\x00\x00"])
def test_a_marker_without_a_proper_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(InvalidRecord):
        records.control_kind(key)


def test_the_last_sequence_wraps_to_zero() -> None:
    batch = records.build_batch(RECORDS[:3], producer=Producer(1, 0, 0x7FFFFFFE))
    assert records.read_header(batch).last_sequence == 0
    assert records.read_header(records.build_batch(RECORDS, producer=NO_PRODUCER)).last_sequence == -1


def test_a_batch_with_gaps_keeps_its_offsets() -> None:
    kept = [Record(12, NOW, b"a", b"1"), Record(17, NOW, b"b", b"2")]
    batch = records.build_batch(kept, base_offset=10)
    assert records.read_header(batch).last_offset == 17
    assert read(batch) == kept


@pytest.mark.parametrize("wrong", [[], [Record(4, NOW, None, None)]])
def test_a_batch_that_cannot_be_is_not_built(wrong: list[Record]) -> None:
    with pytest.raises(InvalidRecord):
        records.build_batch(wrong, base_offset=5)


@pytest.mark.parametrize(
    ("where", "value", "error"),
    [
        (16, 1, InvalidRecord),  # magic
        (8, 0xFF, CorruptMessage),  # negative length
        (11, 10, CorruptMessage),  # shorter than its header
        (57, 0x7F, InvalidRecord),  # more records than bytes
        (60, 1, InvalidRecord),  # fewer records than there are
        (61, 3, InvalidRecord),  # a record shorter than its fields
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(where: int, value: int, error: type[KafkaError]) -> None:
    batch = records.build_batch([Record(0, NOW, b"k", b"v"), Record(1, NOW, b"k", b"v")])
    batch[where] = value
    with pytest.raises(error):
        read(batch)


def test_a_batch_that_is_cut_off_is_corrupt() -> None:
    batch = records.build_batch(RECORDS)
    for cut in (0, 11, 60, 61, len(batch) - 1):
        with pytest.raises(CorruptMessage):
            read(batch[:cut])


@pytest.mark.parametrize("codec", CODECS[1:], ids=compression.NAMES.get)
def test_a_batch_that_opens_to_too_much_is_refused(codec: int) -> None:
    batch = records.build_batch([Record(0, NOW, None, bytes(10 << 20))], compression=codec)
    assert len(batch) < 1 << 20
    with pytest.raises(MessageTooLarge, match=f"more than {1 << 20} bytes"):
        list(records.iter_records(batch, limit=1 << 20))
