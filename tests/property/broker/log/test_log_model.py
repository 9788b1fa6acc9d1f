"""The log equals a list: random appends, reads, deletions, stops, kills and power losses over MemoryFiles.

Invariants: offsets are gapless and never given twice; what was flushed is never lost; what a process appended
survives its death; reads return whole batches with what was appended, from the one that contains the offset;
a power loss leaves a prefix of what was appended, or an empty log where that was cut below its own start.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.batches import batch
from tests.support.logs import flush_all
from tidelock.broker.log import Logs, LogSettings, MemoryFiles, Partition, keep_everything
from tidelock.protocol.records import Producer, iter_batches, iter_records

SMALL = LogSettings(segment_bytes=1_500, index_interval_bytes=300, retention_bytes=4_000)
START_MS = 1_000_000
KEY = ("orders", 0)


@dataclass(frozen=True)
class Written:
    """One batch of the model."""

    base_offset: int
    count: int
    timestamp: int
    sequence: int

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.count


class LogMachine(RuleBasedStateMachine):
    """A data folder with one partition, beside a list of what was appended to it."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryFiles()
        self.now = START_MS
        self.model: list[Written] = []
        self.floor = 0  # the end while the model is empty
        self.flushed = 0
        self.start = 0
        self.sequence = 0
        self.logs = Logs(self.files, lambda _: SMALL)
        self.logs.open_all(self.now)
        self.logs.create(*KEY, bytes(16), self.now)
        flush_all(self.logs)

    @property
    def log(self) -> Partition:
        return self.logs.get(*KEY)

    @property
    def end(self) -> int:
        return self.model[-1].next_offset if self.model else self.floor

    @rule(
        times=st.integers(1, 8), count=st.integers(1, 6), step=st.integers(-5, 20), size=st.integers(0, 150)
    )
    def append(self, times: int, count: int, step: int, size: int) -> None:
        for _ in range(times):
            self.append_one(count, step, size)

    def append_one(self, count: int, step: int, size: int) -> None:
        self.now += 1
        timestamp = START_MS + self.now % 1_000 + step
        made = batch(count, timestamp=timestamp, size=size, producer=Producer(3, 0, self.sequence))
        appended = self.log.append(made, self.now)
        assert appended.base_offset == self.end
        self.model.append(Written(appended.base_offset, count, timestamp, self.sequence))
        self.sequence += count

    @precondition(lambda self: self.model)
    @rule(back=st.integers(1, 5))
    def send_again(self, back: int) -> None:
        if back > len(self.model) or self.model[-back].base_offset < self.start:
            return
        old = self.model[-back]
        made = batch(old.count, timestamp=old.timestamp, producer=Producer(3, 0, old.sequence))
        again = self.log.append(made, self.now)
        assert (again.duplicate, again.base_offset) == (True, old.base_offset)

    @rule(offset=st.integers(0, 400), max_bytes=st.integers(1, 3_000), ahead=st.integers(0, 30))
    def read(self, offset: int, max_bytes: int, ahead: int) -> None:
        if not self.start <= offset <= self.end:
            return
        limit = min(offset + ahead, self.end)
        data = self.log.read(offset, max_bytes, limit=limit)
        found = list(iter_batches(data))
        assert sum(header.size for header, _ in found) == len(data)
        due = [one for one in self.model if one.next_offset > offset and one.next_offset <= limit]
        assert bool(found) == bool(due and due[0].base_offset <= offset)
        for (header, position), expected in zip(found, due, strict=False):
            assert (header.base_offset, header.count) == (expected.base_offset, expected.count)
            records = list(iter_records(data, position))
            assert [record.timestamp for record in records] == [
                expected.timestamp + number for number in range(expected.count)
            ]
        assert len(data) <= max_bytes or len(found) == 1

    @rule(timestamp=st.integers(START_MS - 10, START_MS + 1_030))
    def look_up(self, timestamp: int) -> None:
        records = [
            (one.timestamp + number, one.base_offset + number)
            for one in self.model
            for number in range(one.count)
            if one.base_offset + number >= self.start
        ]
        matches = [record for record in records if record[0] >= timestamp]
        assert self.log.offset_for_timestamp(timestamp) == (matches[0] if matches else None)
        greatest = max((record[0] for record in records), default=None)
        first = next((record for record in records if record[0] == greatest), None)
        assert self.log.max_timestamp() == first

    @rule()
    def flush(self) -> None:
        flush_all(self.logs)
        self.flushed = self.end

    @rule()
    def flush_sealed(self) -> None:
        job = self.logs.begin_flush(sealed_only=True)
        if job is not None:
            job.run()
            self.logs.end_flush(job)
        self.flushed = max(self.flushed, self.log.recovery_point)

    @rule()
    def retain(self) -> None:
        self.log.retention(self.now)
        self.start = self.log.log_start_offset

    @rule(part=st.floats(0, 1))
    def delete_records(self, part: float) -> None:
        target = int(self.end * part)
        self.start = max(self.start, target)
        assert self.log.delete_records_before(target) == self.start

    @rule()
    def stop_and_start(self) -> None:
        assert self.logs.close(clean=True) == []
        self.flushed = self.end
        self.files.crash()
        report = self.reopen()
        assert (report.clean, report.scanned_bytes, report.offline) == (True, 0, {})

    @rule()
    def kill_and_start(self) -> None:
        self.files.crash(keep_everything)
        report = self.reopen()
        assert (report.truncated_bytes, report.offline) == (0, {})
        assert self.log.log_end_offset == self.end

    @rule(
        part=st.floats(0, 1),
        filler=st.sampled_from([b"", b"\0", b"\xa5"]),
        flip=st.booleans(),
    )
    def lose_power_and_start(self, part: float, filler: bytes, flip: bool) -> None:
        def keep(path: str, tail: bytes) -> bytes:
            kept = bytearray(tail[: int(len(tail) * part)])
            if flip and path.endswith(".log") and kept:
                kept[len(kept) // 2] ^= 0x10
            return bytes(kept) + filler * (len(tail) - len(kept) if path.endswith(".log") else 0)

        self.files.crash(keep)
        report = self.reopen()
        assert report.offline == {}
        end = self.log.log_end_offset
        assert self.flushed <= end <= self.end
        if self.log.size_bytes == 0:
            self.model, self.floor, self.sequence = [], end, 0
        else:
            self.model = [one for one in self.model if one.next_offset <= end]
            self.sequence = self.model[-1].sequence + self.model[-1].count
        assert self.end == end
        self.start = self.log.log_start_offset

    def reopen(self) -> object:
        self.logs = Logs(self.files, lambda _: SMALL)
        self.now += 10
        return self.logs.open_all(self.now)

    @invariant()
    def edges(self) -> None:
        assert self.log.log_end_offset == self.end
        assert self.log.log_start_offset == self.start
        assert self.log.recovery_point <= self.end


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
