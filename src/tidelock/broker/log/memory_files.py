"""`Files` in memory: for tests, for `--memory`, and for failing on purpose.

Keeps, per file, how many bytes are synced, and per folder, which names are. `crash()` returns the machine to
what a power loss would have left: synced bytes and names for sure, of the rest whatever the caller's `keep`
decides (nothing, a torn prefix, zeroes). Faults are armed per call kind and fire once each.

Invariant: an operation that raises has changed nothing, except an append told to be short.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from tidelock.broker.log.files import Bytes, File, folder_of

Keep = Callable[[str, bytes], bytes]


def keep_nothing(path: str, unsynced: bytes) -> bytes:
    """Lose every unsynced byte: the harshest power loss."""
    return b""


def keep_everything(path: str, unsynced: bytes) -> bytes:
    """Lose nothing: what a killed process leaves behind, because the page cache outlives it."""
    return unsynced


@dataclass(slots=True)
class Stored:
    """One file's bytes and how many of them a power loss cannot take."""

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0


@dataclass(slots=True)
class Fault:
    """One failure to come: the `after`-th next call of a kind raises `error`, or takes `short` bytes."""

    kind: str
    error: int = errno.EIO
    after: int = 0
    short: int | None = None


class MemoryFile:
    """A file of MemoryFiles, open for appending."""

    def __init__(self, files: MemoryFiles, path: str, stored: Stored) -> None:
        self._files = files
        self._path = path
        self._stored = stored

    def append(self, data: Bytes, /) -> int:
        """See File."""
        if self._files.faults:
            short = self._files.trip("append", self._path)
            if short is not None:
                data = memoryview(data)[:short]
        self._stored.data += data
        return len(data)

    def truncate(self, size: int) -> None:
        """See File."""
        self._files.trip("truncate", self._path)
        if size < len(self._stored.data):
            del self._stored.data[size:]
            self._stored.synced = min(self._stored.synced, size)

    def close(self) -> None:
        """See File."""


class MemoryFiles:
    """Files that live in this object and forget what was not synced when told to crash."""

    def __init__(self) -> None:
        self._files: dict[str, Stored] = {}
        self._folders: set[str] = {""}
        self._durable_names: dict[str, Stored] = {}
        self.faults: list[Fault] = []

    def side_by_side(self, work: Callable[[], None], times: int) -> None:
        """See Files; here one is enough, and keeps the order of what happens."""
        work()

    def open(self, path: str) -> File:
        """See Files."""
        self.trip("open", path)
        if folder_of(path) not in self._folders:
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)
        return MemoryFile(self, path, self._files.setdefault(path, Stored()))

    def read(self, path: str, position: int, size: int) -> bytes:
        """See Files."""
        self.trip("read", path)
        return bytes(memoryview(self._stored(path).data)[position : position + size])

    def size(self, path: str) -> int:
        """See Files."""
        return len(self._stored(path).data)

    def sync(self, path: str) -> None:
        """See Files."""
        self.trip("sync", path)
        if path in self._folders:
            self._sync_names(path)
            return
        stored = self._stored(path)
        stored.synced = len(stored.data)

    def rename(self, source: str, target: str) -> None:
        """See Files."""
        self.trip("rename", source)
        if source in self._folders:
            self._rename_folder(source, target)
            return
        self._files[target] = self._stored(source)
        del self._files[source]

    def remove(self, path: str) -> None:
        """See Files."""
        self.trip("remove", path)
        if path in self._folders:
            if self.list(path):
                raise OSError(errno.ENOTEMPTY, "folder not empty", path)
            self._folders.discard(path)
            return
        self._stored(path)
        del self._files[path]

    def list(self, folder: str) -> list[str]:
        """See Files."""
        return sorted(
            name.rpartition("/")[2]
            for name in (*self._files, *self._folders)
            if name and folder_of(name) == folder
        )

    def make_folder(self, folder: str) -> None:
        """See Files; a folder's own name counts as durable at once."""
        while folder:
            self._folders.add(folder)
            folder = folder_of(folder)

    def crash(self, keep: Keep = keep_nothing) -> None:
        """Lose what a power loss may take; handles opened before must not be used again.

        Args:
            keep: given a path and its unsynced bytes, returns what survived of them (any bytes at all).
        """
        survivors = dict(self._files) if keep is keep_everything else dict(self._durable_names)
        for path, stored in survivors.items():
            tail = bytes(stored.data[stored.synced :])
            data = stored.data[: stored.synced] + keep(path, tail)
            survivors[path] = Stored(data, len(data))
        self._files = {path: stored for path, stored in survivors.items() if folder_of(path) in self._folders}
        self._durable_names = dict(self._files)

    def fail(self, kind: str, error: int = errno.EIO, *, after: int = 0, short: int | None = None) -> None:
        """Arm one fault: `kind` is a method's name ("append", "sync", "rename", ...).

        Args:
            kind: the method that will fail.
            error: the errno to raise.
            after: let this many calls of the kind pass first.
            short: for "append": take this many bytes and report them, instead of raising.
        """
        self.faults.append(Fault(kind, error, after, short))

    def trip(self, kind: str, path: str) -> int | None:
        """Count a call against the armed faults; raises, or returns how many bytes a short append takes."""
        for fault in self.faults:
            if fault.kind != kind:
                continue
            if fault.after:
                fault.after -= 1
                continue
            self.faults.remove(fault)
            if fault.short is not None:
                return fault.short
            raise OSError(fault.error, "failing on purpose", path)
        return None

    def _stored(self, path: str) -> Stored:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from None

    def _sync_names(self, folder: str) -> None:
        files = dict(self._files)  # the owner may add names while another thread is here
        for path in [path for path in self._durable_names if folder_of(path) == folder]:
            if path not in files:
                del self._durable_names[path]
        for path, stored in files.items():
            if folder_of(path) == folder:
                self._durable_names[path] = stored

    def _rename_folder(self, source: str, target: str) -> None:
        for names in (self._files, self._durable_names):
            for path in [path for path in names if path.startswith(source + "/")]:
                names[target + path[len(source) :]] = names.pop(path)
        self._folders.discard(source)
        self._folders.add(target)
