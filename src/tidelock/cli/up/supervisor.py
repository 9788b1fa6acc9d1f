"""Starts, watches and stops one process per part. The shell around `restarts`; owns every process of an `up`.

Each part's listening socket is inherited by its process, so a restarted part has the same port, and clients
that come in between wait instead of failing. Each process leads a process group of its own: Ctrl-C reaches
only `up`, which stops the parts in order, and whatever a dead part left behind ends with its group.
"""

from __future__ import annotations

import enum
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidelock.cli.up import processes
from tidelock.cli.up.control import Inbox, Job, rebuilt
from tidelock.cli.up.parts import Part
from tidelock.cli.up.restarts import Restarts
from tidelock.errors import TidelockError, UnreachableError
from tidelock.runtime import Clock

READY_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
_TICK = 1.0
_LOG_ROLL_BYTES = 10 << 20


class Phase(enum.Enum):
    """What a death means: the start fails, a restart is due, or nothing."""

    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


class NotReadyError(UnreachableError):
    """A part's process runs but does not say in time that it accepts work."""

    code = "TID-704"


class PartDiedError(TidelockError):
    """A part's process ended before it was ready, without saying why."""

    code = "TID-705"


@dataclass(slots=True)
class Running:
    """One part and the process that runs it now."""

    part: Part
    listener: socket.socket
    settings: Mapping[str, str]
    restarts: Restarts
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    inbox: Inbox = field(default_factory=Inbox)
    ready: bool = False
    detail: str | None = None

    @property
    def address(self) -> str:
        """Where the part listens, written the way its clients write it."""
        host, port = self.listener.getsockname()[:2]
        return self.part.address.format(host=host, port=port)


