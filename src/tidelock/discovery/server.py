"""The registry as a service: the ASGI application on a bound socket, eviction, probes, snapshots.

`RegistryServer` serves `app.RegistryApp`, runs eviction, probes expired instances that self-preservation
holds, and keeps the leases over a restart. All state is touched from one event loop. May import everything
of the part except the client. Invariant: leases are written at most one eviction interval after a change,
and when the server stops.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tidelock import web
from tidelock.discovery import snapshot
from tidelock.discovery.app import RegistryApp
from tidelock.discovery.instance import Instance
from tidelock.discovery.lease import LeaseKey
from tidelock.discovery.push import is_refused, moment
from tidelock.discovery.registry import Registry
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import Clock, SystemClock

log = logging.getLogger(__name__)

PROBES_AT_ONCE = 32

KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 15_000}
"""A host that vanishes without a word is noticed after 15 to 20 s; connections inherit it from the socket."""


class RegistryServer:
    """The registry on a socket; a `runtime.Service`.

    1. `start()` takes over the leases of the last run and what a peer knows, and returns when requests are
       accepted.
    2. Every eviction interval expired leases are evicted and changes are written to the data folder.
    3. `stop()` finishes requests in flight and writes the leases.

    Args:
        settings: the registry's.
        sock: bound and listening (`runtime.bind_loopback`).
        clock: the machine's unless a test brings its own.
        data_dir: keeps the leases over a restart; None keeps nothing.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        sock: socket.socket,
        clock: Clock | None = None,
        *,
        data_dir: Path | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._data_dir = data_dir
        address = ipaddress.ip_address(sock.getsockname()[0])
        host, port = sock.getsockname()[:2]
        url = f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
        self.app = RegistryApp(settings, self._clock, url=url, is_loopback=address.is_loopback)
        keep_alive(sock)
        self._http = web.HttpServer(self.app, sock=sock, what="registry", protocol=self._protocol)
        self._written = 0
        self._keeper: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None

    @property
    def registry(self) -> Registry:
        """The lease table; touch it only from the server's event loop."""
        return self.app.registry

    @property
    def url(self) -> str:
        """The root URL, without a slash at the end; clients use `{url}/eureka/`."""
        return self._http.url

    async def start(self) -> None:
        """Return once requests are accepted."""
        if self._data_dir is not None:
            try:
                self.registry.restore(snapshot.read(self._data_dir), moment(self._clock))
            except snapshot.SnapshotUnreadableError as error:
                log.warning("%s", error)
            self._written = self.registry.version
        await self.app.peers.learn()
        await self._http.start()
        self.app.peers.start()
        self._keeper = asyncio.create_task(self._keep(), name="registry eviction")

    async def stop(self) -> None:
        """Stop serving and write the leases; safe after a failed start and more than once."""
        tasks = [task for task in (self._keeper, self._prober) if task is not None]
        self._keeper = self._prober = None
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await self.app.push.stop()
        await self.app.peers.stop()
        await self._http.stop()
        await self._save()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _protocol(self) -> Callable[..., asyncio.Protocol]:
        from tidelock.discovery.front import (
            Front,  # uvicorn: 60 ms that a process without a server does not pay
        )

        return functools.partial(Front, quick=self.app.quick, clock=self._clock)

    async def _keep(self) -> None:
        interval = self._settings.eviction_interval_ms / 1000
        while True:
            await asyncio.sleep(interval)
            run = self.registry.evict(moment(self._clock))
            self.app.evicted(*run.evicted)
            if run.held and self._settings.probe_expired and (self._prober is None or self._prober.done()):
                self._prober = asyncio.create_task(self._probe(run.held), name="registry probes")
            await self._save()

    async def _probe(self, held: tuple[Instance, ...]) -> None:
        """Evict those of the held instances whose host refuses a connection: they have crashed."""
        gate = asyncio.Semaphore(PROBES_AT_ONCE)

        async def one(instance: Instance) -> LeaseKey | None:
            async with gate:
                refuses = await is_refused(*instance.address)
            return (instance.app, instance.instance_id) if refuses else None

        refused = {key for key in await asyncio.gather(*map(one, held)) if key is not None}
        if refused:
            self.app.evicted(*self.registry.evict(moment(self._clock), refused).evicted)

    async def _save(self) -> None:
        if self._data_dir is None or self._written == self.registry.version:
            return
        version = self.registry.version
        content = snapshot.encode(self._everyone())
        try:
            await asyncio.to_thread(snapshot.write, self._data_dir, content)
        except OSError as error:  # the registry works without it; instances would have to register again
            log.warning("the registry's leases could not be written: %s", error)
        self._written = version

    def _everyone(self) -> Iterator[Instance]:
        return (lease.shown() for lease in self.registry.leases())


def keep_alive(sock: socket.socket) -> None:
    """Let the system notice that the other end of an idle connection is gone; as far as it knows how."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
