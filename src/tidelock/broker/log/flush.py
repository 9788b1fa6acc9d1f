"""Making appended bytes durable, apart from the loop that appends them.

A flush has three steps. `begin_flush` (in the loop) writes down which files are dirty and up to which offset;
`FlushJob.run` (in any thread) syncs them, and then the recovery points that follow from it; `end_flush` (in
the loop) takes the result over. Between the first and the last step the loop appends on. Many files are
synced by several threads at once, whose calls share the file system's commits. When to flush is the shell's
decision: at a roll always, before each acknowledgement (`group`), every so often (`interval`).

A sync that failed is never tried again: the kernel may have dropped the dirty pages, and a second call would
report success for bytes that are gone. The partition goes offline instead.

May import checkpoints and the `Files` seam.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidelock.broker.log.checkpoint import Mark, PartitionKey, write_marks
from tidelock.broker.log.files import Files, replace

# With fewer partitions for each, starting threads would take as long as the syncs.
PARTS_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class Dirty:
    """One partition's part of a flush: after syncing `paths`, everything below `up_to` is durable.

    `sealed`: there is more to it than the file being appended to. `resume` is the recovery checkpoint, path
    and content, that holds from then on. `origin` tells whose part it is: a name may belong to another
    partition by the time the flush ends.
    """

    key: PartitionKey
    paths: tuple[str, ...]
    up_to: int
    sealed: bool
    origin: Unflushed = field(repr=False, compare=False)
    resume: tuple[str, bytes] | None = None

    def sync(self, files: Files) -> None:
        """Sync every path; one that was deleted meanwhile has nothing left to lose.

        Raises:
            OSError: bytes may be lost; never sync them again.
        """
        for path in self.paths:
            try:
                files.sync(path)
            except FileNotFoundError:
                continue

    def write_resume(self, files: Files) -> None:
        """Write the recovery checkpoint, once `sync` has succeeded; it need not be durable.

        Raises:
            OSError: the old one stays, or none.
        """
        if self.resume is not None:
            path, content = self.resume
            replace(files, path, content, durable=False)


class Unflushed:
    """What of one partition a power loss could take; true while a side file or sealed segment is dirty."""

    def __init__(self, key: PartitionKey, recovery_point: int, paths: Iterable[str]) -> None:
        self.recovery_point = recovery_point
        self._key = key
        self._paths = dict.fromkeys(paths)

    def __bool__(self) -> bool:
        return bool(self._paths)

    def add(self, *paths: str) -> None:
        """Note files that were written and sealed, and folders whose names changed."""
        self._paths.update(dict.fromkeys(paths))

    def take(self, active_path: str | None, up_to: int) -> Dirty | None:
        """Hand over what must be synced to make everything below `up_to` durable; None if nothing.

        Args:
            active_path: the file still being written to, if it is to be synced.
            up_to: an offset.
        """
        paths = list(self._paths)
        sealed = bool(paths)
        if active_path is not None and self.recovery_point < up_to:
            paths.insert(0, active_path)
        self._paths = {}
        return Dirty(self._key, tuple(paths), up_to, sealed, self) if paths else None

    def reached(self, up_to: int) -> None:
        """Note that everything below an offset is durable."""
        self.recovery_point = max(self.recovery_point, up_to)


@dataclass(slots=True)
class FlushJob:
    """One flush of several partitions.

    `recovery_points` are all partitions' present ones; None leaves the checkpoint file alone, which costs
    nothing but a longer scan after a crash. `failures` is empty before `run`.
    """

    files: Files
    parts: tuple[Dirty, ...]
    checkpoint_path: str
    recovery_points: Mapping[PartitionKey, Mark] | None = None
    failures: dict[PartitionKey, OSError] = field(default_factory=dict)
    checkpoint_failure: OSError | None = None

    def run(self) -> None:
        """Sync everything; callable from another thread, touches nothing that the loop owns."""
        left = deque(self.parts)
        self.files.side_by_side(lambda: self._sync(left), len(left) // PARTS_PER_THREAD)
        if self.recovery_points is not None:
            try:
                self._write_checkpoint(self.recovery_points)
            except OSError as error:
                self.checkpoint_failure = error

    def fail(self, error: Exception) -> None:
        """Count every part as failed, because `run` ended by what it does not know, nobody knows where."""
        for part in self.parts:
            self.failures.setdefault(part.key, OSError(errno.EIO, f"{type(error).__name__}: {error}"))

    def _sync(self, left: deque[Dirty]) -> None:
        """Sync one partition after the other until none is left; several threads share the list."""
        while left:
            try:
                part = left.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                part.sync(self.files)
            except OSError as error:
                self.failures[part.key] = error
                continue
            try:
                part.write_resume(self.files)
            except OSError as error:
                self.checkpoint_failure = error

    def _write_checkpoint(self, points: Mapping[PartitionKey, Mark]) -> None:
        reached = dict(points)
        for part in self.parts:
            if part.key not in self.failures and part.key in points:
                reached[part.key] = points[part.key]._replace(offset=part.up_to)
        replace(self.files, self.checkpoint_path, write_marks(reached))
