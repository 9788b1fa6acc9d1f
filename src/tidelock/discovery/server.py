"""The registry as a service: the ASGI application over the operations, eviction, snapshots.

`RegistryApp` turns requests into `operations.Request` and answers; it can be mounted anywhere.
`RegistryServer` serves it on a bound socket, runs eviction, probes expired instances that self-preservation
holds, and keeps the leases over a restart. All state is touched from one event loop. May import everything
of the part except the client. Invariants: a request never ends in 500 because of its content; while
listening on loopback only requests addressed to loopback names are answered, so that no web page can reach
the registry by DNS rebinding.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import tidelock
from tidelock import observe, web
from tidelock.discovery import page, snapshot
from tidelock.discovery.instance import Action, Instance
from tidelock.discovery.lease import LeaseKey, Moment
from tidelock.discovery.operations import InstanceChanged, Operations, Reply, Request
from tidelock.discovery.registry import Registry
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import Clock, SystemClock

log = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
"""Bytes; a registration is about 1,500."""

PROBE_TIMEOUT = 1.0
PROBES_AT_ONCE = 32

PAGE_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
)


def moment(clock: Clock) -> Moment:
    """Read both clocks."""
    return Moment(clock.monotonic(), clock.wall())


class RegistryApp:
    """The ASGI application: Eureka's operations under `/eureka`, `/eureka/v2` and `/v2`, the page at `/`.

    Args:
        settings: the registry's.
        clock: read once per request.
        url: what the page tells clients to use.
        is_loopback: answer only requests whose Host header names this machine.
    """

    def __init__(
        self, settings: RegistrySettings, clock: Clock, *, url: str = "", is_loopback: bool = False
    ) -> None:
        self.registry = Registry(settings.policy())
        self._operations = Operations(self.registry, has_delta=not settings.disable_delta)
        self._clock = clock
        self._url = url
        self._started = clock.wall()
        self._is_loopback = is_loopback
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method: str = scope["method"]
        try:
            body = b"" if method in ("GET", "HEAD") else await web.read_body(receive, limit=BODY_LIMIT)
        except web.HttpError as error:
            await web.send_reply(send, error.status, error.what.encode())
            return
        reply = self._answer(scope, method, headers, body)
        if reply.happened is not None:
            observe.emit(reply.happened)
        lines = [(name.encode(), value.encode()) for name, value in reply.headers]
        await web.send_reply(send, reply.status, reply.body, lines)

    def _answer(self, scope: web.Scope, method: str, headers: dict[str, str], body: bytes) -> Reply:
        if self._is_loopback and not is_loopback_name(headers.get("host", ""), self._hosts):
            return Reply(421, b"this registry answers on loopback only; see eureka.server.allowedHosts")
        now = moment(self._clock)
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        if raw in (b"/", b""):
            return self._page(now)
        path = operation_path(raw.decode("latin-1"))
        if path is None:
            if raw in (b"/health", b"/actuator/health"):
                return Reply(200, b'{"status":"UP"}', (("content-type", "application/json"),))
            return Reply(404, b"not here: Eureka's operations are under /eureka/, the page is at /")
        query = {}
        if scope["query_string"]:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            query = dict(reversed(pairs))  # the first value of a name counts, as in Java
        return self._operations.answer(Request(method, path, now, query, headers, body))

    def _page(self, now: Moment) -> Reply:
        verdict = self.registry.preservation(now)
        view = page.View(self._url, self._started, verdict, tidelock.__version__)
        return Reply(200, page.render(self.registry, view, now), PAGE_HEADERS)


def operation_path(raw: str) -> tuple[str, ...] | None:
    """Return the decoded segments behind prefix and version; None for a path outside of Eureka's.

    A slash at the end makes no difference; percent-encoded slashes stay inside their segment.
    """
    segments = [unquote(part) for part in raw.split("/") if part]
    has_prefix = segments[:1] == ["eureka"]
    if has_prefix:
        segments = segments[1:]
    if segments[:1] in (["v2"], ["v1"]):
        return tuple(segments[1:])
    return tuple(segments) if has_prefix else None


@functools.lru_cache(maxsize=256)
def is_loopback_name(host: str, allowed: frozenset[str]) -> bool:
    """Whether a Host header names this machine: a loopback address, `localhost`, or an allowed name."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    name = name.lower()
    if name == "localhost" or name.endswith(".localhost") or name in allowed:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class RegistryServer:
    """The registry on a socket; a `runtime.Service`.

    1. `start()` takes over the leases of the last run and returns when requests are accepted.
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
        self._http = web.HttpServer(self.app, sock=sock, what="registry")
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
        await self._http.start()
        self._keeper = asyncio.create_task(self._keep(), name="registry eviction")

    async def stop(self) -> None:
        """Stop serving and write the leases; safe after a failed start and more than once."""
        tasks = [task for task in (self._keeper, self._prober) if task is not None]
        self._keeper = self._prober = None
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.stop()
        await self._save()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep(self) -> None:
        interval = self._settings.eviction_interval_ms / 1000
        while True:
            await asyncio.sleep(interval)
            run = self.registry.evict(moment(self._clock))
            self._tell(run.evicted)
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
            self._tell(self.registry.evict(moment(self._clock), refused).evicted)

    def _tell(self, evicted: tuple[Instance, ...]) -> None:
        for instance in evicted:
            log.info("evicted", extra={"app": instance.app, "instance": instance.instance_id})
            observe.emit(InstanceChanged(instance, Action.DELETED, "evicted"))

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


async def is_refused(host: str, port: int) -> bool:
    """Whether a host actively refuses a TCP connection; silence and other failures are no proof."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError, OverflowError, UnicodeError):  # silent, unknown, or no address at all
        return False
    writer.close()
    return False
