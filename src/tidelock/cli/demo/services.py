"""One process of the demo: a service's source from the demo's folder, or `tidelock up`.

A process logs into a file of its own, can be killed for real, and never outlives the demo: it is asked to
stop when the demo ends, and the kernel kills it when the demo is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidelock.errors import TidelockError
from tidelock.runtime import LOOPBACK, environment

STOP_GRACE = 10.0
"""Seconds a process gets to finish what is in flight before it is killed."""

PR_SET_PDEATHSIG = 1  # prctl(2)
LOG_TAIL_LINES = 12


class ProcessEndedError(TidelockError):
    """A process of the demo ended that should have gone on; the text ends with the tail of its log."""

    code = "TID-712"


class DemoProcess:
    """A child process that can be started, killed, stopped and started again.

    Args:
        name: how the story calls it.
        command: arguments after the Python interpreter.
        folder: the working directory.
        log: the file that gets stdout and stderr; appended, so that a restart keeps what was there.
        variables: environment variables on top of the demo's own.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, log: Path, variables: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = [sys.executable, *command]
        self._folder = folder
        self._log = log
        self._variables = dict(variables)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the current life, 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def configure(self, variables: Mapping[str, str]) -> None:
        """Change the environment of the next start."""
        self._variables.update(variables)

    def start(self) -> None:
        """Start the process; a failure to start shows in `check`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={**environment(), "PYTHONUNBUFFERED": "1", **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the demo's to handle
                preexec_fn=_die_with_parent,
            )

    def check(self) -> None:
        """Raise ProcessEndedError when the process is not running."""
        if self._process is not None and not self.is_running:
            raise ProcessEndedError(
                f"{self.name} ended with code {self._process.returncode}:\n{self._tail()}",
                where=str(self._log),
            )

    def kill(self) -> None:
        """SIGKILL: no farewell, as a crash or a power cut would do it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def wait_stopped(self) -> None:
        """Wait for the end after `ask_to_stop`; kill what does not come to an end, with all its children."""
        if self._process is None:
            return
        try:
            self._process.wait(STOP_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"     | {line}" for line in lines[-LOG_TAIL_LINES:])


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Run in the child before exec: the kernel sends SIGKILL when the demo itself is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
