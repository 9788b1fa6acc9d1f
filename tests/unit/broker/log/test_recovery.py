"""Opening a folder: trusted after a clean stop, scanned after a crash, refused when durable bytes are bad."""

from collections.abc import Callable

import pytest

from tests.support.batches import batch
from tidelock.broker.log import CorruptLog, LogSettings, MemoryFiles, Partition, Start, keep_everything
from tidelock.broker.log.files import read_all
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import Producer, iter_batches

NOW = 1_000_000
FOLDER = "orders-3"
BATCH_BYTES = len(batch(2))
SETTINGS = LogSettings(segment_bytes=1_000, index_interval_bytes=200)


def opened(files: MemoryFiles, **start: object) -> Partition:
    return Partition.open(files, FOLDER, SETTINGS, NOW, Start(**start))  # type: ignore[arg-type]  # tests give the right types


def filled(files: MemoryFiles, count: int = 20) -> Partition:
    partition = opened(files)
    for number in range(count):
        partition.append(batch(2, timestamp=NOW + number, producer=Producer(4, 0, 2 * number)), NOW)
    return partition


def offsets(partition: Partition) -> list[int]:
    found: list[int] = []
    offset = partition.log_start_offset
    while offset < partition.log_end_offset:
        for header, _ in iter_batches(partition.read(offset, 500)):
            found += range(header.base_offset, header.last_offset + 1)
            offset = header.last_offset + 1
    return found


def last_log(files: MemoryFiles) -> str:
    return f"{FOLDER}/{[name for name in files.list(FOLDER) if name.endswith('.log')][-1]}"


def damage(files: MemoryFiles, path: str, change: Callable[[bytearray], object]) -> None:
    data = bytearray(read_all(files, path))
    change(data)
    files.remove(path)
    files.open(path).append(data)


class TestCleanStop:
    def test_nothing_is_scanned_and_everything_is_there(self) -> None:
        files = MemoryFiles()
        filled(files).close(clean=True)
        files.crash()
        again = opened(files, clean=True, recovery_point=40, leader_epoch=1)
        assert again.recovered.clean
        assert again.recovered.scanned_bytes == 0
        assert offsets(again) == list(range(40))
        assert again.recovery_point == 40

    def test_time_look_ups_and_sequences_go_on(self) -> None:
        files = MemoryFiles()
        filled(files).close(clean=True)
        again = opened(files, clean=True, recovery_point=40, leader_epoch=1)
        assert again.offset_for_timestamp(NOW + 7) == (NOW + 7, 13)
        assert again.max_timestamp() == (NOW + 20, 39)
        with pytest.raises(errors.OutOfOrderSequenceNumber):
            again.append(batch(2, producer=Producer(4, 0, 42)), NOW)
        assert again.append(batch(2, producer=Producer(4, 0, 40)), NOW).base_offset == 40

    def test_a_duplicate_older_than_the_snapshots_one_batch_is_found_in_the_log(self) -> None:
        files = MemoryFiles()
        filled(files).close(clean=True)
        again = opened(files, clean=True, recovery_point=40, leader_epoch=1)
        repeated = again.append(batch(2, producer=Producer(4, 0, 32)), NOW)
        assert repeated.duplicate
        assert (repeated.base_offset, again.log_end_offset) == (32, 40)
        assert again.append(batch(2, producer=Producer(4, 0, 38)), NOW).duplicate
        with pytest.raises(errors.OutOfOrderSequenceNumber):
            again.append(batch(2, producer=Producer(4, 0, 2)), NOW)

    def test_an_untouched_partition_is_closed_without_a_sync(self) -> None:
        files = MemoryFiles()
        filled(files).close(clean=True)
        again = opened(files, clean=True, recovery_point=40, leader_epoch=1)
        files.fail("sync")
        again.close(clean=True)
        files.faults.clear()
        assert opened(files, clean=True, recovery_point=40, leader_epoch=2).recovered.clean

    @pytest.mark.parametrize("suffix", [".snapshot", "leader-epoch-checkpoint", ".index", ".timeindex"])
    def test_a_side_file_that_is_missing_or_bad_is_made_again(self, suffix: str) -> None:
        for change in (lambda data: data.clear(), lambda data: data.append(255)):
            files = MemoryFiles()
            filled(files).close(clean=True)
            for name in files.list(FOLDER):
                if name.endswith(suffix):
                    damage(files, f"{FOLDER}/{name}", change)
            again = opened(files, clean=True, recovery_point=40, leader_epoch=1)
            assert offsets(again) == list(range(40))
            assert again.epoch_end_offset(0) == (0, 40)
            assert again.append(batch(2, producer=Producer(4, 0, 38)), NOW).duplicate
            assert again.offset_for_timestamp(NOW + 7) == (NOW + 7, 13)


