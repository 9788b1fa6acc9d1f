"""Calls an application in this process: no socket, no server, the interface's own client.

The request is what the client would send, and the application runs in the caller's task, so that what it
raises comes out here, not as status 500. ASGI applications (FastAPI, Starlette, Litestar) and Flask.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Any, TypeVar

from tidelock.http.client import Client
from tidelock.http.declarative import api_of
from tidelock.http.exchange import Request, Response
from tidelock.http.flow import ServiceState
from tidelock.http.source import StaticSource
from tidelock.testing.requests import headers_of
from tidelock.web import Message

T = TypeVar("T")


def connect(interface: type[T], app: Any) -> T:
    """Return an object that is an `interface` and whose calls an application answers.

    Args:
        interface: a class decorated with `@api`.
        app: an ASGI or Flask application; its lifespan is not run.

    Raises:
        UsageError: the interface has a method that cannot be a call.
    """
    api_of(interface)
    return MemoryClient(app).connect(interface)


class MemoryClient(Client):
    """A Client whose calls, whatever the service, end in one application; hooks and traces work as ever."""

    def __init__(self, app: Any) -> None:
        super().__init__(StaticSource({}))
        self._app = app

    async def _carried_out(
        self, service: ServiceState, request: Request, seconds: float | None, pinned: str | None
    ) -> Response:
        if hasattr(self._app, "wsgi_app"):
            response = await asyncio.to_thread(_wsgi, self._app, request)
        else:
            response = await _asgi(self._app, request)
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
