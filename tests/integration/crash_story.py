"""An instance is killed under load: what callers and watchers notice, and when. For a test and a benchmark.

Three processes serve `Orders` and are registered; eight callers together make `RATE` calls per second, found
through a registry; one process is killed with SIGKILL. Registries: ours; ours, ended just before; one
that knows nothing of push and suspicion, as Java's.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.integration.http_service import Orders
from tests.integration.test_discovery_client import registry, until
from tests.integration.test_discovery_push import watchers
from tidelock import http, observe, web
from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.server import RegistryServer
from tidelock.http.local import ZONE_VARIABLE, LocalFirst
from tidelock.runtime import SystemClock, bind_loopback

CALLERS, RATE = 8, 200.0
OURS, DOWN, JAVA = "ours", "ours, down", "like Java's"
OF_OURS_ONLY = ("/eureka/watch", "/eureka/suspect", "/eureka/calls")


@dataclass
class Noticed:
    """What was noticed; seconds count from the kill.

    Args:
        calls: that were made.
        failed: calls that failed, and why.
        refused: when calls began that tried the dead instance first, or were under way there.
        told: when the last watcher knew; None without watchers.
        gone: when the registry had removed it; None if it did not within the time, or is down.
        dead: when the process had ended, and with it its port: a busy machine lets it live a little longer.
    """

    calls: int = 0
    failed: list[str] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    told: float | None = None
    gone: float | None = None
    dead: float = 0.0

    @property
    def last(self) -> float | None:
        """When the last call that tried the dead port began, counted from the end of the process."""
        return max(max(self.refused) - self.dead, 0.0) if self.refused else None


@dataclass(frozen=True)
class Scene:
    """Who is killed, beside which registry, and for how long calls go on."""

    kind: str
    server: RegistryServer
    process: asyncio.subprocess.Process
    after: float


@contextlib.asynccontextmanager
async def instance(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", "tests.integration.http_service", "0", f"{url}/eureka/"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def without_push(server: RegistryServer) -> AsyncIterator[str]:
    """The same registry, answering 404 to everything that Java's does not know."""

    async def java(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
        if scope["path"].startswith(OF_OURS_ONLY):
            await web.send_reply(send, 404, b"")
        else:
            await server.app(scope, receive, send)

    front = web.HttpServer(java, sock=bind_loopback(0), what="front")
    await front.start()
    try:
        yield front.url
    finally:
        await front.stop()


async def pressed(orders: Orders, used: set[int], until_: asyncio.Event) -> int:
    """One caller, at its part of the rate."""
    calls = 0
    while not until_.is_set():
        with contextlib.suppress(http.CallError):  # it is in the events
            used.add(await orders.where(calls))
        calls += 1
        await asyncio.sleep(CALLERS / RATE)
    return calls


async def end_of(process: asyncio.subprocess.Process) -> float:
    """Monotonic seconds at which a process had ended: its standard output, its own alone, has ended."""
    assert process.stdout is not None
    await process.stdout.read()
    return time.monotonic()


async def story(kind: str, *, watching: int = 0, after: float = 1.0) -> Noticed:
    """Tell it.

    Args:
        kind: which registry.
        watching: how many watchers there are besides.
        after: seconds to go on calling after the kill.
    """
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(registry())
        url = await stack.enter_async_context(without_push(server)) if kind == JAVA else server.url
        processes = [await stack.enter_async_context(instance(url)) for _ in range(3)]
        await until(lambda: len(up(server)) == 3, within=30.0)
        everyone = await stack.enter_async_context(watchers(server, watching))
        source = LocalFirst(SystemClock(), {ZONE_VARIABLE: f"{url}/eureka/"})
        stack.push_async_callback(source.close)
        await source.refresh()  # otherwise by the first call, which counts as one that found nobody at first
        client = await stack.enter_async_context(http.Client(source))
        return await _killed(Scene(kind, server, processes[0], after), client, everyone)


def up(server: RegistryServer) -> list[int]:
    return [one.port for one in server.registry.application("order-service") if one.status.value == "UP"]


async def _killed(scene: Scene, client: http.Client, everyone: list[DiscoveryClient]) -> Noticed:
    noticed, used, enough = Noticed(), set[int](), asyncio.Event()
    killed_at = time.monotonic() + 3600

    def note(event: http.Called) -> None:
        if event.attempts > 1:
            noticed.refused.append(max(0.0, time.monotonic() - event.seconds - killed_at))
        if event.error is not None or (event.status or 0) >= 500:
            noticed.failed.append(f"{event.error} {event.status}")

    end = observe.subscribe(http.Called, note)
    orders = client.connect(Orders)
    callers = [asyncio.create_task(pressed(orders, used, enough)) for _ in range(CALLERS)]
    ended = asyncio.create_task(end_of(scene.process))
    try:
        await until(lambda: len(used) == 3)
        await until(lambda: all(len(one.instances("order-service")) == 3 for one in everyone))
        if scene.kind == DOWN:
            await scene.server.stop()
        scene.process.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        if everyone:
            await until(lambda: all(len(one.instances("order-service")) == 2 for one in everyone))
            noticed.told = time.monotonic() - killed_at
        while time.monotonic() < killed_at + scene.after:
            if noticed.gone is None and scene.kind != DOWN and len(up(scene.server)) == 2:
                noticed.gone = time.monotonic() - killed_at
            await asyncio.sleep(0.01)
    finally:
        enough.set()
        noticed.calls = sum(await asyncio.gather(*callers))
        noticed.dead = await ended - killed_at
        end()
    return noticed
