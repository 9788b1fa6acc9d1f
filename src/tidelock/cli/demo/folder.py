"""The demo's folder: claimed by one run at a time, cleaned before a run, kept after it.

A folder is ours when it holds the marker file; anything else that is not empty is somebody's and is never
touched. Source files that a user has edited since the last run are kept: they are what the folder is for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import IO

from tidelock.errors import ConflictError, UsageError

MARKER = "tidelock-demo.json"
LOCK = "tidelock-demo.lock"
SOURCES = ("orders_api.py", "order_service.py", "user_service.py", "orders-sink.json")
KEPT = {MARKER, LOCK, *SOURCES}


class FolderInTheWayError(ConflictError):
    """The data folder belongs to something else, or to a demo that is running."""

    code = "TID-711"


class FolderUnusableError(UsageError):
    """The data folder cannot be written: no permission, no space, no such place."""

    code = "TID-718"


class DemoFolder:
    """One claimed folder; `release` when the run is over.

    Raises:
        FolderInTheWayError: when the folder is not ours or is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.edited: list[str] = []
        self._lock: IO[str] | None = None
        self._check_ours()

    def claim(self) -> None:
        """Take the lock, remove the last run's data and write the services' source.

        Raises:
            FolderUnusableError: it cannot be written.
        """
        try:
            self._claim()
        except OSError as error:
            raise FolderUnusableError(
                f"the demo's data folder cannot be written: {error.strerror}",
                where=str(self.path),
                hint="name another one with --data DIR",
            ) from None

    def _claim(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        written = self._read_marker()
        for entry in self.path.iterdir():
            if entry.name not in KEPT:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        self._write_sources(written)
        (self.path / "logs").mkdir()

    def release(self) -> None:
        """Let another run have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_ours(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise FolderInTheWayError(
                "the demo's data folder is a file",
                where=str(self.path),
                hint="name another one with --data DIR",
            )
        if not self.path.is_dir() or (self.path / MARKER).exists():
            return
        if any(entry.name != LOCK for entry in self.path.iterdir()):
            raise FolderInTheWayError(
                "the folder is not empty and no demo wrote it",
                where=str(self.path),
                hint="name another one with --data DIR, or remove it yourself",
            )

    def _take_lock(self) -> None:
        lock = (self.path / LOCK).open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise FolderInTheWayError(
                f"a demo is running in this folder (pid {owner})",
                where=str(self.path),
                hint="wait for it, or use another folder: --data DIR",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _read_marker(self) -> dict[str, str]:
        try:
            found = json.loads((self.path / MARKER).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        sources = found.get("sources", {}) if isinstance(found, dict) else {}
        return {str(name): str(digest) for name, digest in sources.items()}

    def _write_sources(self, written: dict[str, str]) -> None:
        digests: dict[str, str] = {}
        templates = files("tidelock.cli.demo") / "templates"
        for name in SOURCES:
            target = self.path / name
            if target.exists() and written.get(name) != _digest(target.read_bytes()):
                self.edited.append(name)
                digests[name] = written.get(name, "")
                continue
            content = (templates / name).read_bytes()
            target.write_bytes(content)
            digests[name] = _digest(content)
        marker = {"what": "the data folder of `tidelock demo`; cleaned by its next run", "sources": digests}
        (self.path / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
