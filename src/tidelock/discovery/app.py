"""The registry as an ASGI application: Eureka's operations, the watch stream, the page.

Turns requests into `operations.Request` and answers; what is kept open goes to `push`. It can be mounted
anywhere. All state is touched from one event loop. May import everything of the part except `server` and
the client. Invariants: a request never ends in 500 because of its content; with `is_loopback` only requests
addressed to loopback names are answered, and none that a page from elsewhere sends: no website in the user's
browser can read the registry (DNS rebinding) or write to it (a POST needs no permission to be sent); when a
request is answered, watchers have been woken for what it changed.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import logging
import os
import resource
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

import msgspec

import tidelock
from tidelock import observe, web
from tidelock.discovery import openapi, page
from tidelock.discovery.calls import WINDOW, CallMap
from tidelock.discovery.codec.fields import BadDocumentError
from tidelock.discovery.instance import Action, Instance
from tidelock.discovery.lease import LeaseKey, Moment
from tidelock.discovery.operations import PLAIN, InstanceChanged, Operations, Reply, Request
from tidelock.discovery.peers import Peers, others
from tidelock.discovery.push import Push, moment
from tidelock.discovery.quick import Quick, first_values, operation_path
from tidelock.discovery.registry import Registry, Renewal
from tidelock.discovery.settings import InstanceSettings, RegistrySettings
from tidelock.discovery.standing import Standing
from tidelock.discovery.transport import Target
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
"""Bytes; a registration is about 1,500."""

BATCH_LIMIT = 16 * 1024 * 1024
"""Bytes; a peer's batch has up to 250 registrations."""

