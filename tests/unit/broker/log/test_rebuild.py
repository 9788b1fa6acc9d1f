"""Indexes built again from the log: whatever interrupts that, nothing is lost and nothing is made up."""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.batches import batch
from tidelock.broker.log import LogSettings, MemoryFiles, Partition
from tidelock.broker.log.files import read_all
from tidelock.broker.log.segment import Segment
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import iter_batches

NOW = 1_000_000
FOLDER = "orders-0"
SETTINGS = LogSettings(segment_bytes=20_000, index_interval_bytes=1_000, retention_ms=500_000)
BATCHES = 400
MAGIC = 16  # where a batch's header has it
BAD, LATE = 3, 60


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several reads for one scan."""
    monkeypatch.setattr("tidelock.broker.log.scan.CHUNK_BYTES", 1024)


def state_of(segment: Segment) -> dict[str, Any]:
    """Everything a segment knows, its indexes as bytes."""
    known: dict[str, Any] = {}
    for name in Segment.__slots__:
        value = getattr(segment, name)
        known[name] = value.to_bytes() if hasattr(value, "to_bytes") and name.endswith("index") else value
    known["_starts"] = dict(segment._starts)
    return known


class Log:
    """Several segments of a partition; the indexes of the second are not in memory."""

    def __init__(self) -> None:
        self.before: dict[str, Any] = {}
        self.files = MemoryFiles()
        self.partition = Partition.open(self.files, FOLDER, SETTINGS, NOW)
        for number in range(BATCHES):
            self.partition.append(batch(2, timestamp=1_000 if number <= BAD else NOW), NOW)
        self.segments = [*self.partition._segments]
        self.first, self.second, self.active = self.segments[0], self.segments[1], self.segments[-1]
        assert len(self.segments) == 3

    def forget(self, segment: Segment, *suffixes: str) -> None:
        """Have a sealed segment as after a start, without some of its files."""
        segment.forget_indexes()
        segment._timed = False
        for suffix in suffixes:
            self.files.remove(segment._sibling(suffix))

    def damage(self, segment: Segment, number: int) -> None:
        """Spoil the header of a segment's `number`-th batch."""
        data = self.files._stored(segment.path).data
        data[self.starts(segment)[number] + MAGIC] ^= 0x40

    def starts(self, segment: Segment) -> list[int]:
        return [at for _, at in iter_batches(read_all(self.files, segment.path))]

    def offsets(self, start: int) -> list[int]:
        return [header.base_offset for header, _ in iter_batches(self.partition.read(start, 400))]


def every_failure(make: Callable[[], Log], call: Callable[[Log], object]) -> Iterator[Log]:
    """Yield a log for each n, after a call whose n-th read failed."""
    for after in itertools.count():
        log = make()
        log.files.fail("read", errno.EIO, after=after)
        with contextlib.suppress(errors.KafkaError):
            call(log)
        if log.files.faults:
            assert after > 3  # so it has failed in the middle of a scan, too
            return
        yield log


def test_a_read_error_leaves_a_segment_without_an_index_as_it_was() -> None:
    def make() -> Log:
        log = Log()
        log.forget(log.second, ".index")
        log.before = state_of(log.second)
        return log

    def read(log: Log) -> list[int]:
        return log.offsets(log.second.base_offset + 10)

    for log in every_failure(make, read):
        if not log.second._indexed:  # else it was a read behind the rebuild that failed
            assert state_of(log.second) == log.before
        assert log.second.size == log.before["size"]
        assert read(log)[0] == log.second.base_offset + 10


