"""DATA/run.json: what runs in a data folder, written by `up`, read by every other command.

The same document goes to `--ready-file`:

    {"registry": "http://127.0.0.1:8761", "broker": "127.0.0.1:9092", "connect": "http://127.0.0.1:8083",
     "pids": {"up": 1, "registry": 2, ...}, "data": "/home/me/.tidelock",
     "version": "0.1.0", "started": {"up": 4711, ...}}

It is replaced atomically, and believed only while the process that wrote it still runs (pid and start time).
DATA/up.lock is held by `up` for its whole life, so two cannot share a folder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tidelock.cli.up import processes
from tidelock.errors import NotFoundError

DEFAULT_DATA = "./.tidelock"
STATE_FILE = "run.json"
LOCK_FILE = "up.lock"


class NothingRunsError(NotFoundError):
    """No `tidelock up` runs in that data folder."""

    code = "TID-703"


@dataclass(frozen=True, slots=True)
class Running:
    """What one `tidelock up` runs.

    `started` has each process's start time, see processes.start_ticks; `topics` is the broker's folder where
    its own settings put it outside `data`.
    """

    data: str
    version: str
    started: Mapping[str, int]
    addresses: Mapping[str, str] = field(default_factory=dict)
    pids: Mapping[str, int] = field(default_factory=dict)
    topics: str | None = None

    @property
    def pid(self) -> int:
        """The process id of `tidelock up` itself."""
        return self.pids["up"]

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            **self.addresses,
            "pids": dict(self.pids),
            "data": self.data,
            **({} if self.topics is None else {"topics": self.topics}),
            "version": self.version,
            "started": dict(self.started),
        }


def read(data: Path) -> Running | None:
    """Return what runs in a data folder, or None."""
    found = recorded(data)
    return found if found and processes.is_alive(found.pid, found.started.get("up", 0)) else None


def recorded(data: Path) -> Running | None:
    """Return the last state written to a data folder, whether or not it still holds."""
    try:
        document = json.loads((data / STATE_FILE).read_text())
        pids = {str(name): int(pid) for name, pid in document.pop("pids").items()}
        known = {name: document.pop(name) for name in ("data", "version", "started")}
        known["topics"] = document.pop("topics", None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Running(addresses=document, pids=pids, **known) if "up" in pids else None


def require(data: Path) -> Running:
    """Return what runs in a data folder.

    Raises:
        NothingRunsError: nothing does.
    """
    found = read(data)
    if found is None:
        raise NothingRunsError("nothing runs here", where=str(data), hint="tidelock up")
    return found


def write(path: Path, running: Running) -> None:
    """Replace a state or ready file, so that a reader sees all of it or the old one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(running.document(), indent=2) + "\n")
    draft.replace(path)


def forget(path: Path) -> None:
    """Remove a state or ready file."""
    path.unlink(missing_ok=True)


def lock(data: Path) -> IO[str] | None:
    """Take the data folder for this process's life; None when another `up` has it."""
    held = (data / LOCK_FILE).open("a")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    return held
