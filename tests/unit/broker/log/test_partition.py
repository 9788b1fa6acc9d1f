"""One partition over MemoryFiles: what is accepted, what it becomes, what a read gives back."""

import errno
import struct
import sys

import pytest

from tests.support.batches import batch
from tidelock.broker.log import KeylessRecords, LogSettings, MemoryFiles, Partition
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import (
    COMMIT,
    HEADER_BYTES,
    Producer,
    Record,
    build_batch,
    build_control_batch,
    check_crc,
    iter_batches,
    iter_records,
)

NOW = 1_000_000
SMALL = LogSettings(segment_bytes=1_000, index_interval_bytes=200)


def opened(settings: LogSettings = SMALL, files: MemoryFiles | None = None) -> Partition:
    return Partition.open(files or MemoryFiles(), "orders-3", settings, NOW)


def with_field(form: str, at: int, value: int, *, checksum: bool = True) -> memoryview:
    """A batch with one header field overwritten, its checksum right unless told otherwise."""
    import crc32c

    made = batch(3)
    struct.pack_into(form, made, at, value)
    if checksum:
        struct.pack_into(">I", made, 17, crc32c.crc32c(made[21:]))
    return made


class TestAppend:
    def test_batches_get_consecutive_offsets_and_the_leader_epoch(self) -> None:
        partition = opened()
        first, second = partition.append(batch(3), NOW), partition.append(batch(2), NOW)
        assert (first.base_offset, first.last_offset) == (0, 2)
        assert (second.base_offset, second.last_offset) == (3, 4)
        assert partition.log_end_offset == partition.high_watermark == 5
        headers = [header for header, _ in iter_batches(partition.read(0, 10_000))]
        assert [(header.base_offset, header.leader_epoch) for header in headers] == [(0, 0), (3, 0)]

    def test_the_checksum_stays_valid(self) -> None:
        import crc32c

        partition = opened()
        partition.append(batch(3), NOW)
        partition.append(batch(3), NOW)
        data = partition.read(3, 10_000)
        assert crc32c.crc32c(data[21:]) == struct.unpack_from(">I", data, 17)[0]

    @pytest.mark.parametrize(
        ("refused", "error"),
        [
            (memoryview(bytearray(60)), errors.CorruptMessage),
            (batch(3)[:-1], errors.CorruptMessage),
            (memoryview(bytearray(bytes(batch(1)) + bytes(batch(1)))), errors.InvalidRecord),
            (with_field(">i", 8, 5), errors.CorruptMessage),
            (with_field(">b", 16, 1), errors.InvalidRecord),
            (with_field(">q", 0, 7), errors.InvalidRecord),
            (with_field(">q", 35, 1, checksum=False), errors.CorruptMessage),
            (with_field(">h", 21, 0x20), errors.InvalidRecord),
            (with_field(">h", 21, 5), errors.UnsupportedCompressionType),
            (with_field(">i", 57, 2), errors.InvalidRecord),
            (with_field(">i", 57, 0), errors.InvalidRecord),
            (with_field(">i", 23, -1), errors.InvalidRecord),
            (with_field(">q", 43, 9), errors.InvalidRecord),
            (batch(1, size=2_000), errors.RecordListTooLarge),
        ],
    )
    def test_an_unacceptable_batch_leaves_no_trace(
        self, refused: memoryview, error: type[errors.KafkaError]
    ) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        with pytest.raises(error):
            partition.append(refused, NOW)
        assert partition.log_end_offset == 0
        assert files.size("orders-3/00000000000000000000.log") == 0

    def test_a_batch_above_the_message_limit_is_too_large(self) -> None:
        with pytest.raises(errors.MessageTooLarge):
            opened(LogSettings(max_message_bytes=100)).append(batch(1, size=100), NOW)

    def test_a_timestamp_too_far_ahead_is_refused(self) -> None:
        settings = LogSettings(message_timestamp_after_max_ms=1_000)
        partition = opened(settings)
        partition.append(batch(1, timestamp=NOW + 1_000), NOW)
        with pytest.raises(errors.InvalidTimestamp):
            partition.append(batch(1, timestamp=NOW + 1_001), NOW)

    def test_the_error_names_the_partition(self) -> None:
        with pytest.raises(errors.CorruptMessage, match="orders-3"):
            opened().append(with_field(">q", 35, 1, checksum=False), NOW)

    def test_the_broker_itself_writes_markers_and_any_base_offset(self) -> None:
        partition = opened()
        partition.append(batch(1, producer=Producer(5, 0, 0), transactional=True), NOW)
        with pytest.raises(errors.InvalidTxnState):
            partition.append(batch(1, producer=Producer(5, 0, 1)), NOW)
        marker = build_control_batch(COMMIT, Producer(5, 0, -1), coordinator_epoch=0, timestamp=NOW)
        assert partition.append(memoryview(marker), NOW, internal=True).base_offset == 1
        assert partition.append(batch(1, producer=Producer(5, 0, 1)), NOW).base_offset == 2

    def test_log_append_time_stamps_every_record(self) -> None:
        partition = opened(LogSettings(message_timestamp_type="LogAppendTime"))
        appended = partition.append(batch(3, timestamp=5), NOW)
        assert appended.log_append_time_ms == NOW
        assert {record.timestamp for record in iter_records(partition.read(0, 10_000))} == {NOW}
        assert partition.offset_for_timestamp(NOW) == (NOW, 0)

    def test_a_compacted_topic_refuses_records_without_a_key_and_says_which(self) -> None:
        partition = opened(LogSettings(cleanup_policy=frozenset({"compact"})))
        records = [Record(0, 1, b"k", b"v"), Record(1, 1, None, b"v"), Record(2, 1, None, b"v")]
        with pytest.raises(KeylessRecords) as refused:
            partition.append(memoryview(build_batch(records)), NOW)
        assert [index for index, _ in refused.value.record_errors] == [1, 2]
        partition.append(memoryview(build_batch(records)), NOW, internal=True)


