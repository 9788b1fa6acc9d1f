"""Around a call, in both flavours: fallbacks, hooks, traces, and httpx on our transport."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette

from tests.support.flavours import Flavour
from tidelock import http
from tidelock.http.middleware import TraceMiddleware
from tidelock.runtime import bind_loopback

TRACE = http.TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


class Seen(msgspec.Struct):
    method: str
    headers: list[tuple[str, str]]
    body: str
    trace: str


@http.api("echo")
class Echo:
    @http.get("/seen")
    async def seen(self) -> Seen:
        raise NotImplementedError

    @http.get("/broken")
    async def broken(self) -> Seen:
        raise NotImplementedError


class Cached(Echo):
    async def broken(self) -> Seen:
        return Seen("cached", [], "", "")


class CachedPlainly(Echo):
    def broken(self) -> Seen:  # type: ignore[override]  # blocking fallbacks are plain functions
        return Seen("cached", [], "", "")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Shows what it was sent, packed; `/broken` fails."""
    body = (await receive()).get("body", b"")
    trace = http.current_trace()
    headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    seen = Seen(scope["method"], headers, body.decode(), trace.span_id if trace else "")
    answer = gzip.compress(msgspec.json.encode(seen))
    status = 500 if scope["path"] == "/broken" else 200
    lines = [(b"content-encoding", b"gzip"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": answer})


@contextlib.asynccontextmanager
async def served(app: Any = None) -> AsyncIterator[http.StaticSource]:
    sock = bind_loopback(0)
    config = uvicorn.Config(
        app or TraceMiddleware(application), log_level="warning", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([sock]))
    try:
        yield http.StaticSource({"echo": f"http://127.0.0.1:{sock.getsockname()[1]}"})
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(params=["asyncio", "blocking"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return Flavour(request.param)


def test_a_fallback_answers_for_a_service_that_cannot(flavour: Flavour) -> None:
    cached: Any = CachedPlainly() if flavour.is_blocking else Cached()

    async def run() -> None:
        async with served() as source, flavour.client(source) as client:
            echo = client.connect(Echo, fallback=cached)
            assert (await echo.seen()).method == "GET"
            assert (await echo.broken()).method == "cached"
            made = client.connect(
                Echo, fallback_factory=lambda error: cached if error.code == "TID-407" else None
            )
            assert (await made.broken()).method == "cached"
            with pytest.raises(http.StatusError):
                await client.connect(Echo).broken()
        async with flavour.client(http.StaticSource({})) as client:
            assert (await client.connect(Echo, fallback=cached).broken()).method == "cached"
            with pytest.raises(http.NoInstance):
                await client.connect(Echo, fallback=cached).seen()

    flavour(run())


def test_hooks_see_every_call(flavour: Flavour) -> None:
    labels: list[tuple[str, int]] = []

    def token(request: Any) -> Any:
        return http.with_headers(request, {"Authorization": "Bearer t"})

    def note(request: Any, response: http.Response) -> http.Response:
        labels.append((request.label, response.status))
        return response

    async def run() -> None:
        hooks = http.Hooks(before=(token,), after=(note,))
        async with served() as source, flavour.client(source, hooks=hooks) as client:
            seen = await client.connect(Echo).seen()
            assert ("authorization", "Bearer t") in seen.headers
            await client.get("http://echo/broken")

    flavour(run())
    assert labels == [("GET /seen", 200), ("GET /broken", 500)]


def test_the_trace_goes_through(flavour: Flavour) -> None:
    async def run() -> None:
        async with served() as source, flavour.client(source) as client:
            with http.trace(TRACE):
                seen = await client.connect(Echo).seen()
            assert seen.trace == TRACE.span_id
            assert dict(seen.headers)["traceparent"] == f"00-{TRACE.trace_id}-{TRACE.span_id}-01"
            assert (await client.connect(Echo).seen()).trace == ""

    flavour(run())


@pytest.fixture(params=["httpx", "httpx2"])
def httpx(request: pytest.FixtureRequest) -> Any:
    """The library whose clients get our transport."""
    return pytest.importorskip(request.param)


def test_httpx_finds_services_through_our_transport(httpx: Any) -> None:
    async def run() -> None:
        async with (
            served() as source,
            http.Client(source) as ours,
            httpx.AsyncClient(transport=http.DiscoveryTransport(ours)) as client,
        ):
            answer = await client.post("http://echo/seen?x=1", content=b"body", headers={"x-y": "z"})
            seen = msgspec.json.decode(answer.content, type=Seen)
            assert (seen.method, seen.body) == ("POST", "body")
            assert dict(seen.headers)["x-y"] == "z"
            assert "content-encoding" not in answer.headers
            assert (await client.head("http://echo/seen")).headers["content-encoding"] == "gzip"
            with pytest.raises(httpx.ConnectError, match="no instance of 'nobody'"):
                await client.get("http://nobody/")

    asyncio.run(run())


def test_blocking_httpx_finds_services_through_our_transport(httpx: Any) -> None:
    async def run() -> None:
        async with served() as source:

            def work() -> None:
                with (
                    http.BlockingClient(source) as ours,
                    httpx.Client(transport=http.BlockingDiscoveryTransport(ours)) as client,
                ):
                    assert client.get("http://echo/seen").json()["method"] == "GET"
                    with pytest.raises(httpx.ConnectError):
                        client.get("http://nobody/")

            await asyncio.to_thread(work)

    asyncio.run(run())


def test_httpx_gets_its_own_kinds_of_errors(httpx: Any) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)

    async def run() -> None:
        async with (
            served(Starlette(routes=[])) as source,
            http.Client(source) as ours,
            httpx.AsyncClient(transport=http.DiscoveryTransport(ours)) as client,
        ):
            assert (await client.get("http://echo/")).status_code == 404
        async with (
            served(slow) as source,
            http.Client(source) as ours,
            httpx.AsyncClient(transport=http.DiscoveryTransport(ours), timeout=0.1) as client,
        ):
            with pytest.raises(httpx.ReadTimeout) as caught:
                await client.get("http://echo/")
            assert isinstance(caught.value.__cause__, http.CallTimeout)

    asyncio.run(run())
