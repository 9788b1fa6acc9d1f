"""Starts, watches, reloads and stops one process per instance. Owns every process of a `tidelock run`.

The parent keeps each port bound without listening: nobody else can take it, and while a process is away
callers are refused, which they know how to handle (the next instance, at once), instead of waiting for
nobody. Each process leads a group of its own, so Ctrl-C reaches only the parent, which ends them in order.
"""

from __future__ import annotations

import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tidelock.cli.options import running_address
from tidelock.cli.run.assignment import Assignment
from tidelock.cli.run.changes import changed, look
from tidelock.cli.up import processes
from tidelock.cli.up.control import Inbox, rebuilt
from tidelock.cli.up.restarts import Restarts
from tidelock.errors import TidelockError
from tidelock.http.local import registry_url
from tidelock.runtime import Clock, bind_loopback, environment

TICK = 0.5
"""Seconds between two looks at the files, and at most until a death is noticed."""

SLACK = 5.0
"""Seconds beyond drain and grace after which a process is killed."""


class InstanceDiedError(TidelockError):
    """An instance's process ended before it served, without saying why."""

    code = "TID-762"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run: one assignment per instance, without its port, and how."""

    model: Assignment
    count: int
    folder: Path
    reloads: bool

    @classmethod
    def of(cls, given: Mapping[str, Any], folder: Path) -> Plan:
        """Return the plan that a command line asks for; `folder` is where its modules are."""
        model = Assignment(
            given["app"],
            given["name"],
            given["host"],
            given["port"],
            chosen_registry(given["registry_url"], environment()),
            given["factory"],
            given["drain"],
            given["grace"],
        )
        return cls(model, given["count"], folder, given["reloads"])


def chosen_registry(told: str | None, variables: Mapping[str, str]) -> str | None:
    """Return the registry's URL as clients write it; None where only the well-known one is left.

    Args:
        told: the option's value.
        variables: the environment.
    """
    url = told or registry_url(variables) or running_address("registry")
    if url is None or url.rstrip("/").endswith(("/eureka", "/v2")):
        return url if url is None else f"{url.rstrip('/')}/"
    return f"{url.rstrip('/')}/eureka/"


@dataclass(slots=True)
class Slot:
    """One instance and the process that is it now."""

    given: Assignment
    reservation: socket.socket
    restarts: Restarts
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    inbox: Inbox = field(default_factory=Inbox)
    is_ready: bool = False
    is_leaving: bool = False
    failure: TidelockError | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        host = self.given.host
        return f"http://[{host}]:{self.given.port}" if ":" in host else f"http://{host}:{self.given.port}"


class Instances:
    """The processes of one `tidelock run`.

    Args:
        plan: what runs.
        clock: for restarts and time-outs.
        say: called with one line for the user.
    """

    def __init__(self, plan: Plan, clock: Clock, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._clock = clock
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._slots: list[Slot] = []
        self._signals = 0
        self._outdated: list[Slot] = []
        self._files = look(plan.folder) if plan.reloads else {}

    def run(self) -> int:
        """Run until a signal comes; returns the exit code.

        Raises:
            TidelockError: a port is taken; or, without --reload, the application cannot run.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            for index in range(self._plan.count):
                self._slots.append(self._reserved(index))
            for slot in self._slots:
                self._spawn(slot)
            while not self._signals:
                self._step()
        finally:
            self._stop()
        return 0

    def _reserved(self, index: int) -> Slot:
        model = self._plan.model
        wanted = model.port + index if model.port else 0
        free = "--port 0 takes free ones"
        # listening for a moment says who has it, if somebody does
        bind_loopback(wanted, host=model.host, what=model.name, hint=free).close()
        held = bind_loopback(wanted, host=model.host, what=model.name, listens=False)
        port = held.getsockname()[1]
        if not sys.platform.startswith("linux"):
            held.close()  # elsewhere a second socket could not be bound beside it
        given = {name: getattr(model, name) for name in model.__slots__}
        assigned = Assignment(**{**given, "port": port})
        return Slot(assigned, held, Restarts(self._clock.monotonic()))

    # one look at everything

    def _step(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            self._receive(key.data)
        now = self._clock.monotonic()
        for slot in self._slots:
            self._reap(slot)
            if slot.process is None and slot.restarts.is_due(now):
                self._spawn(slot)
        if self._plan.reloads:
            self._notice()
            self._renew()

    def _patience(self) -> float:
        now = self._clock.monotonic()
        due = [slot.restarts.due_at - now for slot in self._slots if slot.restarts.due_at is not None]
        return max(0.0, min([TICK, *due]))

    def _notice(self) -> None:
        files = look(self._plan.folder)
        different = changed(self._files, files)
        self._files = files
        if different:
            names = ", ".join(Path(path).name for path in different[:3])
            self._say(f"{names} changed: restarting")
            self._outdated = list(self._slots)

    def _renew(self) -> None:
        """Restart outdated instances one after the other, so that some are always there."""
        if not self._outdated or any(slot.is_leaving for slot in self._slots):
            return
        running = [slot for slot in self._slots if slot.process is not None and slot not in self._outdated]
        if any(not slot.is_ready for slot in running):
            return
        slot = self._outdated.pop(0)
        slot.failure = None
        if slot.process is None:
            self._spawn(slot)
        else:
            slot.is_leaving = True
            processes.send(slot.process.pid, signal.SIGTERM)

    # processes

    def _spawn(self, slot: Slot) -> None:
        ours, theirs = socket.socketpair()
        ours.sendall(slot.given.line())
        slot.process = subprocess.Popen(
            [sys.executable, "-m", "tidelock.cli.run.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            cwd=self._plan.folder,
            env={**environment(), "PORT": str(slot.given.port)},
            pass_fds=(theirs.fileno(),),
            process_group=0,
        )
        theirs.close()
        ours.setblocking(False)
        slot.control, slot.inbox, slot.is_ready, slot.is_leaving = ours, Inbox(), False, False
        self._selector.register(ours, selectors.EVENT_READ, slot)
        slot.restarts.restarted(self._clock.monotonic())

    def _receive(self, slot: Slot) -> None:
        while slot.control is not None:
            try:
                data = slot.control.recv(1 << 16)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            for report in slot.inbox.feed(data):
                if "ready" in report:
                    slot.is_ready = True
                    self._say(f"{slot.given.name}  {slot.url}  is UP")
                elif "failed" in report:
                    slot.failure = rebuilt(slot.given.name, report["failed"])

    def _reap(self, slot: Slot) -> None:
        process = slot.process
        if process is None or process.poll() is None:
            return
        self._receive(slot)
        was_ready, was_leaving = slot.is_ready, slot.is_leaving
        self._bury(slot)
        if self._signals:
            return
        if was_leaving:
            self._spawn(slot)
        elif was_ready:
            seconds = slot.restarts.died(self._clock.monotonic())
            self._say(f"{slot.given.name}  {slot.url}  died, restart in {seconds:.1f} s")
        else:
            self._could_not_start(slot, process.returncode)

    def _could_not_start(self, slot: Slot, status: int) -> None:
        failure = slot.failure or InstanceDiedError(
            f"{slot.given.name} ended with exit code {status} before it served", where=slot.given.app
        )
        if not self._plan.reloads:
            raise failure
        self._outdated.clear()  # the others keep the code that works
        self._say(f"Error {failure.code}: {failure}\nwaiting for the next change of a file")

    def _bury(self, slot: Slot) -> None:
        if slot.control is not None:
            self._selector.unregister(slot.control)
            slot.control.close()
        if slot.process is not None:
            processes.kill_group(slot.process.pid)  # what the application started and left behind
        slot.process, slot.control, slot.is_ready, slot.is_leaving = None, None, False, False

    def _stop(self) -> None:
        """End all at the same time; a second signal or a time-out ends them at once."""
        already = self._signals = max(self._signals, 1)
        for slot in self._slots:
            if slot.process is not None:
                processes.send(slot.process.pid, signal.SIGTERM)
        deadline = self._clock.monotonic() + self._plan.model.drain + self._plan.model.grace + SLACK
        while any(slot.process is not None for slot in self._slots):
            for key, _ in self._selector.select(0.05):
                self._receive(cast("Slot", key.data))
            for slot in self._slots:
                self._reap(slot)
            if self._signals > already or self._clock.monotonic() >= deadline:
                self._kill()
        for slot in self._slots:
            slot.reservation.close()
        self._selector.close()

    def _kill(self) -> None:
        for slot in self._slots:
            if slot.process is not None:
                self._say(f"{slot.given.name}  {slot.url}  did not end in time, killed")
                processes.kill_group(slot.process.pid)
                slot.process.wait()

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals += 1
