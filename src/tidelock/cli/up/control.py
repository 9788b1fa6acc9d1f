"""The line between `up` and each of its processes: JSON lines over a socket pair.

`up` sends one line, the Job; after that only its end of file matters: it means that `up` is gone, however it
died, and that the part must stop. The part answers with reports: ready, failed (before it was ready) and
log records of level WARNING and above. A part never blocks on `up`: a report that does not fit is dropped.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from tidelock.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    TidelockError,
    UnreachableError,
    UsageError,
)

_KINDS: tuple[type[TidelockError], ...] = (
    UsageError,
    UnreachableError,
    NotFoundError,
    RefusedError,
    ConflictError,
)
_RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Job:
    """What one process has to run.

    Args:
        part: the part's name.
        factory: "module:function" that builds it; called with the job and the listening socket.
        listen_fd: the bound, listening socket that the process inherits.
        data: the folder of this `up`.
        settings: the part's own settings, Java key -> text.
        addresses: part -> where it is or will be, for all parts of this `up`.
    """

    part: str
    factory: str
    listen_fd: int
    data: str
    settings: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The part's own folder inside the data folder."""
        return Path(self.data) / self.part

    def line(self) -> bytes:
        """Return the job as the line that is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, control: socket.socket) -> Job:
        """Read the line that `up` sends first."""
        line = b""
        while not line.endswith(b"\n"):
            chunk = control.recv(_RECEIVE_BYTES)
            if not chunk:
                raise EOFError("the parent ended before it sent the job")
            line += chunk
        return cls(**json.loads(line))


class Reports:
    """The child's end: sends reports, never blocks."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def ready(self, detail: str | None) -> None:
        """The part accepts work; `detail` replaces what the banner says in brackets."""
        self._send({"ready": True, "detail": detail})

    def failed(self, error: TidelockError) -> None:
        """The part cannot run."""
        text = {"what": error.what, "where": error.where, "hint": error.hint}
        self._send({"failed": {**text, "code": error.code, "exit_code": error.exit_code}})

    def log(self, text: str) -> None:
        """Something that the user should see now."""
        self._send({"log": text})

    def _send(self, report: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(report).encode() + b"\n", socket.MSG_DONTWAIT)
        except OSError:
            return  # `up` is gone or busy; the part's log file has it


class Inbox:
    """The parent's end: turns received bytes into reports."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield the reports that are complete now; a line that is none is passed on as log text."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            try:
                report = json.loads(line)
            except ValueError:
                report = None
            yield report if isinstance(report, dict) else {"log": line.decode(errors="replace")}


def rebuilt(part: str, report: Mapping[str, Any]) -> TidelockError:
    """Return the error that a part reported as failed, with its own code and exit code."""
    kind = next((one for one in _KINDS if one.exit_code == report["exit_code"]), TidelockError)
    reported = cast("type[TidelockError]", type(kind.__name__, (kind,), {"code": report["code"]}))
    return reported(f"{part}: {report['what']}", where=report["where"], hint=report["hint"])
