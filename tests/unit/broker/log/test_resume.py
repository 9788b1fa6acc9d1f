"""The recovery checkpoint: a scan begins at it and finds the same as one that reads the whole segment."""

from __future__ import annotations

import errno

import pytest

from tests.support.batches import batch
from tests.unit.broker.log.test_recovery import FOLDER, NOW, damage, last_log, offsets
from tidelock.broker.log import (
    CorruptLog,
    FlushJob,
    LogSettings,
    Marker,
    MemoryFiles,
    Partition,
    Start,
    stored_log,
)
from tidelock.broker.log.files import read_all
from tidelock.broker.log.resume import RESUME_FILE, Resume
from tidelock.protocol.records import Producer

SETTINGS = LogSettings(segment_bytes=1 << 20, index_interval_bytes=200)
COMPACTED = LogSettings(segment_bytes=1 << 20, cleanup_policy=frozenset({"compact"}))
FILE = f"{FOLDER}/{RESUME_FILE}"
TOPIC_ID = b"an id of a topic"


@pytest.fixture(autouse=True)
def _soon_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_log, "RESUME_EVERY_BYTES", 2_000)
    monkeypatch.setattr(stored_log, "RESUME_EVERY_SIZES", 0)


def opened(files: MemoryFiles, settings: LogSettings = SETTINGS, **start: object) -> Partition:
    given = {"topic_id": TOPIC_ID, "leader_epoch": 1, **start}
    return Partition.open(files, FOLDER, settings, NOW, Start(**given))  # type: ignore[arg-type]  # tests give the right types


def append(partition: Partition, first: int, count: int) -> None:
    for number in range(first, first + count):
        producer = Producer(4, 0, 2 * number)
        partition.append(batch(2, timestamp=NOW + number, producer=producer, transactional=True), NOW)


def flush(files: MemoryFiles, partition: Partition, *, sealed_only: bool = False) -> FlushJob:
    dirty = partition.begin_flush(sealed_only=sealed_only)
    assert dirty is not None
    job = FlushJob(files, (dirty,), "points")
    job.run()
    partition.end_flush(dirty, job.failures.get(partition.key))
    return job


def written(files: MemoryFiles) -> Partition:
    """40 batches up to a checkpoint, an aborted transaction among them, and 5 behind it."""
    partition = opened(files)
    append(partition, 0, 20)
    partition.append_marker(Marker(4, 0, commit=False, coordinator_epoch=0), NOW)
    append(partition, 20, 20)
    flush(files, partition)
    append(partition, 40, 5)
    return partition


def what_is_known(partition: Partition) -> tuple[object, ...]:
    segment = partition._active
    return (
        partition.log_end_offset,
        partition.last_stable_offset,
        offsets(partition),
        partition.max_timestamp(),
        [partition.offset_for_timestamp(NOW + number) for number in range(50)],
        partition.aborted_in(0, partition.read(0, 1 << 20)),
        partition._producers.to_snapshot(),
        segment._index.to_bytes(),
        segment._time_index.to_bytes(),
        (segment.size, segment._unindexed),
    )


def without_checkpoint(files: MemoryFiles, **start: object) -> Partition:
    files.remove(FILE)
    return opened(files, **start)


def test_only_what_lies_behind_it_is_read_and_everything_is_as_if_all_were() -> None:
    files = MemoryFiles()
    before = what_is_known(written(files))
    after = opened(files)
    assert after.recovered.scanned_bytes == 5 * len(batch(2))
    assert what_is_known(after) == before
    assert what_is_known(without_checkpoint(files)) == before
    assert after.append(batch(2, producer=Producer(4, 0, 90), transactional=True), NOW).base_offset == 91


def test_a_power_loss_keeps_what_was_flushed_with_the_checkpoint_or_without() -> None:
    files = MemoryFiles()
    written(files)
    files.crash()
    assert opened(files).log_end_offset == 81


def test_a_checkpoint_of_the_policy_os_makes_the_active_segment_durable() -> None:
    files = MemoryFiles()
    partition = opened(files)
    append(partition, 0, 40)
    flush(files, partition, sealed_only=True)
    assert partition.recovery_point == 80
    append(partition, 40, 1)
    assert partition.begin_flush(sealed_only=True) is None


def test_the_next_one_is_due_after_as_much_again() -> None:
    files = MemoryFiles()
    partition = written(files)
    first = read_all(files, FILE)
    flush(files, partition)
    assert read_all(files, FILE) == first
    append(partition, 45, 20)
    flush(files, partition)
    assert read_all(files, FILE) != first


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_a_torn_one_is_none(cut: int) -> None:
    files = MemoryFiles()
    before = what_is_known(written(files))
    damage(files, FILE, lambda data: data.__delitem__(slice(cut, None)))
    again = opened(files)
    assert again.recovered.scanned_bytes == again.size_bytes
    assert what_is_known(again) == before


def test_one_of_an_earlier_topic_of_the_name_is_none() -> None:
    files = MemoryFiles()
    before = what_is_known(written(files))
    again = opened(files, topic_id=bytes(16))
    assert again.recovered.scanned_bytes == again.size_bytes
    assert what_is_known(again) == before


def test_a_bad_byte_behind_it_ends_the_log_there() -> None:
    files = MemoryFiles()
    written(files)
    damage(files, last_log(files), lambda data: data.__setitem__(-5, data[-5] ^ 1))
    again = opened(files)
    assert (again.log_end_offset, again.recovered.problem is not None) == (89, True)
    files.remove(FILE)
    assert opened(files).log_end_offset == 89


def test_a_log_that_ends_before_it_is_damage() -> None:
    files = MemoryFiles()
    written(files)
    damage(files, last_log(files), lambda data: data.__delitem__(slice(len(data) // 2, None)))
    with pytest.raises(CorruptLog, match="the log is damaged"):
        opened(files)


def test_a_full_disk_costs_the_checkpoint_only() -> None:
    files = MemoryFiles()
    partition = opened(files)
    append(partition, 0, 40)
    dirty = partition.begin_flush()
    assert dirty is not None
    files.fail("append", errno.ENOSPC)
    job = FlushJob(files, (dirty,), "points")
    job.run()
    assert (job.failures, job.checkpoint_failure is not None) == ({}, True)


def test_it_holds_for_a_segment_that_was_rolled_since_but_not_for_one_that_the_cleaner_may_have_read() -> (
    None
):
    files = MemoryFiles()
    partition = written(files)
    partition.roll()
    append(partition, 45, 3)
    assert opened(files).recovered.scanned_bytes == 8 * len(batch(2))
    assert opened(files, compacted=True).recovered.scanned_bytes == partition.size_bytes
    assert opened(files, settings=COMPACTED).recovered.scanned_bytes == partition.size_bytes


def test_an_older_one_than_the_recovery_points_segment_is_not_used() -> None:
    files = MemoryFiles()
    partition = written(files)
    partition.roll()
    append(partition, 45, 3)
    flush(files, partition)
    again = opened(files, recovery_point=91)
    assert again.recovered.scanned_bytes == 3 * len(batch(2))


def test_its_bytes_come_back() -> None:
    one = Resume(TOPIC_ID, 5, 90, 1234, 7, -1, 5, b"index", b"", b"aborted", b"producers")
    assert Resume.from_bytes(one.to_bytes()) == one
