"""Streams: bytes, JSON lines and events, four frameworks, two clients; and servers that end them early."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.integration.test_http_wire import read_request, server
from tests.support.flavours import Flavour
from tests.support.frameworks import FRAMEWORKS, served
from tests.support.waiting import eventually, eventually_async
from tidelock import http


class Tick(msgspec.Struct):
    number: int
    text: str = "line\nbreak ü"


class Closed(Exception):
    """409."""


@http.api("ticks", errors={409: Closed})
class Ticks:
    @http.get("/ticks")
    def ticks(self, count: int, pause: float = 0.0) -> http.Stream[Tick]:
        raise NotImplementedError

    @http.get("/bytes")
    def raw(self, size: int) -> http.Stream[bytes]:
        raise NotImplementedError


class Here(Ticks):
    def ticks(self, count: int, pause: float = 0.0) -> http.Stream[Tick]:
        async def made() -> AsyncIterator[Tick]:
            if count < 0:
                raise Closed("for today")
            for number in range(count):
                yield Tick(number)
                await asyncio.sleep(pause)

        return http.stream(made())

    def raw(self, size: int) -> http.Stream[bytes]:
        async def made() -> AsyncIterator[bytes]:
            for _ in range(size // 65536):
                yield b"x" * 65536

        return http.stream(made())


def source(url: str) -> http.StaticSource:
    return http.StaticSource({"ticks": url})


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_items_arrive_one_by_one_and_complete(framework: str) -> None:
    async def run(url: str) -> None:
        async with http.Client(source(url)) as client:
            ticks = client.connect(Ticks)
            assert [each async for each in ticks.ticks(50)] == [Tick(number) for number in range(50)]
            assert [each async for each in ticks.ticks(0)] == []
            assert sum([len(each) async for each in ticks.raw(20 * 65536)]) == 20 * 65536
            with pytest.raises(Closed, match="for today"):
                await anext(aiter(ticks.ticks(-1)))
            begun = time.monotonic()
            async with ticks.ticks(100, 0.2) as slow:
                assert (await anext(slow)).number == 0
                assert (await anext(slow)).number == 1
            assert time.monotonic() - begun < 5.0
            await eventually_async(lambda: _none_busy(client))

    async def _none_busy(client: http.Client) -> bool:
        return client.connections.busy == 0

    with served(framework, Here()) as url:
        asyncio.run(run(url))
        with http.connect_blocking(Ticks, source=source(url)) as ticks:
            assert [each.number for each in ticks(Ticks.ticks, 50)] == list(range(50))
            assert sum(len(each) for each in ticks(Ticks.raw, 20 * 65536)) == 20 * 65536
            with pytest.raises(Closed, match="for today"):
                next(ticks(Ticks.ticks, -1))
            with ticks(Ticks.ticks, 100, 0.2) as slow:
                assert [next(slow).number, next(slow).number] == [0, 1]
            client = ticks._tidelock_caller.client
            eventually(lambda: client.connections.busy == 0)


def test_a_browser_gets_events() -> None:
    with served("starlette", Here()) as url, http.BlockingClient() as client:
        answer = client.get(f"{url}/ticks?count=2", headers={"accept": "text/event-stream"})
        assert answer.header("content-type") == "text/event-stream"
        assert answer.body.count(b"\n\n") == 2


@pytest.fixture(params=["asyncio", "blocking"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return Flavour(request.param)


async def gathered(flavour: Flavour, url: str, count: int, within: float = 5.0) -> list[int]:
    """The numbers that arrive; the error of a stream that breaks goes on."""

    def blocking() -> list[int]:
        with http.connect_blocking(Ticks, source=source(url)) as ticks, http.deadline(within):
            return [each.number for each in ticks(Ticks.ticks, count)]

    if flavour.is_blocking:
        return await asyncio.to_thread(blocking)
    async with http.Client(source(url)) as client:
        return [each.number async for each in client.connect(Ticks).ticks(count)]


SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n"
EVENTS = b': hello\r\nevent: tick\r\ndata: {"number":\r\ndata: 1}\r\n\r\nid: 7\ndata:{"number": 2}\n\n'


def test_events_of_another_server_end_with_its_connection(flavour: Flavour) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert b"x-envoy-expected-rq-timeout-ms" not in request  # the stream may last longer than that
        writer.write(SSE)
        for byte in EVENTS:
            writer.write(bytes([byte]))
            await writer.drain()

    async def run() -> None:
        async with server(serve) as url:
            assert await gathered(flavour, url, 2) == [1, 2]

    flavour(run())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            b"transfer-encoding: chunked\r\n\r\n10\r\n" + b'{"number": 1}\n\r\n' + b"\r\n5\r\n{",
            http.ConnectionBroken,
        ),
        (b"content-length: 99\r\n\r\n" + b'{"number": 1}\n', http.ConnectionBroken),
        (b"content-length: 15\r\n\r\n" + b'{"number": "1"}', http.DecodeFailed),
        (b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", http.BadAnswer),
    ],
)
def test_a_stream_that_breaks_is_an_error(flavour: Flavour, body: bytes, error: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def run() -> None:
        async with server(serve) as url:
            with pytest.raises(error):
                await gathered(flavour, url, 2)

    flavour(run())


def test_a_slow_reader_makes_the_server_wait() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async def run() -> None:
        async with server(serve) as url, http.Client(source(url)) as client:
            stream = client.connect(Ticks).raw(1)
            total = len(await anext(stream))
            await asyncio.sleep(0.3)
            assert sent < 40_000_000  # buffers of both kernels, but not everything
            async for piece in stream:
                total += len(piece)
            assert total == 65536 * 1000

    asyncio.run(run())
