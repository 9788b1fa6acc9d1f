"""One run of `tidelock up`, from the wish on the command line to the last process's end.

Order: check the wish, take the data folder, wait for what an earlier run left behind, bind every port, start
the processes, then tell (state file, ready file, banner). Whatever fails before the end undoes what was done.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tidelock import __version__
from tidelock.cli.up import banner, processes, state
from tidelock.cli.up.parts import PARTS, Part, chosen
from tidelock.cli.up.supervisor import Supervisor
from tidelock.errors import ConflictError, TidelockError, UsageError
from tidelock.runtime import SystemClock, bind_loopback

LOCK_PATIENCE = 40.0
ORPHAN_PATIENCE = 15.0


class OtherPartsRunError(ConflictError):
    """Another `up` has this data folder and does not run the parts that are wanted."""

    code = "TID-707"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    parts: Sequence[Part]
    data: Path
    memory: bool = False
    any_port: bool = False
    port_base: int | None = None
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ready_file: Path | None = None

    @classmethod
    def of(cls, names: Sequence[str], options: Mapping[str, Any]) -> Wish:
        """Check the command line.

        Raises:
            UsageError, ConfigError: with what is wrong.
        """
        if options["any_port"] and options["port_base"] is not None:
            raise UsageError("--any-port and --port-base exclude each other", where="tidelock up")
        ready_file = options["ready_file"]
        if ready_file is not None and not ready_file.parent.is_dir():
            raise UsageError("no such folder for the ready file", where=str(ready_file.parent))
        parts = chosen(names)
        settings: Mapping[str, Mapping[str, str]] = {}
        if options["assignments"] or options["config"]:
            from tidelock.cli.up import configuration  # start-up time counts, and most runs have no settings

            settings = configuration.gathered(options["assignments"], options["config"])
        return cls(
            parts,
            options["data"],
            options["memory"],
            options["any_port"],
            options["port_base"],
            settings,
            ready_file,
        )

    @property
    def topics(self) -> str | None:
        """Folder of the broker's topics, where its settings put them outside the data folder."""
        given = self.settings.get("broker", {})
        named = given.get("log.dirs") or given.get("log.dir")
        runs = any(part.name == "broker" for part in self.parts)
        return str(Path(named.strip()).resolve()) if named and runs else None

    def port(self, part: Part) -> int:
        """Return the port that a part is to take; 0 is any."""
        if self.any_port:
            return 0
        return part.port if self.port_base is None else self.port_base + list(PARTS).index(part.name)


def up(wish: Wish) -> int:
    """Run until a signal comes; returns the exit code."""
    with ExitStack() as stack:
        data = stack.enter_context(_folder(wish))
        clock = SystemClock()
        held = _locked(data, clock)
        if held is None:
            return _attach(wish, data)
        stack.callback(held.close)
        _wait_for_orphans(data, clock)
        wanted = _bound(wish)
        run = Run(wish, data)
        run.forget()  # what an `up` that was killed left
        supervisor = Supervisor(wanted, data, clock, run.say, run.tell)
        run.supervisor = supervisor
        stack.callback(supervisor.stop)
        stack.callback(run.forget)  # first: from now on nobody is told to use what stops
        if not supervisor.start():
            return 130
        run.greet()
        supervisor.run()
    run.say(banner.farewell(str(data), wish.topics, memory=wish.memory))
    return 0


