"""Compaction passes over one partition in memory, and killing them at any step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.support.logs import flush_all
from tidelock.broker.log import Logs, LogSettings, MemoryFiles, Partition
from tidelock.protocol.records import Record, build_batch, iter_batches, iter_records

KEY = ("orders", 0)
MAP_BYTES = 1 << 20
START_MS = 1_000_000


class Killed(BaseException):
    """The process ends here."""


class Kept(NamedTuple):
    """A record as far as a reader sees it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


class StoppingFiles(MemoryFiles):
    """Dies at the n-th change of a file or name."""

    left: int | None = None

    def trip(self, kind: str, path: str) -> int | None:
        if self.left is not None and kind != "read":
            if self.left == 0:
                raise Killed
            self.left -= 1
        return super().trip(kind, path)


def folder(files: MemoryFiles, settings: LogSettings, now_ms: int = START_MS) -> Logs:
    """Open a data folder; the partition is created in an empty one."""
    logs = Logs(files, lambda _: settings)
    report = logs.open_all(now_ms)
    assert not report.offline
    if KEY not in logs.partitions:
        logs.create(*KEY, bytes(16), now_ms)
        flush_all(logs)
    return logs


def append(
    partition: Partition,
    pairs: Sequence[tuple[bytes | None, bytes | None]],
    now_ms: int,
    compression: int = 0,
) -> None:
    records = [Record(n, now_ms + n, *pair) for n, pair in enumerate(pairs)]
    partition.append(memoryview(build_batch(records, compression=compression)), now_ms)


def everything(partition: Partition) -> list[Kept]:
    """All records, as a consumer from the beginning gets them."""
    found: list[Kept] = []
    offset = partition.log_start_offset
    while data := partition.read(offset, 500):
        for header, position in iter_batches(data):
            offset = header.last_offset + 1
            found += [
                Kept(one.offset, one.key, one.value, one.timestamp) for one in iter_records(data, position)
            ]
    return found


def last_of_each(records: Sequence[Kept]) -> dict[bytes | None, Kept]:
    """What a table made of the records would hold; a tombstone is the same as nothing."""
    table = {one.key: one for one in records if one.key is not None}
    return {key: one for key, one in table.items() if one.value is not None}


def compact(logs: Logs, now_ms: int, files: MemoryFiles) -> int | None:
    """One whole pass; returns where it ended, or None when nothing needed one."""
    cleaner = logs.cleaner
    cleaning = cleaner.begin(now_ms, MAP_BYTES)
    if cleaning is None:
        return None
    result = cleaning.job.run(files)
    assert result.problem is None
    assert cleaner.commit(cleaning, result)
    cleaner.sync(cleaning)
    assert cleaner.finish(cleaning)
    cleaner.write_down(cleaner.marks())
    return result.end_offset
