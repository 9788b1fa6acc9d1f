"""For people who have httpx or httpx2 code: transports that send its requests through our engine and rules.

    httpx.AsyncClient(transport=DiscoveryTransport())
    await client.get("http://order-service/orders/42")

Names are looked up, instances balanced, calls repeated where that is safe; httpx keeps its cookies, redirects
and authentication. Needs httpx (an extra of ours) or httpx2; answers and errors, with ours as their cause,
are those of the library that a request comes from. Its time limit for reading becomes the limit of the whole
call. Bodies are read whole, in both directions.
"""

from __future__ import annotations

import sys
from typing import Any

try:
    import httpx
except ImportError:  # httpx2 is httpx under another name, maintained; one of them is enough
    import httpx2 as httpx  # type: ignore[no-redef]

from tidelock.http.blocking_client import BlockingClient
from tidelock.http.client import Client
from tidelock.http.errors import CallError, CallTimeout, CircuitOpen, ConnectFailed, NoInstance
from tidelock.http.exchange import Request, Response
from tidelock.http.services import plain_request
from tidelock.http.wire.codings import accepted

NOT_ITS_OWN = frozenset({b"content-encoding", b"transfer-encoding", b"content-length"})
"""Headers that speak of the bytes on the wire; the body comes decoded and whole."""


class DiscoveryTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`.

    Args:
        client: whose connections and settings to use; one of its own, closed with it, when None.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._owned = client is None
        self._client = client or Client()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.AsyncBaseTransport."""
        service, target = self._client.locate(_url(request))
        ours = _request(request, target, await request.aread())
        try:
            answer = await self._client.call(service, ours, _patience(request))
        except CallError as error:
            raise _translated(error, request) from error
        return _response(answer, request)

    async def aclose(self) -> None:
        """Close the client if it is ours."""
        if self._owned:
            await self._client.close()


class BlockingDiscoveryTransport(httpx.BaseTransport):
    """A transport for `httpx.Client`.

    Args:
        client: whose connections and settings to use; one of its own, closed with it, when None.
    """

    def __init__(self, client: BlockingClient | None = None) -> None:
        self._owned = client is None
        self._client = client or BlockingClient()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.BaseTransport."""
        service, target = self._client.locate(_url(request))
        ours = _request(request, target, request.read())
        try:
            answer = self._client.call(service, ours, _patience(request))
        except CallError as error:
            raise _translated(error, request) from error
        return _response(answer, request)

    def close(self) -> None:
        """Close the client if it is ours."""
        if self._owned:
            self._client.close()


def _url(request: httpx.Request) -> str:
    url = request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"


def _request(request: httpx.Request, target: str, body: bytes) -> Request:
    # httpx may offer what the engine does not decode
    headers = {**request.headers, "accept-encoding": accepted()}
    return plain_request(request.method, target, headers, None, body or None)


def _patience(request: httpx.Request) -> float | None:
    limits: dict[str, float | None] = request.extensions.get("timeout", {})
    return limits.get("read")


def _library(request: httpx.Request) -> Any:
    """Return the library that a request comes from: httpx or httpx2."""
    return sys.modules[type(request).__module__.partition(".")[0]]


def _response(answer: Response, request: httpx.Request) -> httpx.Response:
    library = _library(request)
    hidden = frozenset[bytes]() if request.method.upper() == "HEAD" else NOT_ITS_OWN
    headers = [(name, value) for name, value in answer.raw_headers if name not in hidden]
    made: httpx.Response = library.Response(
        answer.status,
        headers=headers,
        stream=library.ByteStream(answer.body),
        extensions={"http_version": b"HTTP/1.1"},
    )
    return made


def _translated(error: CallError, request: httpx.Request) -> httpx.TransportError:
    library = _library(request)
    kind = library.ReadError
    if isinstance(error, CallTimeout):
        kind = library.ReadTimeout
    elif isinstance(error, (NoInstance, CircuitOpen, ConnectFailed)):
        kind = library.ConnectError
    made: httpx.TransportError = kind(str(error), request=request)
    return made
