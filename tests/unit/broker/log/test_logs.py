"""A data folder: starts, clean stops, flushes apart from the loop, and one bad partition among good ones."""

import pytest

from tests.support.batches import batch
from tests.support.logs import flush_all
from tidelock.broker.log import Logs, LogSettings, MemoryFiles, OpenReport, keep_everything
from tidelock.broker.log.files import read_all
from tidelock.broker.log.logs import read_topic_id, write_topic_id
from tidelock.protocol import error_codes as errors

NOW = 1_000_000
ID = bytes(range(16))
SETTINGS = LogSettings(segment_bytes=1_000, index_interval_bytes=200)


def started(files: MemoryFiles) -> tuple[Logs, OpenReport]:
    logs = Logs(files, lambda topic: SETTINGS)
    return logs, logs.open_all(NOW)


def filled(files: MemoryFiles, count: int = 20) -> Logs:
    logs, _ = started(files)
    for index in range(2):
        partition = logs.create("orders", index, ID, NOW)
        for _ in range(count):
            partition.append(batch(1), NOW)
    return logs


def test_the_topic_id_is_kept_in_kafkas_file() -> None:
    files = MemoryFiles()
    logs, _ = started(files)
    logs.create("orders", 0, ID, NOW)
    assert read_all(files, "orders-0/partition.metadata") == (
        b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw\n"
    )
    again, _ = started(files)
    assert again.get("orders", 0).topic_id == ID


@pytest.mark.parametrize("data", [b"", b"version: 0\n", b"topic_id: ?\n", b"topic_id: AAAA\n", b"\xff\0"])
def test_a_metadata_file_without_a_topic_id_counts_as_zeroes(data: bytes) -> None:
    assert read_topic_id(data) == bytes(16)
    assert read_topic_id(write_topic_id(ID)) == ID


def test_a_clean_stop_makes_the_next_start_read_nothing() -> None:
    files = MemoryFiles()
    assert filled(files).close(clean=True) == []
    files.crash()
    logs, report = started(files)
    assert report.clean
    assert (report.partitions, report.scanned_bytes, report.leader_epoch) == (2, 0, 1)
    assert [logs.get("orders", index).log_end_offset for index in (0, 1)] == [20, 20]


def test_the_marker_is_gone_before_anything_can_be_written() -> None:
    files = MemoryFiles()
    filled(files).close(clean=True)
    started(files)
    files.crash()
    assert "clean-shutdown" not in files.list("")
    _, report = started(files)
    assert not report.clean
    assert report.leader_epoch == 2


def test_a_killed_process_loses_nothing() -> None:
    files = MemoryFiles()
    filled(files)
    files.crash(keep_everything)
    logs, report = started(files)
    assert not report.clean
    assert report.scanned_bytes > 0
    assert report.truncated_bytes == 0
    assert logs.get("orders", 1).log_end_offset == 20


def test_what_was_flushed_survives_a_power_loss() -> None:
    files = MemoryFiles()
    logs = filled(files)
    flush_all(logs)
    logs.get("orders", 0).append(batch(1), NOW)
    files.crash()
    again, report = started(files)
    assert report.offline == {}
    assert [again.get("orders", index).log_end_offset for index in (0, 1)] == [20, 20]


def test_segments_begun_since_the_last_flush_survive_a_power_loss_after_the_next() -> None:
    files = MemoryFiles()
    logs, _ = started(files)
    partition = logs.create("orders", 0, ID, NOW)
    flush_all(logs)
    for _ in range(20):
        partition.append(batch(1), NOW)
    assert len(partition._segments) > 1
    flush_all(logs)
    files.crash()
    again, report = started(files)
    assert report.offline == {}
    assert again.get("orders", 0).log_end_offset == 20


def test_policy_os_syncs_sealed_segments_only() -> None:
    files = MemoryFiles()
    logs = filled(files)
    partition = logs.get("orders", 0)
    job = logs.begin_flush(sealed_only=True)
    assert job is not None
    job.run()
    logs.end_flush(job)
    assert 0 < partition.recovery_point < partition.log_end_offset
    assert not partition.sealed_unflushed
    assert logs.begin_flush(sealed_only=True) is None
    reached = partition.recovery_point
    files.crash()
    again, _ = started(files)
    assert again.get("orders", 0).log_end_offset >= reached
    assert again.get("orders", 0).recovered.scanned_bytes < partition.size_bytes


def test_a_flush_without_a_sealed_segment_writes_recovery_points_only_now_and_then() -> None:
    files = MemoryFiles()
    logs, _ = started(files)
    partition = logs.create("orders", 0, ID, NOW)
    flush_all(logs)
    written = []
    for _ in range(70):
        partition.append(batch(1), NOW)
        job = logs.begin_flush()
        assert job is not None
        written.append((job.recovery_points is not None, job.parts[0].sealed))
        job.run()
        logs.end_flush(job)
    assert all(points for points, sealed in written if sealed)
    unsealed = [points for points, sealed in written if not sealed]
    assert 0 < unsealed.count(True) < 3
    assert len(partition._segments) > 3