class TestIdempotence:
    def test_a_batch_sent_again_is_answered_with_its_old_offsets(self) -> None:
        partition = opened()
        for sequence in (0, 2, 4):
            partition.append(batch(2, producer=Producer(9, 0, sequence)), NOW)
        again = partition.append(batch(2, producer=Producer(9, 0, 2)), NOW)
        assert again.duplicate
        assert (again.base_offset, again.last_offset) == (2, 3)
        assert partition.log_end_offset == 6

    def test_a_missing_batch_is_noticed_and_nothing_is_written(self) -> None:
        partition = opened()
        partition.append(batch(2, producer=Producer(9, 0, 0)), NOW)
        with pytest.raises(errors.OutOfOrderSequenceNumber):
            partition.append(batch(2, producer=Producer(9, 0, 4)), NOW)
        assert partition.log_end_offset == 2

    def test_a_failed_write_does_not_count_as_sent(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1, producer=Producer(9, 0, 0)), NOW)
        files.fail("append", errno.ENOSPC)
        with pytest.raises(errors.KafkaStorageError):
            partition.append(batch(1, producer=Producer(9, 0, 1)), NOW)
        assert partition.append(batch(1, producer=Producer(9, 0, 1)), NOW).base_offset == 1

    def test_a_forgotten_producer_may_go_on_with_any_sequence(self) -> None:
        partition = opened(LogSettings(producer_id_expiration_ms=1_000))
        partition.append(batch(1, producer=Producer(9, 0, 0)), NOW)
        assert partition.expire_producers(NOW + 1_000) == 1
        assert partition.append(batch(1, producer=Producer(9, 0, 77)), NOW).base_offset == 1


