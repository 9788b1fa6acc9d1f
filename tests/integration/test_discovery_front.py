"""The registry's connections on real sockets: frequent requests and all others on the same one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.integration.test_discovery_client import an_instance, registry, run
from tidelock.discovery import front
from tidelock.discovery.codec import json
from tidelock.discovery.push import moment
from tidelock.discovery.server import RegistryServer
from tidelock.runtime import SystemClock

HOST = b"host: localhost\r\n"
BEAT = b"PUT /eureka/apps/orders/i1?status=UP HTTP/1.1\r\n" + HOST + b"\r\n"
NOBODY = b"PUT /eureka/apps/orders/i9 HTTP/1.1\r\n" + HOST + b"\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
WAIT = 20.0


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> int:
        """The next answer's status; its body is read over."""
        async with asyncio.timeout(WAIT):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length: " in head:
                await self.reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        return int(head.split(b" ")[1])

    async def ended(self) -> bool:
        async with asyncio.timeout(WAIT):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read(1) == b""
        return True


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[RegistryServer, Caller]]:
    async with registry() as server:
        server.registry.register(an_instance(duration=60.0), moment(SystemClock()))
        host, _, port = server.url.removeprefix("http://").partition(":")
        streams = await asyncio.open_connection(host, int(port))
        try:
            yield server, Caller(*streams)
        finally:
            streams[1].close()


REGISTRATION = json.write_instance(an_instance(2))
REGISTER = b"POST /eureka/apps/orders HTTP/1.1\r\ncontent-type: application/json\r\n" + HOST


def test_frequent_requests_and_others_take_turns_on_a_connection() -> None:
    async def scenario() -> None:
        async with served() as (server, caller):
            length = b"content-length: %d\r\n" % len(REGISTRATION)
            for data, status in (
                (BEAT, 200),
                (HEALTH, 200),
                (BEAT, 200),
                (REGISTER + length + b"\r\n" + REGISTRATION, 204),
                (NOBODY, 404),
                (BEAT.replace(b"i1?", b"i2?"), 200),
                (b"GET /eureka/apps HTTP/1.1\r\n" + HOST + b"\r\n", 200),
            ):
                caller.send(data)
                assert await caller.answer() == status
            assert len(server.registry) == 2

    run(scenario)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def scenario() -> None:
        async with served() as (_, caller):
            caller.send(BEAT, NOBODY, HEALTH, NOBODY, BEAT, HEALTH)
            assert [await caller.answer() for _ in range(6)] == [200, 404, 200, 404, 200, 200]
            caller.send(BEAT, NOBODY[:20])
            assert await caller.answer() == 200
            caller.send(NOBODY[20:])
            assert await caller.answer() == 404

    run(scenario)


def test_a_frequent_request_waits_for_the_answer_before_it() -> None:
    async def scenario() -> None:
        async with served() as (server, caller):
            caller.send(b"GET /eureka/apps/delta?wait=30 HTTP/1.1\r\n" + HOST + b"\r\n")
            await asyncio.sleep(0.05)  # the server holds it: nothing has changed
            caller.send(NOBODY)
            await asyncio.sleep(0.05)
            server.registry.cancel("orders", "i1", moment(SystemClock()))
            server.app.push.published()
            assert [await caller.answer(), await caller.answer()] == [200, 404]

    run(scenario)


@pytest.mark.parametrize("data", [BEAT, NOBODY, HEALTH])
def test_a_request_may_come_in_any_pieces(data: bytes) -> None:
    async def scenario() -> None:
        async with served() as (_, caller):
            caller.send(data)
            wanted = await caller.answer()
            for cut in range(1, len(data)):
                caller.send(data[:cut])
                await asyncio.sleep(0)
                caller.send(data[cut:])
                assert await caller.answer() == wanted
            for byte in data:
                caller.send(bytes([byte]))
                await asyncio.sleep(0.001)
            assert await caller.answer() == wanted

    run(scenario)