class Supervisor:
    """The processes of one `tidelock up`.

    Args:
        parts: (part, its bound socket, its settings), in starting order.
        data: the data folder.
        clock: for time-outs and restarts.
        say: called with one line for the user (standard error).
        changed: called when a process id changed or a part became ready.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Part, socket.socket, Mapping[str, str]]],
        data: Path,
        clock: Clock,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        now = clock.monotonic()
        self.parts = [Running(part, sock, settings, Restarts(now)) for part, sock, settings in parts]
        self._data = data
        self._clock = clock
        self._say = say
        self._changed = changed
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._handlers: dict[int, Any] = {}
        self._wakeup = socket.socketpair()
        self._phase = Phase.STARTING

    @property
    def addresses(self) -> dict[str, str]:
        """Part -> address."""
        return {running.part.name: running.address for running in self.parts}

    @property
    def pids(self) -> dict[str, int]:
        """Part -> process id, for those that run."""
        return {running.part.name: running.process.pid for running in self.parts if running.process}

    def start(self) -> bool:
        """Start every part and wait until all are ready; False when a signal came first.

        Raises:
            TidelockError: a part cannot run; everything is stopped again.
        """
        self._listen_to_signals()
        (self._data / "logs").mkdir(parents=True, exist_ok=True)
        deadline = self._clock.monotonic() + READY_TIMEOUT
        for running in self.parts:
            self._spawn(running)
        while not all(running.ready for running in self.parts):
            self._step(min(_TICK, max(0.0, deadline - self._clock.monotonic())))
            if self._signals:
                return False
            if self._clock.monotonic() >= deadline:
                late = next(running for running in self.parts if not running.ready)
                raise NotReadyError(
                    f"{late.part.name} is not ready after {READY_TIMEOUT:.0f} s",
                    where=str(self._log_file(late)),
                    hint=f"tidelock logs {late.part.name}",
                )
        self._phase = Phase.UP
        return True

    def run(self) -> None:
        """Watch the processes until a signal comes."""
        while not self._signals:
            self._step(_TICK)

    def stop(self) -> None:
        """Stop every part, last one first; a second signal or a time-out ends them at once."""
        self._phase = Phase.STOPPING
        for running in reversed(self.parts):
            self._stop(running)
        self._selector.close()
        self._leave_signals()
        for running in self.parts:
            running.listener.close()

    # -- processes

    def _spawn(self, running: Running) -> None:
        ours, theirs = socket.socketpair()
        listen_fd = running.listener.fileno()
        job = Job(
            running.part.name,
            running.part.factory,
            listen_fd,
            str(self._data),
            running.settings,
            self.addresses,
        )
        ours.sendall(job.line())
        with self._open_log(running) as log:
            running.process = subprocess.Popen(
                [sys.executable, "-m", "tidelock.cli.up.child", running.part.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), listen_fd),
                process_group=0,
            )
        theirs.close()
        ours.setblocking(False)
        running.control, running.inbox, running.ready = ours, Inbox(), False
        self._selector.register(ours, selectors.EVENT_READ, running)
        running.restarts.restarted(self._clock.monotonic())

    def _stop(self, running: Running) -> None:
        process = running.process
        if process is None:
            return
        processes.send(process.pid, signal.SIGTERM)  # a part ends its own processes, in its order
        deadline, already = self._clock.monotonic() + STOP_TIMEOUT, self._signals
        while running.process is not None:
            self._step(0.05)
            late = self._clock.monotonic() >= deadline
            if late or self._signals > max(already, 1):
                self._say(f"{running.part.name}: {'did not stop in time, killed' if late else 'killed'}")
                processes.kill_group(process.pid)
                process.wait()
                self._bury(running)

    def _step(self, timeout: float) -> None:
        for key, _ in self._selector.select(self._until_restart(timeout)):
            if key.data is None:
                self._drain_wakeups()
            else:
                self._receive(key.data)
        for running in self.parts:
            self._reap(running)
            if self._phase is Phase.UP and running.restarts.is_due(self._clock.monotonic()):
                self._spawn(running)
                self._changed()

    def _until_restart(self, timeout: float) -> float:
        now = self._clock.monotonic()
        due = [running.restarts.due_at for running in self.parts if running.restarts.due_at is not None]
        return max(0.0, min([timeout, *(at - now for at in due)])) if self._phase is Phase.UP else timeout

    def _reap(self, running: Running) -> None:
        process = running.process
        if process is None or os.waitid(os.P_PID, process.pid, _PEEK) is None:
            return
        processes.kill_group(process.pid)  # before the pid is free again: what the part left behind
        status = process.wait()
        try:
            self._receive(running)
        finally:
            was_ready = running.ready
            self._bury(running)
        if self._phase is Phase.UP:
            delay = running.restarts.died(self._clock.monotonic())
            how = _ending(status)
            again = f"restart in {delay:.1f} s" if was_ready else f"did not start; again in {delay:.1f} s"
            self._say(f"{running.part.name}: {how}, {again}")
            self._changed()
        elif self._phase is Phase.STARTING:
            raise PartDiedError(
                f"{running.part.name} {_ending(status)} before it was ready",
                where=str(self._log_file(running)),
                hint=f"tidelock logs {running.part.name} --data {self._log_file(running).parent.parent}",
            )

    def _bury(self, running: Running) -> None:
        if running.control is not None:
            self._selector.unregister(running.control)
            running.control.close()
        running.process, running.control, running.ready = None, None, False

    # -- reports

    def _receive(self, running: Running) -> None:
        for report in self._reports(running):
            if "log" in report:
                self._say(f"{running.part.name}: {report['log']}")
            elif "ready" in report:
                running.ready, running.detail = True, report.get("detail")
                if self._phase is Phase.UP:
                    self._say(f"{running.part.name}: runs again at {running.address}")
                    self._changed()
            elif "failed" in report and self._phase is Phase.STARTING:
                raise rebuilt(running.part.name, report["failed"])
            elif "failed" in report:
                self._say(f"{running.part.name}: {report['failed']['what']}")

    def _reports(self, running: Running) -> Iterator[dict[str, Any]]:
        while running.control is not None:
            try:
                data = running.control.recv(1 << 16)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            yield from running.inbox.feed(data)

    # -- signals and logs

    def _listen_to_signals(self) -> None:
        reader, writer = self._wakeup
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._on_signal)
        wake_only = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._handlers[signal.SIGCHLD] = wake_only
        self._selector.register(reader, selectors.EVENT_READ, None)

    def _leave_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for end in self._wakeup:
            end.close()

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals += 1

    def _drain_wakeups(self) -> None:
        try:
            while self._wakeup[0].recv(4096):
                pass
        except BlockingIOError:
            return

    def _log_file(self, running: Running) -> Path:
        return self._data / "logs" / f"{running.part.name}.log"

    def _open_log(self, running: Running) -> Any:
        path = self._log_file(running)
        if path.exists() and path.stat().st_size > _LOG_ROLL_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")


_PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit code {status}"
    return f"was killed by {signal.Signals(-status).name}"
