"""The log's `Files` on a real disk, and the lock that keeps a data folder to one process.

Reads share a bounded cache of descriptors, so a broker with many segments does not run out of them; a file
being appended to has a descriptor of its own. `sync` opens its path anew and can run in any thread: the
kernel reports a failed write-back to whoever syncs the file first, whichever descriptor wrote it. A large
file that is removed loses its name at once, and its space in another thread.

May import the log's `Files` seam. Errors are the machine's `OSError`; only the lock has words of its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tidelock.broker.log.files import Bytes, File
from tidelock.errors import ConflictError

READ_DESCRIPTORS = 256
PARALLEL_SYNCS = 4
"""Threads that sync at once: 100 small files on ext4 take 6 to 30 times as long in order. More: no gain."""

FREED_APART_BYTES = 1 << 20
"""From this size on a file is freed in another thread: 1 GB takes the kernel 20 ms and more."""

LOCK_FILE = ".lock"


class RealFile:
    """A file open for appending; `append` is the system call itself."""

    append: Callable[[Bytes], int]

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.append = partial(os.write, descriptor)

    def truncate(self, size: int) -> None:
        """See File."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """See File."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self.append = _closed
            os.close(descriptor)


class RealFiles:
    """Files under one folder of the machine.

    Args:
        root: created when absent.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = str(root) + "/"
        self._readers: OrderedDict[str, int] = OrderedDict()
        self._readers_change = threading.Lock()
        self._freeing: ThreadPoolExecutor | None = None

    def side_by_side(self, work: Callable[[], None], times: int) -> None:
        """See Files."""
        threads = min(times, PARALLEL_SYNCS)
        if threads <= 1:
            work()
            return
        runs: list[Future[None]] = []
        with ThreadPoolExecutor(threads - 1) as pool:
            # A process that may have no more threads: those there are share the work.
            with contextlib.suppress(RuntimeError):
                runs.extend(pool.submit(work) for _ in range(threads - 1))
            work()
        for run in runs:
            run.result()

    def open(self, path: str) -> File:
        """See Files."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return RealFile(_open(self._root + path, flags))

    def read(self, path: str, position: int, size: int) -> bytes:
        """See Files."""
        return os.pread(self._readers.get(path) or self._reader(path), size, position)

    def size(self, path: str) -> int:
        """See Files."""
        return os.stat(self._root + path).st_size

    def sync(self, path: str) -> None:
        """See Files."""
        descriptor = _open(self._root + path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync stops at the drive's cache
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            elif stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.fsync(descriptor)
            else:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """See Files."""
        self._forget(source)
        self._forget(target)
        os.replace(self._root + source, self._root + target)

    def remove(self, path: str) -> None:
        """See Files."""
        self._forget(path)
        full = self._root + path
        if os.path.isdir(full):
            os.rmdir(full)
        elif os.stat(full).st_size < FREED_APART_BYTES:
            os.unlink(full)
        else:
            self._remove_large(full)

    def _remove_large(self, full: str) -> None:
        """Take the name away; the last descriptor to be closed frees the space, and that may take long."""
        descriptor = _open(full, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.unlink(full)
        except OSError:
            os.close(descriptor)
            raise
        self._freeing = self._freeing or ThreadPoolExecutor(1, "tidelock-free")
        try:
            self._freeing.submit(os.close, descriptor)
        except RuntimeError:  # a process that may have no more threads; the pool would close it a second time
            self._freeing = None
            os.close(descriptor)

    def list(self, folder: str) -> list[str]:
        """See Files."""
        try:
            return sorted(os.listdir(self._root + folder))
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        """See Files."""
        os.makedirs(self._root + folder, exist_ok=True)

    def close(self) -> None:
        """Release the read descriptors, and wait until what was removed is free."""
        if self._freeing is not None:
            self._freeing.shutdown()
            self._freeing = None
        while self._readers:
            os.close(self._readers.popitem()[1])

    def _reader(self, path: str) -> int:
        descriptor = _open(self._root + path, os.O_RDONLY | os.O_CLOEXEC)
        with self._readers_change:
            self._readers[path] = descriptor
            if len(self._readers) > READ_DESCRIPTORS:
                os.close(self._readers.popitem(last=False)[1])
        return descriptor

    def _forget(self, path: str) -> None:
        """Drop the descriptors of a file, or of every file in a folder, whose name is about to change."""
        inside = path + "/"
        with self._readers_change:
            for known in [known for known in self._readers if known == path or known.startswith(inside)]:
                os.close(self._readers.pop(known))


class FolderLock:
    """One process owns a data folder; the kernel frees it when the process ends, however it ends.

    Args:
        root: the data folder; created when absent.

    Raises:
        ConflictError: another process owns it; the text names it.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        path = root / LOCK_FILE
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _owner(os.pread(self._descriptor, 32, 0))
            os.close(self._descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise ConflictError(
                f"the data folder is in use{owner}",
                where=str(root),
                hint="stop it, or choose another folder with --data DIR",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another process have the folder; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _open(path: str, flags: int) -> int:
    """Open a file; when descriptors run out, raise the soft limit as far as the hard one allows."""
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno != errno.EMFILE or not _raise_descriptor_limit():
            raise
    return os.open(path, flags, 0o644)


def _raise_descriptor_limit() -> bool:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return True


def _owner(text: bytes) -> str:
    """Name the owner as " by java (pid 4711)", as far as it can be told."""
    pid = text.decode("ascii", "replace").strip()
    if not pid.isdigit():
        return ""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return f" (pid {pid})"
    return f" by {name} (pid {pid})"


def _closed(data: Bytes, /) -> int:
    raise OSError(errno.EBADF, "the file is closed")