class TestKilledProcess:
    def test_every_append_is_there(self) -> None:
        files = MemoryFiles()
        filled(files)
        files.crash(keep_everything)
        again = opened(files, leader_epoch=1)
        assert offsets(again) == list(range(40))
        assert again.recovered.problem is None
        assert again.append(batch(2, producer=Producer(4, 0, 32)), NOW).duplicate
        assert again.append(batch(2, producer=Producer(4, 0, 40)), NOW).base_offset == 40

    def test_each_start_writes_in_its_own_leader_epoch(self) -> None:
        files = MemoryFiles()
        filled(files, 2)
        files.crash(keep_everything)
        again = opened(files, leader_epoch=7)
        assert again.leader_epoch == 7
        again.append(batch(1), NOW)
        files.crash(keep_everything)
        third = opened(files, leader_epoch=8)
        assert third.epoch_end_offset(0) == (0, 4)
        assert third.epoch_end_offset(7) == (7, 5)
        assert third.epoch_end_offset(8) == (8, 5)

    def test_a_lost_epoch_checkpoint_is_read_from_the_batches(self) -> None:
        files = MemoryFiles()
        filled(files, 2)
        again = opened(files, leader_epoch=1)
        again.append(batch(1), NOW)
        files.remove(f"{FOLDER}/leader-epoch-checkpoint")
        third = opened(files, leader_epoch=2)
        assert third.epoch_end_offset(0) == (0, 4)
        assert third.epoch_end_offset(1) == (1, 5)

    def test_an_older_epoch_number_than_the_logs_is_not_used_again(self) -> None:
        files = MemoryFiles()
        opened(files, leader_epoch=9).append(batch(1), NOW)
        assert opened(files, leader_epoch=2).leader_epoch == 10

    def test_leftovers_are_removed(self) -> None:
        files = MemoryFiles()
        filled(files)
        strays = ["x.tmp", "00000000000000000777.index", "00000000000000000777.snapshot"]
        for name in strays:
            files.open(f"{FOLDER}/{name}").append(b"x")
        opened(files)
        assert not set(strays) & set(files.list(FOLDER))


TORN: dict[str, Callable[[bytearray], object]] = {
    "cut inside the last batch": lambda data: data.__delitem__(slice(len(data) - 10, None)),
    "cut inside the last header": lambda data: data.__delitem__(slice(len(data) - 120, None)),
    "zeroes behind the end": lambda data: data.extend(bytes(500)),
    "few zeroes behind the end": lambda data: data.extend(bytes(7)),
    "garbage behind the end": lambda data: data.extend(b"\xa5" * 300),
    "a bit of the last batch": lambda data: data.__setitem__(len(data) - 5, data[-5] ^ 4),
}


