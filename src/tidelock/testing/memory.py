"""Calls an application in this process: no socket, no server, the interface's own client.

The request is what the client would send, and the application runs in the caller's task, so that what it
raises comes out here, not as status 500. ASGI applications (FastAPI, Starlette, Litestar) and Flask.

With a mapping of instances the whole client is at work: balancing, retries, breaker, deadlines. What an
application raises is status 500 then, as a server makes of it. With `virtual_time` and `chaos` a bad day of
a service passes in milliseconds, and the same way every time. A single application has these rules inside
a `chaos` block, as its service's only instance.
"""

from __future__ import annotations

import asyncio
import logging
import random
import urllib.parse
from collections.abc import Mapping
from typing import Any, TypeVar

from tidelock.discovery.instance import Instance
from tidelock.http.client import Client
from tidelock.http.declarative import api_of
from tidelock.http.exchange import Failure, Outgoing, Reason, Request, Response
from tidelock.http.flow import ServiceState
from tidelock.http.policy import Policy
from tidelock.http.wire.idle import Address, Outcome
from tidelock.runtime import Clock
from tidelock.testing.requests import headers_of
from tidelock.web import Message

log = logging.getLogger(__name__)

MEMORY = "memory"
"""The id of a single application's instance, and its host."""

T = TypeVar("T")


def connect(interface: type[T], app: Any, *, policy: Policy | None = None, seed: int = 0) -> T:
    """Return an object that is an `interface` and whose calls an application answers.

    Args:
        interface: a class decorated with `@api`.
        app: an ASGI or Flask application; its lifespan is not run. Or instance id -> application, for a
            service of several instances that are called by all the client's rules.
        policy: the rules' settings, for a service of several instances, and inside `chaos`.
        seed: decides which instance is asked, and how long pauses are.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    service = api_of(interface).service
    if isinstance(app, Mapping):
        return InstancesClient(service, app, policy=policy, seed=seed).connect(interface)
    return MemoryClient(app, policy=policy, seed=seed).connect(interface)


class MemoryClient(Client):
    """A Client whose calls, whatever the service, end in one application; hooks and traces work as ever.

    As long as nothing else stands `around` them, no rule comes between: a call is one request. Inside
    a `chaos` block the rules are at work, and the application is the only instance, `memory`.

    Args:
        app: the application.
        policy: the rules' settings.
        seed: decides what is left to chance.
    """

    def __init__(self, app: Any, *, policy: Policy | None = None, seed: int = 0) -> None:
        super().__init__(_Everything(), policy=policy, rng=random.Random(seed))
        self._app = app
        self.around = self._directly = lambda service, exchanger, clock: _Application(app, clock)

    async def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        if self.around is self._directly:
            return await _answered(self._app, request)
        return await super()._carried_out(service, request, seconds, pinned)


class InstancesClient(Client):
    """A Client of one service whose instances are applications; all its rules are at work.

    Args:
        service: its name.
        apps: instance id -> application.
        policy: the rules' settings.
        seed: decides what is left to chance.
    """

    def __init__(
        self, service: str, apps: Mapping[str, Any], *, policy: Policy | None = None, seed: int = 0
    ) -> None:
        instances = tuple(_instance(service, instance_id) for instance_id in apps)
        super().__init__(_OneService(service, instances), policy=policy, rng=random.Random(seed))
        by_address = {(*each.address, False): app for each, app in zip(instances, apps.values(), strict=True)}
        self.around = lambda service, exchanger, clock: _Applications(by_address, clock)


class _Everything:
    """See Source: every service has the same instance."""

    def __init__(self) -> None:
        self._instances = (_instance(MEMORY, MEMORY),)

    def instances(self, app: str) -> tuple[Instance, ...]:
        """See Source."""
        return self._instances


class _OneService:
    """See Source."""

    def __init__(self, service: str, instances: tuple[Instance, ...]) -> None:
        self._service, self._instances = service.lower(), instances

    def instances(self, app: str) -> tuple[Instance, ...]:
        """See Source."""
        return self._instances if app.lower() == self._service else ()


class _Application:
    """See Exchanger: one application at every address; what it raises comes out."""

    def __init__(self, app: Any, clock: Clock) -> None:
        self._app, self._now = app, clock.monotonic

    async def exchange(
        self, address: Address, request: Outgoing, deadline: float, now: float, connect_timeout: float
    ) -> Outcome:
        """See Exchanger."""
        limit = asyncio.timeout(max(deadline - now, 0.0))
        try:
            async with limit:
                answer = await _answered(self._app, _asked(request))
        except Exception:  # being cancelled, the application may raise whatever it likes
            if not limit.expired():
                raise
            return Failure(Reason.TIMEOUT, "no answer before the deadline", True, self._now())
        answer.at = self._now()
        return answer


class _Applications:
    """See Exchanger: addresses where applications answer."""

    def __init__(self, apps: Mapping[Address, Any], clock: Clock) -> None:
        self._apps, self._clock = apps, clock

    async def exchange(
        self, address: Address, request: Outgoing, deadline: float, now: float, connect_timeout: float
    ) -> Outcome:
        """See Exchanger."""
        one = _Application(self._apps[address], self._clock)
        try:
            return await one.exchange(address, request, deadline, now, connect_timeout)
        except Exception:  # what a server makes of it, whatever it is
            log.warning("the application failed", exc_info=True)
            headers = [(b"content-type", b"text/plain")]
            return Response(500, headers, b"Internal Server Error", self._clock.monotonic())


def _instance(service: str, instance_id: str) -> Instance:
    return Instance(app=service, instance_id=instance_id, host=instance_id, ip="127.0.0.1", port=80)


def _asked(outgoing: Outgoing) -> Request:
    """Read a request back from its bytes, without what only a connection needs."""
    head, _, body = outgoing.data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, target, _ = line.decode("latin-1").split(" ")
    kept = [each for each in lines if not each.startswith((b"host:", b"content-length:"))]
    head = b"".join(each + b"\r\n" for each in kept)
    return Request(
        method, target, head, body or None, f"{method} {target}", method, False, None, outgoing.stream
    )


async def _answered(app: Any, request: Request) -> Response:
    if hasattr(app, "wsgi_app"):
        response = await asyncio.to_thread(_wsgi, app, request)
    else:
        response = await _asgi(app, request)
    if request.streams and response.status < 300:
        response.stream, response.body = Whole(response.body), b""
    return response


class Whole:
    """A body that is here already, read as a stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        """Return everything once, then b""."""
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """There is nothing to give up."""


async def _asgi(app: Any, request: Request) -> Response:
    path, _, query = request.target.partition("?")
    body = request.body or b""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in headers_of(request)]
    headers += [(b"host", b"memory"), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": urllib.parse.unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("memory", 80),
    }
    answer = Response(0, [], b"")
    given, complete = False, asyncio.Event()

    async def receive() -> Message:
        nonlocal given
        if given:
            await complete.wait()  # the caller goes away when it has everything, as a connection's end does
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.raw_headers = [(bytes(name).lower(), bytes(value)) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")
            if not message.get("more_body", False):
                complete.set()

    await app(scope, receive, send)
    return answer


def _wsgi(app: Any, request: Request) -> Response:
    with app.test_client() as client:
        made = client.open(
            request.target, method=request.method, headers=headers_of(request), data=request.body or b""
        )
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in made.headers]
    return Response(made.status_code, headers, made.data)
