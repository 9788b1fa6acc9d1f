"""One segment: what a look-up remembers."""

from __future__ import annotations

from tests.support.batches import batch
from tidelock.broker.log import LogSettings, MemoryFiles, Partition

NOW = 1_000_000


class CountingFiles(MemoryFiles):
    """Counts what is read."""

    reads = 0

    def read(self, path: str, position: int, size: int) -> bytes:
        self.reads += 1
        return super().read(path, position, size)


def test_where_one_reader_began_the_next_begins_without_searching() -> None:
    files = CountingFiles()
    partition = Partition.open(files, "orders-0", LogSettings(), NOW)
    for _ in range(10):
        partition.append(batch(2), NOW)
    files.reads = 0
    first = bytes(partition.read(7, 1))
    searched = files.reads
    assert bytes(partition.read(7, 1)) == first
    assert files.reads - searched < searched
