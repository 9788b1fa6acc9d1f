"""A table of routes for a bare ASGI application, and the answers in Kafka Connect's shape.

Every error is `{"error_code": <status>, "message": <text>}`: an unknown path 404, a wrong method 405, our own
errors with their status, anything unforeseen 500 with the exception's class in the text and the rest in the
log. Path segments are decoded one by one, so a connector's name may hold any character. Imports web and
errors.

Source: Kafka `org.apache.kafka.connect.runtime.rest.{RestServer, errors.ConnectExceptionMapper}`.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from tidelock.errors import ConflictError, NotFoundError, TidelockError, UsageError
from tidelock.web import (
    HttpError,
    Receive,
    Scope,
    Send,
    is_loopback_name,
    is_own_origin,
    read_body,
    read_json,
    send_reply,
)

log = logging.getLogger(__name__)

JSON = (b"content-type", b"application/json")
STATUSES: tuple[tuple[type[TidelockError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (UsageError, 400),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers; a body of None is no body."""

    status: int = 200
    body: Any = None
    location: str | None = None


class Request:
    """One request.

    Args:
        scope: ASGI's.
        receive: ASGI's.
        segments: the variable parts of the path, decoded.
    """

    def __init__(self, scope: Scope, receive: Receive, segments: Sequence[str]) -> None:
        self._scope = scope
        self._receive = receive
        self.segments = segments

    @property
    def host(self) -> str:
        """The Host header, as the client wrote it; the listening address without one."""
        found = dict(self._scope["headers"]).get(b"host")
        if found is not None:
            return str(found.decode("latin-1"))
        host, port = self._scope["server"]
        return f"{host}:{port}"

    def query(self, name: str) -> list[str]:
        """Return every value of a query parameter."""
        return parse_qs(self._scope["query_string"].decode("latin-1"), keep_blank_values=True).get(name, [])

    def flag(self, name: str, default: bool) -> bool:
        """Return a true/false query parameter."""
        given = self.query(name)
        return given[-1].strip().lower() == "true" if given else default

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by name in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}

    async def body(self) -> bytes:
        """Return the body as it came."""
        return await read_body(self._receive)

    async def json(self) -> Any:
        """Return the JSON body; HttpError with the place of what is wrong."""
        return await read_json(self._receive)


Handler = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path; `*` in the path is one segment of any content."""

    method: str
    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Refuses what a web page from elsewhere could send: whoever drives Connect runs code and moves data.

    Attributes:
        is_loopback: whether the worker listens on loopback: then only requests to its names are answered (a
            page can have its own name point here), and none that a page of another origin sends.
        hosts: further names that requests may address, in lower case.
    """

    is_loopback: bool = False
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, host: str, advertised: str | None) -> Doorkeeper:
        """Return that of a worker which listens on an address and may tell others another name."""
        return cls(
            ipaddress.ip_address(host).is_loopback, frozenset({advertised.lower()} if advertised else ())
        )

    def refusal(self, headers: Mapping[bytes, bytes]) -> Reply | None:
        """Return the answer to a request that is not let in; None for all others."""
        host, origin = (headers.get(name, b"").decode("latin-1") for name in (b"host", b"origin"))
        if self.is_loopback and not is_loopback_name(host, self.hosts):
            return error_reply(421, f"this worker answers on loopback only, not as {host!r}")
        if self.is_loopback and not is_own_origin(origin or None, self.hosts):
            return error_reply(403, f"no page of {origin} may ask this worker")
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if has_body and media != b"application/json":
            return error_reply(415, "HTTP 415 Unsupported Media Type: send Content-Type: application/json")
        return None


class Router:
    """The ASGI application of a list of routes.

    Args:
        routes: the first that fits answers.
        doorkeeper: sees every request first.
    """

    def __init__(self, routes: Sequence[Route], doorkeeper: Doorkeeper | None = None) -> None:
        self._routes = [(tuple(filter(None, route.path.split("/"))), route) for route in routes]
        self._doorkeeper = doorkeeper or Doorkeeper()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        reply = self._doorkeeper.refusal(dict(scope["headers"]))
        if reply is None:
            reply = await self._answer(scope, receive)
        headers = [JSON] if reply.body is not None else []
        if reply.location is not None:
            headers.append((b"location", reply.location.encode("latin-1")))
        body = b"" if reply.body is None else msgspec.json.encode(reply.body)
        await send_reply(send, reply.status, body, headers)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path = path_of(scope)
        compared = ((route, match(parts, path)) for parts, route in self._routes)
        matching = [(route, segments) for route, segments in compared if segments is not None]
        if not matching:
            return error_reply(404, "HTTP 404 Not Found")
        for route, segments in matching:
            if route.method == scope["method"]:
                return await _handled(route.handler, Request(scope, receive, segments))
        return error_reply(405, "HTTP 405 Method Not Allowed")


def path_of(scope: Scope) -> tuple[str, ...]:
    """Return the segments of a request's path, decoded one by one."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return tuple(unquote(part) for part in raw.decode("latin-1").split("?")[0].split("/") if part)


def match(parts: Sequence[str], path: Sequence[str]) -> list[str] | None:
    """Return what stands in a path for each `*` of a pattern; None if it is another path."""
    if len(parts) != len(path):
        return None
    pairs = list(zip(parts, path, strict=True))
    if any(part not in ("*", given) for part, given in pairs):
        return None
    return [given for part, given in pairs if part == "*"]


async def _handled(handler: Handler, request: Request) -> Reply:
    try:
        return await handler(request)
    except HttpError as error:
        return error_reply(error.status, error.what)
    except TidelockError as error:
        return error_reply(status_of(error), f"{error.what}; {error.hint}" if error.hint else error.what)
    except Exception as error:  # a plugin's code may raise anything; REST must answer
        log.exception("a request failed", extra={"segments": list(request.segments)})
        return error_reply(500, f"{type(error).__name__}: {error}")


def status_of(error: TidelockError) -> int:
    """Return the HTTP status of one of our errors."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def error_reply(status: int, message: str) -> Reply:
    """Return an error in Kafka Connect's shape."""
    return Reply(status, {"error_code": status, "message": message})