class Run:
    """Tells the user and other commands what runs."""

    supervisor: Supervisor

    def __init__(self, wish: Wish, data: Path) -> None:
        self._wish = wish
        self._data = data
        self._files = [data / state.STATE_FILE]
        if wish.ready_file is not None:
            self._files.append(wish.ready_file)

    def say(self, line: str) -> None:
        """Show one line of news; a terminal that is gone must not stop what runs."""
        with suppress(OSError):
            click.echo(line, err=True)

    def greet(self) -> None:
        """Write the files and the banner: everything accepts."""
        self.tell()
        details = {one.part.name: one.detail for one in self.supervisor.parts}
        text = banner.lines(self._running(), details, memory=self._wish.memory)
        last = banner.ready_line(processes.own_age(), self.supervisor.addresses)
        click.echo("\n".join([*text, last]))
        sys.stdout.flush()

    def tell(self) -> None:
        """Replace the state file and the ready file."""
        now = self._running()
        for path in self._files:
            state.write(path, now)

    def _running(self) -> state.Running:
        pids = {"up": processes.own_pid(), **self.supervisor.pids}
        return state.Running(
            data=str(self._data),
            version=__version__,
            started={name: processes.start_ticks(pid) for name, pid in pids.items()},
            addresses=self.supervisor.addresses,
            pids=pids,
            topics=self._wish.topics,
        )

    def forget(self) -> None:
        """Remove the files: nothing runs any more."""
        for path in self._files:
            state.forget(path)


@contextmanager
def _folder(wish: Wish) -> Iterator[Path]:
    if wish.memory:
        import shutil
        import tempfile  # both only for this kind of run

        folder = Path(tempfile.mkdtemp(prefix="tidelock-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    is_new = not wish.data.exists()
    ignored = wish.data / ".gitignore"
    try:
        if is_new:
            wish.data.mkdir(parents=True)
            ignored.write_text("*\n")  # data does not belong into the user's repository
    except OSError as error:
        raise UsageError(f"cannot use the data folder: {error.strerror}", where=str(wish.data)) from error
    try:
        yield wish.data.resolve()
    except TidelockError:
        left = {wish.data / state.LOCK_FILE, ignored}
        if is_new and set(wish.data.iterdir()) <= left:  # nothing ran: leave nothing behind
            for path in left:
                path.unlink(missing_ok=True)
            wish.data.rmdir()
        raise


def _bound(wish: Wish) -> list[tuple[Part, socket.socket, Mapping[str, str]]]:
    """Bind every port, or none."""
    bound: list[tuple[Part, socket.socket, Mapping[str, str]]] = []
    try:
        for part in wish.parts:
            sock = bind_loopback(wish.port(part), what=part.name)
            bound.append((part, sock, wish.settings.get(part.name, {})))
    except TidelockError:
        for _, sock, _ in bound:
            sock.close()
        raise
    return bound


def _locked(data: Path, clock: SystemClock) -> Any:
    """Take the folder, or None when an `up` runs here; one that starts or stops is waited for."""
    deadline = clock.monotonic() + LOCK_PATIENCE
    while True:
        try:
            held = state.lock(data)
        except OSError as error:
            raise UsageError(f"cannot use the data folder: {error.strerror}", where=str(data)) from error
        if held is not None or state.read(data) is not None or clock.monotonic() >= deadline:
            return held
        processes.pause(0.02)


def _attach(wish: Wish, data: Path) -> int:
    """Show what runs here already."""
    running = state.read(data)
    if running is None:
        raise ConflictError(
            "another `tidelock up` has this data folder and does not get ready",
            where=str(data),
            hint="use another folder: --data DIR",
        )
    missing = [part.name for part in wish.parts if part.name not in running.addresses]
    if missing:
        raise OtherPartsRunError(
            f"`tidelock up` runs here already (pid {running.pid}), without {', '.join(missing)}",
            where=str(data),
            hint="tidelock down, then start it with all the parts you want; or use another --data DIR",
        )
    text = banner.lines(running, {}, memory=False)
    click.echo("\n".join([*text, f"Runs already (pid {running.pid}).  tidelock status  ·  tidelock down"]))
    if wish.ready_file is not None:
        state.write(wish.ready_file, running)
    return 0


def _wait_for_orphans(data: Path, clock: SystemClock) -> None:
    """Wait for parts of an `up` that was killed: they stop by themselves, or are ended here."""
    before = state.recorded(data)
    if before is None:
        return
    deadline = clock.monotonic() + ORPHAN_PATIENCE
    for name, pid in before.pids.items():
        while processes.is_alive(pid, before.started.get(name, 0)):
            if clock.monotonic() >= deadline:
                processes.kill_group(pid)
            processes.pause(0.02)