def test_a_read_error_while_a_lying_index_is_rebuilt_costs_no_acknowledged_byte() -> None:
    def make() -> Log:
        log = Log()
        log.damage(log.active, LATE)
        log.active._starts.clear()
        log.before = state_of(log.active)
        return log

    for log in every_failure(make, lambda log: log.offsets(log.active.base_offset + 2 * LATE)):
        after = state_of(log.active)
        assert {**after, "_damage": None, "_starts": {}} == log.before
        log.files.fail("append", errno.ENOSPC)
        with pytest.raises(errors.KafkaStorageError):
            log.partition.append(batch(2), NOW)
        assert log.files.size(log.active.path) == log.active.size == log.before["size"]
        end = log.partition.log_end_offset
        log.partition.append(batch(2), NOW)
        assert log.offsets(end) == [end]


def test_a_read_error_while_retention_asks_for_the_time_deletes_nothing() -> None:
    def make() -> Log:
        log = Log()
        log.forget(log.first, ".timeindex")
        log.before = state_of(log.first)
        return log

    for log in every_failure(make, lambda log: log.partition.retention(NOW + 10)):
        assert state_of(log.first) == log.before
        assert log.partition.retention(NOW + 10) == 0
        assert log.first.max_timestamp[0] == NOW + 1


def test_a_time_index_that_shrinks_while_it_is_read_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.forget(log.first)
    size = log.files.size
    monkeypatch.setattr(log.files, "size", lambda path: size(path) + 12 * path.endswith(".timeindex"))
    assert log.first.max_timestamp[0] == NOW + 1


@pytest.mark.parametrize("lost", [(".timeindex",), (".index", ".timeindex")])
@pytest.mark.parametrize("limit", [{}, {"retention_bytes": 1}])
def test_what_could_not_be_timed_is_never_deleted(lost: tuple[str, ...], limit: dict[str, int]) -> None:
    log = Log()
    log.partition.settings = replace(SETTINGS, **limit)
    log.damage(log.first, BAD + 1)
    log.forget(log.first, *lost)
    for _ in range(3):
        with pytest.raises(errors.KafkaStorageError):
            log.partition.retention(NOW + 10)
        with pytest.raises(errors.CorruptMessage):  # readers ask in between
            log.offsets(log.first.base_offset + 2 * BAD + 2)
    assert [*log.partition._segments] == log.segments
    assert not log.first._timed
    log.partition.settings = SETTINGS
    log.partition.delete_records_before(log.second.base_offset)  # what the operator is told to do
    assert log.partition.retention(NOW + 10) == 0
    assert [*log.partition._segments] == log.segments[1:]


def test_a_lost_index_and_damage_leave_the_time_that_was_known() -> None:
    log = Log()
    log.damage(log.first, BAD)
    log.forget(log.first, ".index")
    known = log.first.max_timestamp
    assert known[0] == NOW + 1
    with pytest.raises(errors.CorruptMessage):
        log.offsets(2 * BAD)
    assert log.first.max_timestamp == known
    assert log.partition.retention(NOW + 10) == 0


def test_without_an_index_readers_still_come_as_far_as_the_damage() -> None:
    log = Log()
    log.damage(log.first, BAD)
    log.forget(log.first, ".index", ".timeindex")
    with pytest.raises(errors.CorruptMessage):
        log.offsets(2 * BAD)
    assert log.offsets(0)[0] == 0
    assert log.offsets(2 * BAD - 2) == [2 * BAD - 2]


def test_who_asks_for_a_time_that_cannot_be_told_has_the_log_scanned_once() -> None:
    log = Log()
    log.damage(log.first, BAD)
    log.forget(log.first, ".index", ".timeindex")
    for _ in range(2):
        with pytest.raises(errors.CorruptMessage):
            log.partition.offset_for_timestamp(NOW)
        log.files.fail("read")  # a second scan would meet this
    assert log.files.faults


def test_a_segment_that_is_accounted_anew_has_no_old_damage() -> None:
    log = Log()
    log.damage(log.active, BAD)
    log.active._starts.clear()
    with pytest.raises(errors.CorruptMessage):
        log.offsets(log.active.base_offset + 2 * BAD)
    log.active.reset()
    log.active.rebuild()
    assert log.active.max_timestamp == (-1, log.active.base_offset)