class TestDisk:
    @pytest.mark.parametrize("taken", [0, 1, 70])
    def test_a_full_disk_cuts_the_torn_batch_off(self, taken: int) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1), NOW)
        size = partition.size_bytes
        files.fail("append", short=taken)
        with pytest.raises(errors.KafkaStorageError, match="no space"):
            partition.append(batch(1), NOW)
        assert files.size("orders-3/00000000000000000000.log") == size
        assert partition.append(batch(1), NOW).base_offset == 1

    def test_a_torn_batch_that_cannot_be_cut_off_takes_the_partition_offline(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1), NOW)
        files.fail("append", short=5)
        files.fail("truncate")
        with pytest.raises(errors.KafkaStorageError):
            partition.append(batch(1), NOW)
        assert partition.offline is not None
        for access in (
            lambda: partition.append(batch(1), NOW),
            lambda: partition.read(0, 1),
            lambda: partition.max_timestamp(),
            lambda: partition.flush(),
        ):
            with pytest.raises(errors.KafkaStorageError, match="could not be undone"):
                access()

    def test_a_failed_sync_takes_the_partition_offline_and_is_not_tried_again(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1), NOW)
        files.fail("sync")
        with pytest.raises(errors.KafkaStorageError, match="sync failed"):
            partition.flush()
        with pytest.raises(errors.KafkaStorageError, match="bytes may be lost"):
            partition.append(batch(1), NOW)
        assert partition.begin_flush() is None

    def test_a_roll_that_fails_leaves_the_log_usable(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        while partition.size_bytes < 900:
            partition.append(batch(1), NOW)
        end = partition.log_end_offset
        for kind in ("append", "rename", "open"):
            files.fail(kind, errno.ENOSPC)
            with pytest.raises(errors.KafkaStorageError):
                partition.append(batch(3), NOW)
        assert partition.append(batch(3), NOW).base_offset == end
        assert len(partition._segments) == 2

    def test_a_read_error_is_answered_and_does_not_stop_the_partition(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1), NOW)
        files.fail("read")
        with pytest.raises(errors.KafkaStorageError):
            partition.read(0, 100)
        assert partition.read(0, 100)


class TestRead:
    def test_a_read_starts_with_the_batch_that_contains_the_offset(self) -> None:
        partition = opened(LogSettings(index_interval_bytes=200))
        for _ in range(20):
            partition.append(batch(5), NOW)
        for offset in range(100):
            header, _ = next(iter_batches(partition.read(offset, 1)))
            assert header.base_offset == offset - offset % 5

    def test_the_first_batch_comes_whole_and_the_others_only_when_they_fit(self) -> None:
        partition = opened(LogSettings(index_interval_bytes=200))
        for _ in range(20):
            partition.append(batch(1), NOW)
        size = partition.size_bytes // 20
        assert len(partition.read(0, 1)) == size
        assert len(partition.read(3, 3 * size - 1)) == 2 * size
        assert len(partition.read(3, 3 * size)) == 3 * size
        assert len(partition.read(0, 10_000)) == 20 * size

    def test_a_limit_ends_before_the_batch_that_reaches_it(self) -> None:
        partition = opened()
        for _ in range(3):
            partition.append(batch(2), NOW)
        size = partition.size_bytes // 3
        assert [len(partition.read(0, 10_000, limit=limit)) // size for limit in (0, 1, 2, 4, 5, 6, 99)] == [
            0, 0, 1, 2, 2, 3, 3,
        ]  # fmt: skip

    def test_the_end_is_empty_and_beyond_it_is_out_of_range(self) -> None:
        partition = opened()
        partition.append(batch(2), NOW)
        assert partition.read(2, 100) == b""
        for offset in (-1, 3):
            with pytest.raises(errors.OffsetOutOfRange):
                partition.read(offset, 100)

    def test_the_consumer_that_comes_back_finds_what_came_since(self) -> None:
        partition = opened()
        for number in range(30):
            partition.append(batch(1), NOW)
            header, _ = next(iter_batches(partition.read(number, 1_000)))
            assert header.base_offset == number

    def test_a_read_goes_on_in_the_next_segment(self) -> None:
        partition = opened()
        for _ in range(30):
            partition.append(batch(1), NOW)
        assert len(partition._segments) > 2
        offset, seen = 0, []
        while offset < 30:
            for header, _ in iter_batches(partition.read(offset, 10_000)):
                seen.append(header.base_offset)
                offset = header.last_offset + 1
        assert seen == list(range(30))