class TestTornTail:
    @pytest.mark.parametrize("change", TORN.values(), ids=TORN.keys())
    def test_the_log_ends_before_the_first_bad_byte(self, change: Callable[[bytearray], object]) -> None:
        files = MemoryFiles()
        filled(files)
        damage(files, last_log(files), change)
        again = opened(files, leader_epoch=1)
        assert offsets(again) == list(range(again.log_end_offset))
        assert again.log_end_offset >= 38
        assert again.recovered.truncated_bytes > 0
        assert again.recovered.problem is not None
        end = again.log_end_offset
        sequence = again.append(batch(2, producer=Producer(4, 0, end)), NOW)
        assert sequence.base_offset == end
        assert again.offset_for_timestamp(NOW + 7) == (NOW + 7, 13)

    def test_a_client_can_see_the_truncation(self) -> None:
        files = MemoryFiles()
        filled(files)
        damage(files, last_log(files), TORN["cut inside the last batch"])
        again = opened(files, leader_epoch=1)
        again.append(batch(9), NOW)
        assert again.epoch_end_offset(0) == (0, 38)

    def test_segments_behind_a_bad_byte_go_with_it(self) -> None:
        files = MemoryFiles()
        filled(files)
        damage(files, f"{FOLDER}/00000000000000000000.log", lambda data: data.__setitem__(300, 1))
        again = opened(files, leader_epoch=1)
        assert len(again._segments) == 1
        assert offsets(again) == list(range(again.log_end_offset))
        assert "byte" in str(again.recovered.problem)

    def test_a_missing_segment_ends_the_log(self) -> None:
        files = MemoryFiles()
        filled(files)
        logs = [name for name in files.list(FOLDER) if name.endswith(".log")]
        files.remove(f"{FOLDER}/{logs[1]}")
        again = opened(files, leader_epoch=1)
        assert again.log_end_offset == int(logs[1][:20])
        assert "missing" in str(again.recovered.problem)

    def test_only_the_segment_with_the_recovery_point_and_later_ones_are_read(self) -> None:
        files = MemoryFiles()
        partition = filled(files)
        partition.flush()
        files.crash()
        again = opened(files, leader_epoch=1, recovery_point=40)
        assert again.recovered.scanned_bytes < again.size_bytes / 2
        assert offsets(again) == list(range(40))
        assert again.append(batch(2, producer=Producer(4, 0, 32)), NOW).duplicate


class TestBitRot:
    def test_a_bad_byte_before_the_recovery_point_is_damage_and_nothing_is_touched(self) -> None:
        files = MemoryFiles()
        filled(files).flush()
        damage(files, last_log(files), lambda data: data.__setitem__(70, data[70] ^ 1))
        before = {name: read_all(files, f"{FOLDER}/{name}") for name in files.list(FOLDER)}
        with pytest.raises(CorruptLog) as refused:
            opened(files, leader_epoch=1, recovery_point=40)
        assert last_log(files) in str(refused.value)
        assert {name: read_all(files, f"{FOLDER}/{name}") for name in files.list(FOLDER)} == before

    def test_a_log_that_ends_before_its_recovery_point_is_damage(self) -> None:
        files = MemoryFiles()
        filled(files).flush()
        damage(files, last_log(files), lambda data: data.__delitem__(slice(len(data) - BATCH_BYTES, None)))
        with pytest.raises(CorruptLog, match="durable"):
            opened(files, leader_epoch=1, recovery_point=40)
        with pytest.raises(CorruptLog, match="durable"):
            opened(files, leader_epoch=1, recovery_point=40, clean=True)

    def test_a_damaged_index_is_built_again_when_it_leads_astray(self) -> None:
        files = MemoryFiles()
        filled(files).close(clean=True)
        index = f"{FOLDER}/00000000000000000000.index"
        damage(files, index, lambda data: data.__setitem__(7, data[7] + 3))
        again = opened(files, clean=True, recovery_point=40)
        assert offsets(again) == list(range(40))


class TestLogStart:
    def test_deleted_records_stay_deleted(self) -> None:
        files = MemoryFiles()
        filled(files)
        again = opened(files, leader_epoch=1, log_start_offset=25)
        assert again.log_start_offset == 25
        with pytest.raises(errors.OffsetOutOfRange):
            again.read(24, 1)

    def test_a_log_cut_below_its_start_begins_again_there(self) -> None:
        files = MemoryFiles()
        filled(files, 3)
        damage(files, last_log(files), lambda data: data.clear())
        again = opened(files, leader_epoch=1, log_start_offset=6)
        assert (again.log_start_offset, again.log_end_offset) == (6, 6)
        assert again.append(batch(1), NOW).base_offset == 6
        assert files.list(FOLDER)[0] == "00000000000000000006.log"
