"""HTTP for the registry and Connect: JSON bodies in and out, serving on a socket that is already bound.

`HttpServer` runs any ASGI application as a `runtime.Service` (uvicorn on httptools). The body readers work
with a Starlette request or with the bare ASGI `receive`. May import runtime, config, observe and errors.
Starlette and uvicorn are imported where they are used: a process pays only for what it needs (40-70 ms each).
Invariants: a body is never read beyond its limit; what is wrong with a body is an `HttpError` with a status
below 500 that says where; a server that stops does so within `GRACE` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar, cast, overload

import msgspec

from tidelock.errors import TidelockError

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = [
    "AsgiApp",
    "BodyTooLargeError",
    "HttpError",
    "HttpServer",
    "MalformedBodyError",
    "Receive",
    "Scope",
    "Send",
    "is_loopback_name",
    "is_own_origin",
    "json_response",
    "read_body",
    "read_json",
    "send_reply",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

T = TypeVar("T")

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes; several times the largest connector configuration seen, far below what would hurt."""

GRACE = 2.0
"""Seconds that requests in flight get when the server stops."""


class HttpError(TidelockError):
    """A request that is answered with an error status; `status` is that status."""

    code = "TID-120"
    status: ClassVar[int] = 400


class MalformedBodyError(HttpError):
    """A request body that is not what it should be; the text names the position."""

    code = "TID-121"


class BodyTooLargeError(HttpError):
    """A request body above the limit; the rest of it is not read."""

    code = "TID-122"
    status = 413


class BodyStream(Protocol):
    """A request whose body comes in pieces; Starlette's `Request` is one."""

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the body's pieces."""


async def read_body(source: BodyStream | Receive, *, limit: int = BODY_LIMIT) -> bytes:
    """Read a whole request body.

    Args:
        source: a Starlette request, or the `receive` of a bare ASGI application.
        limit: bytes; reading stops as soon as it is passed.

    Raises:
        BodyTooLargeError: the body is larger than `limit`.
    """
    chunks = _received(source) if callable(source) else source.stream()
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(f"the request body is larger than {limit} bytes")
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _received(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


@overload
async def read_json(source: BodyStream | Receive, *, limit: int = BODY_LIMIT) -> Any: ...
@overload
async def read_json(source: BodyStream | Receive, type: type[T], *, limit: int = BODY_LIMIT) -> T: ...
async def read_json(source: BodyStream | Receive, type: Any = Any, *, limit: int = BODY_LIMIT) -> Any:
    """Read a JSON body, checked against a type when one is given.

    Args:
        source: a Starlette request, or the `receive` of a bare ASGI application.
        type: anything msgspec can decode to.
        limit: bytes.

    Raises:
        MalformedBodyError: not JSON (with line and column), or not of that type (with the path of the field).
        BodyTooLargeError: the body is larger than `limit`.
    """
    return decode_json(await read_body(source, limit=limit), type)


def decode_json(body: bytes, type: Any = Any) -> Any:
    """Decode JSON bytes; see `read_json` for the errors."""
    if not body.strip():
        raise MalformedBodyError("the request body is empty, JSON is expected")
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as error:
        raise MalformedBodyError(f"the request body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBodyError(f"the request body is not JSON: {_placed(str(error), body)}") from None


def _placed(text: str, body: bytes) -> str:
    """Turn msgspec's "(byte 12)" into line and column, which an editor can jump to."""
    head, mark, tail = text.partition(" (byte ")
    position = tail.rstrip(")")
    if not mark or not position.isdigit():
        return text
    before = body[: int(position)]
    line = before.count(b"\n") + 1
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    return f"{head.removeprefix('JSON is malformed: ')} at line {line}, column {column}"


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


def is_own_origin(origin: str | None, allowed: frozenset[str]) -> bool:
    """Whether the page that sent a request is of this machine, or no page sent it."""
    if origin is None:
        return True
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and is_loopback_name(host, allowed)


def json_response(obj: Any, status: int = 200) -> Response:
    """Return a Starlette response with `obj` as JSON; any type that msgspec encodes."""
    from starlette.responses import Response  # only Starlette applications pay for it

    return Response(msgspec.json.encode(obj), status_code=status, media_type="application/json")


async def send_reply(
    send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer from a bare ASGI application; the content length is added.

    Args:
        send: the application's own.
        status: HTTP status.
        body: the whole body.
        headers: lower-case names.
    """
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


class HttpServer:
    """Serves an ASGI application on a bound socket (`runtime.bind_loopback`); a `runtime.Service`.

    1. `start()` returns when connections are accepted.
    2. `stop()` closes the socket, lets requests in flight finish for `grace` seconds and cancels the rest.

    Signals are left to the caller, access logs are off, and uvicorn logs warnings and errors only.

    Args:
        app: any ASGI 3 application.
        sock: bound and listening; closed by `stop()`.
        what: the noun for error texts and the server's task, e.g. "registry".
        lifespan: run the application's lifespan; its failure at start fails `start()`.
        protocol: called at the start; returns what makes a connection's protocol from what uvicorn gives it.
        grace: seconds for requests in flight when it stops.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        sock: socket.socket,
        what: str,
        lifespan: bool = False,
        protocol: Callable[[], Callable[..., asyncio.Protocol]] | None = None,
        grace: float = GRACE,
    ) -> None:
        self._app = app
        self._sock = sock
        self._what = what
        self._lifespan = lifespan
        self._protocol = protocol
        self._grace = grace
        host, port = sock.getsockname()[:2]
        self.url: str = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once connections are accepted.

        Raises:
            TidelockError: the application's lifespan failed.
        """
        import uvicorn  # 60 ms that a process without a server does not pay

        started = asyncio.Event()

        class Announcing(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                started.set()

            @contextlib.contextmanager
            def capture_signals(self) -> Any:
                yield  # the process belongs to runtime.run_services or to the application that embeds us

        config = uvicorn.Config(
            self._app,
            http=cast(Any, "httptools" if self._protocol is None else self._protocol()),
            ws="auto" if self._lifespan else "none",  # ours have none; an application of the user's may
            lifespan="on" if self._lifespan else "off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(self._grace)),
        )
        self._server = Announcing(config)
        self._task = asyncio.create_task(self._serve(), name=f"{self._what} http server")
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait((self._task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not started.is_set():
            await self._task

    async def _serve(self) -> None:
        try:
            await self._server.serve(sockets=[self._sock])
        except SystemExit:  # uvicorn's way to say that the lifespan failed; the cause is in its log
            raise TidelockError(
                f"the {self._what} application failed to start", where=self.url, hint="see the log above"
            ) from None

    async def stop(self) -> None:
        """Stop accepting, finish what is in flight, close the socket; safe to call more than once."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            self._server.should_exit = True
            await task
        self._sock.close()
