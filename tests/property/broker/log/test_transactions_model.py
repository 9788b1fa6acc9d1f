"""Open and aborted transactions equal what a list of everything written says.

Random transactional and plain batches, markers, rolls, deletions, stops, kills and power losses. The model
is the list; last stable offset, aborted list and producers' openness are computed from it anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.batches import batch
from tests.support.logs import flush_all
from tidelock.broker.log import Logs, LogSettings, Marker, MemoryFiles, Partition, keep_everything
from tidelock.protocol.records import Producer, iter_batches

SMALL = LogSettings(segment_bytes=900, index_interval_bytes=200)
KEY = ("orders", 0)
PRODUCERS = st.integers(0, 3)


@dataclass(frozen=True)
class Entry:
    """What was written: data (`commit` is None) or a marker."""

    producer: int
    offset: int
    count: int
    transactional: bool
    commit: bool | None = None

    @property
    def end(self) -> int:
        return self.offset + self.count


@dataclass(frozen=True)
class Transaction:
    producer: int
    first: int
    last: int | None
    commit: bool | None


def transactions(entries: list[Entry]) -> list[Transaction]:
    """Every transaction with data, ended or not, in the order of their ends."""
    opened: dict[int, int] = {}
    found = []
    for entry in entries:
        if entry.commit is not None:
            first = opened.pop(entry.producer, None)
            if first is not None:
                found.append(Transaction(entry.producer, first, entry.offset, entry.commit))
        elif entry.transactional:
            opened.setdefault(entry.producer, entry.offset)
    return found + [Transaction(one, first, None, None) for one, first in opened.items()]


class TransactionMachine(RuleBasedStateMachine):
    """One partition beside the list of what was appended to it."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryFiles()
        self.now = 1_000_000
        self.entries: list[Entry] = []
        self.sequences = dict.fromkeys(range(4), 0)
        self.start = 0
        self.logs = Logs(self.files, lambda _: SMALL)
        self.logs.open_all(self.now)
        self.logs.create(*KEY, bytes(16), self.now)
        flush_all(self.logs)

    @property
    def log(self) -> Partition:
        return self.logs.get(*KEY)

    def open_since(self) -> dict[int, int]:
        return {one.producer: one.first for one in transactions(self.entries) if one.last is None}

    @rule(producer=PRODUCERS, count=st.integers(1, 4), size=st.integers(0, 90))
    def write(self, producer: int, count: int, size: int) -> None:
        self.append(producer, count, size, transactional=True)

    @rule(producer=PRODUCERS, count=st.integers(1, 4), size=st.integers(0, 90))
    def write_plainly(self, producer: int, count: int, size: int) -> None:
        if producer not in self.open_since():
            self.append(producer, count, size, transactional=False)

    def append(self, producer: int, count: int, size: int, *, transactional: bool) -> None:
        self.now += 1
        who = Producer(producer, 0, self.sequences[producer])
        made = batch(count, size=size, producer=who, transactional=transactional)
        at = self.log.append(made, self.now).base_offset
        self.entries.append(Entry(producer, at, count, transactional))
        self.sequences[producer] += count

    @rule(producer=PRODUCERS, commit=st.booleans())
    def end(self, producer: int, commit: bool) -> None:
        at = self.log.append_marker(Marker(producer, 0, commit, 0), self.now).base_offset
        self.entries.append(Entry(producer, at, 1, True, commit))

    @rule(part=st.floats(0, 1), back=st.integers(0, 30), max_bytes=st.integers(1, 2_000))
    def read_committed(self, part: float, back: int, max_bytes: int) -> None:
        stable = self.log.last_stable_offset
        offset = max(self.start, int(stable * part) - back)
        data = self.log.read(offset, max_bytes, limit=stable)
        found = self.log.aborted_in(offset, data)
        if not data:
            assert found == []
            return
        end = [header.last_offset + 1 for header, _ in iter_batches(data)][-1]
        assert end <= stable
        assert found == [
            (one.producer, one.first)
            for one in transactions(self.entries)
            if one.last is not None and not one.commit and one.last >= offset and one.first < end
        ]

    @rule(part=st.floats(0, 1), ahead=st.integers(0, 40))
    def measure(self, part: float, ahead: int) -> None:
        start = max(self.start, int(self.log.log_end_offset * part))
        between = [one for one in self.entries if start <= one.offset and one.end <= start + ahead]
        if between:
            first, last = between[0].offset, between[-1].end
            whole = b""
            while first < last:
                piece = self.log.read(first, 10_000, limit=last)
                whole += piece
                first = [header.last_offset + 1 for header, _ in iter_batches(piece)][-1]
            assert self.log.size_between(between[0].offset, last) == len(whole)

    @rule(part=st.floats(0, 1))
    def delete_records(self, part: float) -> None:
        flush_all(self.logs)
        self.start = max(self.start, int(self.log.log_end_offset * part))
        self.log.delete_records_before(self.start)

    @rule()
    def flush(self) -> None:
        flush_all(self.logs)

    @rule()
    def stop_and_start(self) -> None:
        assert self.logs.close(clean=True) == []
        self.files.crash()
        self.reopen()
        assert self.log.recovered.clean

    @rule()
    def kill_and_start(self) -> None:
        self.files.crash(keep_everything)
        self.reopen()

    @rule(part=st.floats(0, 1), damage=st.booleans())
    def lose_power_and_start(self, part: float, damage: bool) -> None:
        def keep(path: str, tail: bytes) -> bytes:
            kept = tail[: int(len(tail) * part)]
            return kept[:-1] + b"\x5a" if damage and kept and not path.endswith(".log") else kept

        self.files.crash(keep)
        self.reopen()
        end = self.log.log_end_offset
        self.entries = [one for one in self.entries if one.end <= end]
        for producer in self.sequences:
            data = [one for one in self.entries if one.producer == producer and one.commit is None]
            self.sequences[producer] = sum(one.count for one in data)

    def reopen(self) -> None:
        self.logs = Logs(self.files, lambda _: SMALL)
        assert self.logs.open_all(self.now).offline == {}
        self.start = self.log.log_start_offset

    @invariant()
    def what_is_open(self) -> None:
        opened = self.open_since()
        assert dict(self.log.producers.open) == opened
        assert list(self.log.producers.open.values()) == sorted(opened.values())
        first = min(opened.values(), default=self.log.log_end_offset)
        assert self.log.last_stable_offset == max(first, self.start)


TestTransactions = TransactionMachine.TestCase
TestTransactions.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
