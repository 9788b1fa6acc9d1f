"""Files that remember how much of each was synced: what a power loss could not take.

`SyncedFiles` stands for `RealFiles` in a broker under test and appends a line per sync to a file beside the
data folder; after a SIGKILL, `durable_sizes` tells which bytes of each file were on the disk for certain.
Everything behind them a power loss may tear, zero or replace, so a test may do that too.
"""

from __future__ import annotations

import os
from pathlib import Path

from tidelock.broker.disk import RealFiles

SUFFIX = ".synced"


class SyncedFiles(RealFiles):
    """`RealFiles` that write down each sync once it has succeeded, with the size from before it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        record = root.parent / (root.name + SUFFIX)
        self._record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def sync(self, path: str) -> None:
        """See Files."""
        size = self.size(path)
        super().sync(path)
        os.write(self._record, f"{size} {path}\n".encode())

    def close(self) -> None:
        """See RealFiles."""
        super().close()
        os.close(self._record)


def durable_sizes(root: Path) -> dict[str, int]:
    """Bytes of each file, by its path below the data folder, that were synced when last anything was."""
    sizes: dict[str, int] = {}
    record = root.parent / (root.name + SUFFIX)
    for line in record.read_text().splitlines() if record.exists() else ():
        size, _, path = line.partition(" ")
        sizes[path] = int(size)
    return sizes