class TestTime:
    def test_the_first_record_that_is_not_older_is_found_inside_its_batch(self) -> None:
        partition = opened(LogSettings(index_interval_bytes=200))
        for number in range(20):
            partition.append(batch(5, timestamp=1_000 + 100 * number), NOW)
        assert partition.offset_for_timestamp(0) == (1_000, 0)
        assert partition.offset_for_timestamp(1_303) == (1_303, 18)
        assert partition.offset_for_timestamp(1_305) == (1_400, 20)
        assert partition.offset_for_timestamp(2_905) is None

    def test_timestamps_that_go_back_do_not_hide_the_first_match(self) -> None:
        partition = opened()
        for timestamp in (500, 9_000, 100, 7_000, 200) * 8:
            partition.append(batch(1, timestamp=timestamp), NOW)
        assert partition.offset_for_timestamp(600) == (9_000, 1)
        assert partition.offset_for_timestamp(9_001) is None
        assert partition.max_timestamp() == (9_000, 1)

    def test_compressed_batches_are_opened(self) -> None:
        partition = opened()
        partition.append(batch(10, timestamp=100, compression=1), NOW)
        assert partition.offset_for_timestamp(104) == (104, 4)

    def test_the_newest_record_is_the_first_of_the_greatest_timestamp(self) -> None:
        partition = opened()
        assert partition.max_timestamp() is None
        partition.append(batch(3, timestamp=500), NOW)
        partition.append(batch(3, timestamp=400), NOW)
        assert partition.max_timestamp() == (502, 2)

    def test_what_lies_before_the_log_start_is_not_found(self) -> None:
        partition = opened(LogSettings())
        partition.append(batch(3, timestamp=500), NOW)
        partition.append(batch(3, timestamp=100), NOW)
        partition.delete_records_before(4)
        assert partition.offset_for_timestamp(0) == (101, 4)
        assert partition.max_timestamp() == (102, 5)

    def test_records_that_cannot_be_opened_count_as_one(self) -> None:
        partition = opened()
        partition.append(batch(1, timestamp=50), NOW)
        partition.append(with_field(">h", 21, 1), NOW)  # says gzip, is not
        assert partition.offset_for_timestamp(1_001) == (1_002, 1)


class TestRecompression:
    """The topic's compression.type is not `producer`."""

    GZIP = LogSettings(compression_codec=1, compression_level=9)

    @pytest.mark.parametrize("wanted", [0, 1, 2, 3, 4])
    @pytest.mark.parametrize("sent", [0, 1, 2, 3, 4])
    def test_records_stay_and_the_codec_is_the_topics(self, sent: int, wanted: int) -> None:
        partition = opened(LogSettings(compression_codec=wanted))
        partition.append(batch(3), NOW)
        made = batch(5, timestamp=NOW, compression=sent, producer=Producer(7, 1, 0))
        records = [one._replace(offset=one.offset + 3) for one in iter_records(bytes(made))]
        assert partition.append(made, NOW)[:2] == (3, 7)
        data = partition.read(3, 10_000)
        (found,) = [header for header, _ in iter_batches(data) if header.base_offset == 3]
        assert found.attributes & 7 == wanted
        assert (found.producer_id, found.producer_epoch, found.base_sequence, found.count) == (7, 1, 0, 5)
        assert check_crc(data, 0, found)
        assert list(iter_records(data)) == records

    def test_a_batch_in_the_topics_codec_is_kept_to_the_byte(self) -> None:
        partition = opened(self.GZIP)
        made = bytes(batch(5, compression=1))
        partition.append(memoryview(bytearray(made)), NOW)
        assert bytes(partition.read(0, 10_000))[HEADER_BYTES:] == made[HEADER_BYTES:]

    def test_a_repeated_batch_is_recognized(self) -> None:
        partition = opened(self.GZIP)
        for number in range(2):
            made = batch(5, producer=Producer(7, 1, 0))
            assert partition.append(made, NOW)[:2] == (0, 4), number
        assert partition.log_end_offset == 5

    def test_the_brokers_time_goes_into_the_new_batch(self) -> None:
        partition = opened(LogSettings(compression_codec=1, message_timestamp_type="LogAppendTime"))
        partition.append(batch(2, timestamp=5), NOW)
        data = partition.read(0, 10_000)
        (found,) = [header for header, _ in iter_batches(data)]
        assert (found.max_timestamp, found.log_append_time, found.attributes & 7) == (NOW, True, 1)
        assert check_crc(data, 0, found)

    def test_markers_stay_as_they_are(self) -> None:
        partition = opened(self.GZIP)
        partition.append(batch(1, producer=Producer(7, 0, 0), transactional=True), NOW)
        marker = build_control_batch(COMMIT, Producer(7, 0), coordinator_epoch=1, timestamp=NOW)
        partition.append(memoryview(marker), NOW, internal=True)
        codecs = [header.attributes & 7 for header, _ in iter_batches(partition.read(0, 10_000))]
        assert codecs == [1, 0]

    def test_what_becomes_too_large_is_refused(self) -> None:
        partition = opened(LogSettings(compression_codec=0, max_message_bytes=1_000))
        with pytest.raises(errors.MessageTooLarge):
            partition.append(batch(5, size=1_000, compression=1), NOW)
        assert partition.log_end_offset == 0

    def test_what_cannot_be_opened_is_refused(self) -> None:
        import crc32c

        partition = opened(LogSettings(compression_codec=0))
        made = batch(5, compression=1)
        made[61:65] = b"oops"
        struct.pack_into(">I", made, 17, crc32c.crc32c(made[21:]))
        with pytest.raises(errors.CorruptMessage):
            partition.append(made, NOW)
        assert partition.log_end_offset == 0

    def test_a_codec_that_is_not_installed_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cramjam", None)
        with pytest.raises(errors.UnsupportedCompressionType):
            opened(LogSettings(compression_codec=4)).append(batch(5), NOW)


