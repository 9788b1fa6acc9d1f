"""The seam between the log and the disk, cut at bytes.

Everything the broker keeps goes through `Files`: folders, names, and bytes appended at the end. Nothing here
knows of topics, batches or records, so an implementation cannot get their meaning wrong. `RealFiles`
(tidelock.broker.disk) and `MemoryFiles` are the two implementations.

Deliberately not in it: overwriting in place (the log never does), locks (one owner per data folder is the
shell's business), memory maps, permissions, and durability by surprise: nothing is durable before `sync`.
Errors are the machine's own `OSError`; callers translate them once, where they know which partition it was.

May import nothing but the standard library's pure parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview

TEMPORARY = ".tmp"


class File(Protocol):
    """A file open for appending; the only way bytes get onto the disk."""

    def append(self, data: Bytes, /) -> int:
        """Write at the end in one call and return how many bytes were taken; fewer than given = disk full."""

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; the next append continues there."""

    def close(self) -> None:
        """Release the handle; what was appended stays, durable or not."""


class Files(Protocol):
    """Folders and files under one root; paths are relative to it, with `/` between names.

    One thread owns it; others may meanwhile `sync` anything and `replace` files that the owner leaves alone.
    """

    def open(self, path: str) -> File:
        """Open for appending, creating the file when it is absent; its folder must exist."""

    def read(self, path: str, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position`; fewer at the end of the file."""

    def size(self, path: str) -> int:
        """Return the file's length in bytes; FileNotFoundError when it is absent."""

    def side_by_side(self, work: Callable[[], None], times: int) -> None:
        """Run `work` up to `times` times at once, and at least once; return when every run has.

        For work that shares a list and mostly waits in `sync`. How many gain from each other is the disk's
        matter, and how many threads there are the machine's; what one raises is raised when all have ended.
        """

    def sync(self, path: str) -> None:
        """Make a file's bytes, or a folder's names, durable."""

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source` in one step."""

    def remove(self, path: str) -> None:
        """Remove a file or an empty folder."""

    def list(self, folder: str) -> list[str]:
        """Return the names inside a folder, sorted; empty when the folder is absent."""

    def make_folder(self, folder: str) -> None:
        """Create a folder and its parents; no error when it is there."""


def read_all(files: Files, path: str) -> bytes:
    """Return the whole content of a small file."""
    return files.read(path, 0, files.size(path))


def append_all(file: File, data: Bytes) -> None:
    """Append everything, or raise OSError and leave what was taken in place."""
    view = memoryview(data)
    while view:
        taken = file.append(view)
        if taken <= 0:
            raise OSError(28, "the disk took no more bytes")
        view = view[taken:]


def replace(files: Files, path: str, data: Bytes, *, durable: bool = True) -> None:
    """Give a small file a new content in one step: readers and crashes see the old or the new, never a mix.

    Args:
        files: where.
        path: the file to replace or create.
        data: the new content.
        durable: sync the bytes before and the folder after the rename; without it a power loss (not a killed
            process) may bring back the old content or leave an empty file.
    """
    temporary = path + TEMPORARY
    file = files.open(temporary)
    try:
        file.truncate(0)
        append_all(file, data)
    finally:
        file.close()
    if durable:
        files.sync(temporary)
    files.rename(temporary, path)
    if durable:
        files.sync(folder_of(path))


def folder_of(path: str) -> str:
    """Return the folder part of a path; the root is the empty string."""
    return path.rpartition("/")[0]