PAGE_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
)
SCRIPT_HEADERS = (("content-type", "text/javascript; charset=utf-8"), ("cache-control", "no-cache"))
JSON_HEADERS = (("content-type", "application/json"),)
FOREIGN_ORIGIN = b"this registry takes no requests of pages from elsewhere; see eureka.server.allowedHosts"
FOREIGN_HOST = b"this registry answers on loopback only; see eureka.server.allowedHosts"


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
        peers = _peers(settings, url)
        self.registry = Registry(dataclasses.replace(settings.policy(), replicates=bool(peers)))
        self._operations = Operations(
            self.registry, has_delta=not settings.disable_delta, standing=self._standing
        )
        self.peers = Peers(peers, self.registry, clock, self.replaced)
        crashed = self._crashed if settings.probe_expired else None
        self.push = Push(self.registry, clock, secrets.token_hex(4), crashed)
        self._calls = CallMap()
        self._clock = clock
        self._url = url
        self._started = clock.wall()
        self._is_loopback = is_loopback
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self.quick = Quick(self)

    async def __call__(self, scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method: str = scope["method"]
        refusal = self._refusal(headers)
        if refusal is not None:
            await web.send_reply(send, *refusal)
            return
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        path = operation_path(raw)
        if path == ("watch",) and method == "GET":
            await self.push.watch(_query(scope), receive, send)
            return
        try:
            limit = BATCH_LIMIT if path is not None and path[:1] == ("peerreplication",) else BODY_LIMIT
            body = b"" if method in ("GET", "HEAD") else await web.read_body(receive, limit=limit)
        except web.HttpError as error:
            await web.send_reply(send, error.status, error.what.encode())
            return
        if path is None:
            reply = self._elsewhere(raw)
        else:
            query = first_values(scope["query_string"].decode("latin-1"))
            reply = await self._answer(Request(method, path, moment(self._clock), query, headers, body))
        lines = [(name.encode(), value.encode()) for name, value in reply.headers]
        await web.send_reply(send, reply.status, reply.body, lines)

    def _refusal(self, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        """Return status and reason if requests with such headers are not answered."""
        if not self._is_loopback:
            return None
        if not web.is_loopback_name(headers.get("host", ""), self._hosts):
            return 421, FOREIGN_HOST
        return None if web.is_own_origin(headers.get("origin"), self._hosts) else (403, FOREIGN_ORIGIN)

    async def _answer(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", ("apps", "delta") if "wait" in request.query or "since" in request.query:
                return await self.push.poll(request)
            case "POST", ("watch", "ack"):
                return self.push.acknowledge(request)
            case "POST", ("suspect",):
                return self.push.suspect(request)
            case "GET" | "POST", ("calls",):
                return self._reported(request)
        reply = self.answer(request)
        if reply.status == 200 and "wait" in request.query and request.path[3:] == ("status",):
            acknowledged, watchers = await self.push.settled(request.query["wait"])
            body = msgspec.json.encode({"acknowledged": acknowledged, "watchers": watchers})
            return Reply(200, body, JSON_HEADERS)
        return reply

    def admits(self, headers: Mapping[str, str]) -> bool:
        """See `quick.Registry`."""
        return self._refusal(headers) is None

    def beat(self, app: str, instance_id: str, dirty: int | None, now: Moment) -> bool:
        """See `quick.Registry`."""
        if self.registry.policy.replicates:
            return False
        is_renewed = self.registry.renew(app, instance_id, now, dirty=dirty) is Renewal.RENEWED
        self.push.published()
        return is_renewed

    def answer(self, request: Request) -> Reply:
        """Carry out what needs no waiting, and say what happened."""
        reply = self._operations.answer(request)
        self.peers.tell(reply.tell)
        if reply.status < 300 and "watcher" in request.query:
            self._bind(request, reply)
        for happened in reply.happened:
            if happened.action is Action.DELETED:
                self.push.streams.release(_key(happened.instance))
            observe.emit(happened)
        self.push.published()
        return reply

    def _reported(self, request: Request) -> Reply:
        """`POST /eureka/calls`: a caller's report; `GET`: the map of all."""
        now = request.now.monotonic
        if request.method == "GET":
            tree = {"seconds": WINDOW, "calls": self._calls.edges(now)}
            return Reply(200, msgspec.json.encode(tree), JSON_HEADERS)
        try:
            self._calls.take(request.body, now)
        except BadDocumentError as error:
            return Reply(400, error.what.encode(), PLAIN)
        return Reply(204)

    def _bind(self, request: Request, reply: Reply) -> None:
        """Let an instance that registers or renews hang on the stream of its process."""
        watcher = request.query["watcher"]
        for happened in reply.happened:
            if happened.action is Action.ADDED:
                self.push.streams.bind(watcher, _key(happened.instance))
        if request.method == "PUT" and len(request.path) == 3:
            self.push.streams.bind(watcher, (request.path[1].upper(), request.path[2]))

    def replaced(self, instance: Instance) -> None:
        """Say that a peer's younger copy of an instance was taken."""
        observe.emit(InstanceChanged(instance, Action.MODIFIED, "a peer knew better"))
        self.push.published()

    def evicted(self, *instances: Instance) -> None:
        """Say that leases ended by themselves: to the log, to observers and to watchers."""
        for instance in instances:
            log.info("evicted", extra={"app": instance.app, "instance": instance.instance_id})
            observe.emit(InstanceChanged(instance, Action.DELETED, "evicted"))
        self.push.published()

    def _crashed(self, key: LeaseKey, since: float, reason: str) -> None:
        instance = self.registry.crashed(key, since, moment(self._clock), reason=reason)
        if instance is not None:
            self.peers.cancelled(instance)
            self.evicted(instance)

    def _standing(self) -> Standing:
        reachable = tuple(peer.target.shown for peer in self.peers.all if peer.is_reachable)
        unreachable = tuple(peer.target.shown for peer in self.peers.all if not peer.is_reachable)
        return Standing(
            cpus=os.cpu_count() or 1,
            memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            uptime=self._clock.wall() - self._started,
            reachable=reachable,
            unreachable=unreachable,
            instance=self._itself(),
        )

    def _itself(self) -> Instance | None:
        if not self._url:
            return None
        target = Target.of(self._url)
        return InstanceSettings(hostname=target.host, ip_address=target.host).instance("eureka", target.port)

    def _elsewhere(self, raw: str) -> Reply:
        if raw in ("/", ""):
            return self._page(moment(self._clock))
        if raw == "/lastn":
            return Reply(200, page.render_history(self.registry, moment(self._clock)), PAGE_HEADERS)
        if raw == "/live.js":
            return Reply(200, _script(), SCRIPT_HEADERS)
        if raw == "/openapi.json":
            return Reply(200, openapi.document(tidelock.__version__), JSON_HEADERS)
        if raw in ("/health", "/actuator/health"):
            return Reply(200, b'{"status":"UP"}', JSON_HEADERS)
        return Reply(404, b"not here: Eureka's operations are under /eureka/, the page is at /")

    def _page(self, now: Moment) -> Reply:
        verdict = self.registry.preservation(now)
        view = page.View(
            self._url,
            self._started,
            verdict,
            tidelock.__version__,
            self._calls.edges(now.monotonic, by_method=False),
            [(peer.target.shown, peer.is_reachable) for peer in self.peers.all],
        )
        return Reply(200, page.render(self.registry, view, now), PAGE_HEADERS)


@functools.cache
def _script() -> bytes:
    return importlib.resources.files(__package__).joinpath("live.js").read_bytes()


def _query(scope: web.Scope) -> dict[str, list[str]]:
    text: bytes = scope["query_string"]
    return parse_qs(text.decode("latin-1"), keep_blank_values=True) if text else {}


def _key(instance: Instance) -> LeaseKey:
    return instance.app, instance.instance_id


def _peers(settings: RegistrySettings, url: str) -> tuple[Target, ...]:
    own = [one for one in (url, settings.my_url) if one]
    return others(settings.peers, *own)
