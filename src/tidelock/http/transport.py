"""For people who have httpx code: transports that send its requests through our engine and rules.

    httpx.AsyncClient(transport=DiscoveryTransport())
    await client.get("http://order-service/orders/42")

Names are looked up, instances balanced, calls repeated where that is safe; httpx keeps its cookies, redirects
and authentication. Needs the extra `httpx`. Its time limit for reading becomes the limit of the whole call.
Errors are httpx's own kinds, with ours as their cause. Bodies are read whole, in both directions.
"""

from __future__ import annotations

import httpx

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
        return _response(answer, ours.method)

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
        return _response(answer, ours.method)

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


def _response(answer: Response, method: str) -> httpx.Response:
    hidden = frozenset[bytes]() if method == "HEAD" else NOT_ITS_OWN
    headers = [(name, value) for name, value in answer.raw_headers if name not in hidden]
    stream = httpx.ByteStream(answer.body)
    return httpx.Response(
        answer.status, headers=headers, stream=stream, extensions={"http_version": b"HTTP/1.1"}
    )


def _translated(error: CallError, request: httpx.Request) -> httpx.TransportError:
    if isinstance(error, CallTimeout):
        return httpx.ReadTimeout(str(error), request=request)
    if isinstance(error, (NoInstance, CircuitOpen, ConnectFailed)):
        return httpx.ConnectError(str(error), request=request)
    return httpx.ReadError(str(error), request=request)
