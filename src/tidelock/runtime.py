"""Where the house touches the machine: clocks, the environment, ports, and services that start and stop.

Only this module reads the environment and the real clock. Everything above takes a `Clock` (or plain `now`)
and settings as arguments, so tests run in virtual time. A `Service` is anything that starts, says where it
listens, and stops; `run_services` starts them in order, waits for a signal and stops them in reverse.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from tidelock.errors import ConflictError, RefusedError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


class Clock(Protocol):
    """The two clocks a component may read, both in seconds."""

    def monotonic(self) -> float:
        """Seconds that never go back; for timeouts and intervals."""

    def wall(self) -> float:
        """Seconds since the Unix epoch; for timestamps that others see."""


class WaitingClock(Clock, Protocol):
    """A clock by which a thread can also wait."""

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed."""


class SystemClock:
    """The machine's clocks; those of `tidelock.testing.virtual_time()` when it is made in such a block.

    Attributes:
        monotonic: see Clock.
        wall: see Clock.
        sleep: see WaitingClock.
    """

    def __init__(self) -> None:
        clock = _substitute
        self.monotonic: Callable[[], float] = time.monotonic if clock is None else clock.monotonic
        self.wall: Callable[[], float] = time.time if clock is None else clock.wall
        self.sleep: Callable[[float], None] = time.sleep if clock is None else clock.sleep


_substitute: WaitingClock | None = None


@contextlib.contextmanager
def substituted_clock(clock: WaitingClock) -> Iterator[None]:
    """Have every SystemClock that is made inside the block go by another clock; for tests."""
    global _substitute
    before, _substitute = _substitute, clock
    try:
        yield
    finally:
        _substitute = before


def sleeping(clock: Clock) -> Callable[[float], None]:
    """Return how a thread waits by a clock: its own way if it has one, else the machine's."""
    found: Callable[[float], None] = getattr(clock, "sleep", time.sleep)
    return found


class ManualClock:
    """A clock that a test moves by hand; both clocks move together."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 0.0
        self._wall = wall

    def monotonic(self) -> float:
        """See Clock."""
        return self._now

    def wall(self) -> float:
        """See Clock."""
        return self._wall + self._now

    def advance(self, seconds: float) -> None:
        """Move time forward."""
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        """See WaitingClock; whoever waits moves time forward."""
        self.advance(seconds)


class Service(Protocol):
    """A part that runs: started once, stopped once."""

    async def start(self) -> None:
        """Return when the service accepts work; raise TidelockError when it cannot."""

    async def stop(self) -> None:
        """Finish what is in flight, make it durable and return; safe to call after a failed start."""


def environment() -> Mapping[str, str]:
    """Return the process's environment; the only place that does."""
    return os.environ


def bind_loopback(
    port: int,
    *,
    host: str = LOOPBACK,
    what: str = "service",
    hint: str | None = None,
    listens: bool = True,
) -> socket.socket:
    """Bind and listen on a TCP port, so that nobody can take it between the check and the use.

    Args:
        port: 0 picks a free one.
        host: the address to listen on; loopback unless the user said otherwise.
        what: the noun for the error text, e.g. "broker".
        hint: what to do when the port cannot be had; `tidelock up`'s options by default.
        listens: False only keeps the port for a process of ours that will bind it too and listen.

    Raises:
        ConflictError: the port is taken; the text names the owner where the system tells.
        RefusedError: this user may not listen there.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. asyncio sets it only on sockets made for TCP by name; without it an answer whose
    # head and body are written apart waits 40 ms for the other side's delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((host, port))
        if listens:
            sock.listen(1024)
    except OSError as error:
        sock.close()
        if error.errno == errno.EACCES:
            raise RefusedError(
                f"this user may not listen on port {port}",
                where=f"{what} on {host}:{port}",
                hint=hint or "use a port above 1023: --any-port, or --port-base 19000",
            ) from None
        if error.errno != errno.EADDRINUSE:
            raise
        owner = port_owner(port)
        raise ConflictError(
            f"port {port} is in use" + (f" by {owner}" if owner else ""),
            where=f"{what} on {host}:{port}",
            hint=hint or f"tidelock up --any-port, or --port-base {_other_base(port)}; or stop the owner",
        ) from None
    sock.setblocking(False)
    return sock


def _other_base(port: int) -> int:
    """Return a base for `--port-base` that is not the one which has just failed."""
    return 19_000 if not 19_000 <= port < 19_010 else 29_000


def port_owner(port: int) -> str | None:
    """Name the process that listens on a TCP port, as "java (pid 4711)", where /proc tells."""
    inode = _listening_inode(port)
    if inode is None:
        return None
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(os.readlink(handle) == wanted for handle in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # it ended, or belongs to another user
    return None


def _listening_inode(port: int) -> str | None:
    listen = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == listen and int(fields[1].rsplit(":", 1)[1], 16) == port:
                return fields[9]
    return None


async def run_services(
    services: Iterable[Service], *, ready: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Start services in order, wait for SIGINT or SIGTERM, stop them in reverse order.

    Args:
        services: lowest dependency first.
        ready: awaited once everything accepts work.
    """
    import asyncio  # 40 ms that a command line which only needs ports or the environment does not pay

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    started: list[Service] = []
    try:
        for service in services:
            started.append(service)
            await service.start()
        if ready is not None:
            await ready()
        gc.freeze()  # what is loaded by now stays: a full collection need not spend 10 ms on it
        await stop.wait()
    finally:
        for service in reversed(started):
            await service.stop()