def test_bodies_in_chunks_and_after_a_continue_are_read_by_the_book() -> None:
    async def scenario() -> None:
        async with served() as (server, caller):
            caller.send(REGISTER, b"transfer-encoding: chunked\r\n\r\n")
            for at in range(0, len(REGISTRATION), 100):
                piece = REGISTRATION[at : at + 100]
                caller.send(b"%x\r\n" % len(piece), piece, b"\r\n")
                await asyncio.sleep(0.001)
            caller.send(b"0\r\n\r\n")
            assert await caller.answer() == 204
            caller.send(REGISTER, b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(REGISTRATION))
            assert await caller.answer() == 100
            caller.send(REGISTRATION)
            assert await caller.answer() == 204
            caller.send(BEAT)
            assert await caller.answer() == 200
            assert len(server.registry) == 2

    run(scenario)


def test_a_body_that_is_a_request_is_no_request() -> None:
    async def scenario() -> None:
        async with served() as (server, caller):
            leave = b"DELETE /eureka/apps/orders/i1 HTTP/1.1\r\n" + HOST + b"\r\n"
            caller.send(BEAT.replace(HOST, HOST + b"content-length: %d\r\n" % len(leave)))
            await asyncio.sleep(0.01)
            caller.send(leave)
            assert await caller.answer() == 200
            caller.send(HEALTH)
            assert await caller.answer() == 200
            assert len(server.registry) == 1

    run(scenario)


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"GET\r\n\r\n", BEAT.replace(b"host:", b"host")])
def test_what_is_not_http_is_400_and_the_end(data: bytes) -> None:
    async def scenario() -> None:
        async with served() as (_, caller):
            caller.send(data)
            assert await caller.answer() == 400
            assert await caller.ended()

    run(scenario)


@pytest.mark.parametrize(
    "data", [BEAT.replace(HOST, HOST + b"connection: close\r\n"), BEAT.replace(b"1.1\r", b"1.0\r")]
)
def test_a_caller_that_wants_the_end_gets_it(data: bytes) -> None:
    async def scenario() -> None:
        async with served() as (_, caller):
            caller.send(data)
            assert await caller.answer() == 200
            assert await caller.ended()

    run(scenario)


@pytest.mark.parametrize("data", [b"", BEAT[:-1], REGISTER + b"content-length: 9\r\n\r\n{", BEAT + BEAT[:9]])
def test_a_request_that_does_not_end_is_given_up(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(front, "KEEP_ALIVE", 0.1)

    async def scenario() -> None:
        async with served() as (_, caller):
            caller.send(data)
            if data.startswith(BEAT):
                assert await caller.answer() == 200
            assert await caller.ended()

    run(scenario)


def test_a_connection_without_requests_is_closed_and_one_that_waits_for_an_answer_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front, "KEEP_ALIVE", 0.1)
    monkeypatch.setattr(front, "REQUEST_TIMEOUT", 0.1)

    async def scenario() -> None:
        async with served() as (_, caller):
            for _ in range(3):
                caller.send(BEAT)
                assert await caller.answer() == 200
            assert await caller.ended()
        async with served() as (server, caller):
            caller.send(b"GET /eureka/apps/delta?wait=30 HTTP/1.1\r\n" + HOST + b"\r\n")
            await asyncio.sleep(0.5)
            server.registry.cancel("orders", "i1", moment(SystemClock()))
            server.app.push.published()
            assert await caller.answer() == 200

    run(scenario)


def test_a_reader_that_does_not_read_does_not_fill_the_memory() -> None:
    async def scenario() -> None:
        async with served() as (server, caller):
            for number in range(800):
                server.registry.register(an_instance(number, duration=60.0), moment(SystemClock()))
            fetch = b"GET /eureka/apps HTTP/1.1\r\n" + HOST + b"\r\n"
            for _ in range(80):  # 50 MB, were all of them answered
                caller.send(fetch)
                await asyncio.sleep(0.002)
            held = [one.transport.get_write_buffer_size() for one in connections(server)]
            assert len(held) == 1
            assert held[0] < 8 * 1024 * 1024
            assert [await caller.answer() for _ in range(80)] == [200] * 80

    run(scenario)


def connections(server: RegistryServer) -> list[front.Front]:
    return list(server._http._server.server_state.connections)