def test_appends_between_begin_and_end_of_a_flush_are_not_counted_as_durable() -> None:
    logs = filled(MemoryFiles())
    partition = logs.get("orders", 0)
    job = logs.begin_flush([partition])
    assert job is not None
    partition.append(batch(1), NOW)
    job.run()
    logs.end_flush(job)
    assert partition.recovery_point == 20
    assert partition.unflushed


def test_a_partition_deleted_during_a_flush_is_no_failure() -> None:
    logs = filled(MemoryFiles())
    job = logs.begin_flush()
    assert job is not None
    logs.delete("orders", 0)
    job.run()
    logs.end_flush(job)
    assert job.failures == {}
    assert logs.get("orders", 1).offline is None


def test_a_recovery_point_of_a_deleted_topic_does_not_bind_its_successor() -> None:
    files = MemoryFiles()
    logs = filled(files)
    logs.get("orders", 0).delete_records_before(15)
    job = logs.begin_flush()
    assert job is not None
    logs.delete("orders", 0)
    logs.create("orders", 0, bytes(15) + b"\x01", NOW).append(batch(1), NOW)
    job.run()
    files.crash(keep_everything)
    again, report = started(files)
    assert report.offline == {}
    assert (again.get("orders", 0).log_start_offset, again.get("orders", 0).log_end_offset) == (0, 1)


def test_a_failed_sync_takes_its_partition_offline_and_no_other() -> None:
    files = MemoryFiles()
    logs = filled(files)
    files.fail("sync")
    with pytest.raises(OSError, match="orders-0"):
        flush_all(logs)
    with pytest.raises(errors.KafkaStorageError):
        logs.get("orders", 0).append(batch(1), NOW)
    logs.get("orders", 1).append(batch(1), NOW)
    logs.close(clean=True)
    assert "clean-shutdown" not in files.list("")


def test_a_damaged_partition_is_offline_and_the_others_work() -> None:
    files = MemoryFiles()
    filled(files).close(clean=False)
    logs, _ = started(files)
    flush_all(logs)
    last = [name for name in files.list("orders-0") if name.endswith(".log")][-1]
    files.open(f"orders-0/{last}").truncate(100)
    again, report = started(files)
    assert list(report.offline) == [("orders", 0)]
    assert again.get("orders", 1).log_end_offset == 20
    with pytest.raises(errors.KafkaStorageError, match="damaged"):
        again.get("orders", 0)
    again.close(clean=True)
    third, report = started(files)
    assert list(report.offline) == [("orders", 0)]
    third.delete("orders", 0)
    assert third.create("orders", 0, ID, NOW).log_end_offset == 0


def test_an_unknown_partition_is_unknown() -> None:
    logs, _ = started(MemoryFiles())
    with pytest.raises(errors.UnknownTopicOrPartition):
        logs.get("orders", 0)
    with pytest.raises(errors.UnknownTopicOrPartition):
        logs.delete("orders", 0)


def test_a_partition_is_created_once() -> None:
    logs = filled(MemoryFiles())
    with pytest.raises(errors.TopicAlreadyExists):
        logs.create("orders", 1, ID, NOW)


def test_a_deletion_that_a_crash_interrupted_is_finished() -> None:
    files = MemoryFiles()
    logs = filled(files)
    files.fail("remove", after=1)
    with pytest.raises(errors.KafkaStorageError):
        logs.delete("orders", 0)
    again, report = started(files)
    assert report.partitions == 1
    assert [name for name in files.list("") if name.startswith("orders")] == ["orders-1"]
    assert list(again.partitions) == [("orders", 1)]


def test_deleted_records_stay_deleted_after_a_power_loss() -> None:
    files = MemoryFiles()
    logs = filled(files)
    flush_all(logs)
    logs.get("orders", 0).delete_records_before(15)
    files.crash()
    again, _ = started(files)
    assert again.get("orders", 0).log_start_offset == 15


def test_damaged_checkpoints_mean_a_scan_not_a_failure() -> None:
    files = MemoryFiles()
    filled(files).close(clean=True)
    files.open("recovery-points").append(b"garbage\n")
    files.open("leader-epoch").append(b"x")
    logs, report = started(files)
    assert not report.clean
    assert report.scanned_bytes > 0
    assert logs.get("orders", 0).log_end_offset == 20
    assert logs.get("orders", 0).leader_epoch == 1


def test_retention_reports_a_failing_partition_and_goes_on() -> None:
    files = MemoryFiles()
    logs = filled(files)
    files.fail("remove")
    swept = logs.retention(NOW + SETTINGS.retention_ms + NOW)
    assert len(swept.failures) == 1
    assert swept.deleted_segments > 0
    assert logs.get("orders", 1).log_start_offset == 20


def test_folders_that_are_no_partitions_are_left_alone() -> None:
    files = MemoryFiles()
    files.make_folder("notes")
    files.open("notes/a").close()
    logs, report = started(files)
    assert report.partitions == 0
    logs.close(clean=True)
    assert files.list("notes") == ["a"]