class TestDelete:
    def full(self, **settings: object) -> Partition:
        values = {"segment_bytes": 1_000, "index_interval_bytes": 200, **settings}
        partition = opened(LogSettings(**values))  # type: ignore[arg-type]  # tests give the right types
        for number in range(40):
            partition.append(batch(1, timestamp=NOW + number), NOW)
        return partition

    def test_records_below_the_new_log_start_are_gone(self) -> None:
        partition = self.full()
        segments = len(partition._segments)
        assert partition.delete_records_before(25) == 25
        assert len(partition._segments) < segments
        with pytest.raises(errors.OffsetOutOfRange):
            partition.read(24, 100)
        assert partition.read(25, 100)
        assert partition.delete_records_before(3) == 25
        assert partition.delete_records_before(-1) == 40
        assert partition.read(40, 100) == b""
        with pytest.raises(errors.OffsetOutOfRange):
            partition.delete_records_before(41)

    def test_retention_by_time_takes_whole_old_segments(self) -> None:
        partition = self.full(retention_ms=20)
        assert partition.retention(NOW + 20) == 0
        deleted = partition.retention(NOW + 40)
        assert deleted > 0
        assert 0 < partition.log_start_offset <= 20

    def test_when_all_is_too_old_the_log_is_empty_and_goes_on_at_its_end(self) -> None:
        partition = self.full(retention_ms=20)
        partition.retention(NOW + 1_000)
        assert (partition.log_start_offset, partition.log_end_offset, partition.size_bytes) == (40, 40, 0)
        assert partition.append(batch(1), NOW).base_offset == 40

    def test_retention_by_size_keeps_at_least_that_much(self) -> None:
        partition = self.full(retention_bytes=1_500)
        partition.retention(NOW)
        assert 1_500 <= partition.size_bytes < 2_500

    def test_a_compacted_topic_keeps_everything(self) -> None:
        partition = self.full(retention_ms=1, retention_bytes=1, cleanup_policy=frozenset({"compact"}))
        assert partition.retention(NOW + 10_000) == 0

    def test_time_rolls_a_segment_at_the_next_append(self) -> None:
        partition = opened(LogSettings(segment_ms=1_000))
        partition.append(batch(1), NOW)
        partition.append(batch(1), NOW + 1_000)
        assert len(partition._segments) == 1
        partition.append(batch(1), NOW + 1_001)
        assert len(partition._segments) == 2

    def test_a_deleted_partition_leaves_no_file(self) -> None:
        files = MemoryFiles()
        partition = opened(files=files)
        partition.append(batch(1), NOW)
        partition.remove()
        assert files.list("") == []
        with pytest.raises(errors.KafkaStorageError, match="deleted"):
            partition.append(batch(1), NOW)
