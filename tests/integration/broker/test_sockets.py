"""The broker's sockets over real ones: who cannot be accepted, or not be watched, costs nobody anything."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tidelock.broker import sockets
from tidelock.broker.instant import Instant
from tidelock.broker.sockets import Sockets, Transport
from tidelock.runtime import bind_loopback


class Echo:
    """Sends back what comes."""

    def __init__(self, transport: Transport, left: list[Echo]) -> None:
        self.transport = transport
        self.buffer = memoryview(bytearray(1000))
        self.left = left

    def get_buffer(self) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int, now: Instant) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def go_on(self, now: Instant) -> None:
        self.transport.write(b"deferred")

    def connection_lost(self) -> None:
        self.left.append(self)


class Listening:
    """A listening socket whose next accepts go wrong."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.faults: list[Callable[[], Any]] = []

    def accept(self) -> Any:
        return self.faults.pop(0)() if self.faults else self.sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


class Server:
    """Sockets that echo."""

    def __init__(self) -> None:
        self.listening = Listening(bind_loopback(0, host="127.0.0.1", what="echo"))
        self.echoes: list[Echo] = []
        self.left: list[Echo] = []
        self.turns = 0
        self.sockets = Sockets(
            cast("Any", self.listening), self.accepted, self.turned, lambda: Instant(1.0, 1000)
        )

    def accepted(self, transport: Transport, host: str) -> Echo:
        self.echoes.append(Echo(transport, self.left))
        return self.echoes[-1]

    def turned(self) -> None:
        self.turns += 1

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection(*self.listening.sock.getsockname()[:2])
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


class Client:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def echoes(self, data: bytes) -> bool:
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), 10) == data


def run(scene: Callable[[Server], Any]) -> None:
    async def whole() -> None:
        server = Server()
        server.sockets.start()
        try:
            await scene(server)
        finally:
            for one in server.echoes:
                one.transport.abort()
            await asyncio.sleep(0)
            server.sockets.close()

    asyncio.run(whole())


def failing(error: int, told: asyncio.Event | None = None) -> Callable[[], Any]:
    def accept() -> Any:
        if told is not None:
            told.set()
        raise OSError(error, "no")

    return accept


@pytest.mark.parametrize("error", [errno.EPERM, errno.ECONNABORTED, errno.ENETDOWN])
def test_a_client_that_is_gone_before_it_is_accepted_costs_the_others_nothing(error: int) -> None:
    async def scene(server: Server) -> None:
        async with server.client() as first:
            assert await first.echoes(b"a")
            server.listening.faults = [failing(error)] * 3
            async with server.client() as second:
                assert await second.echoes(b"b")
                assert await first.echoes(b"c")

    run(scene)


def test_without_descriptors_accepting_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sockets, "ACCEPT_PAUSE", 0.05)

    async def scene(server: Server) -> None:
        async with server.client() as first:
            assert await first.echoes(b"a")
            server.listening.faults = [failing(errno.EMFILE)] * 2
            async with server.client() as second:
                assert await first.echoes(b"b")
                assert await second.echoes(b"c")
            assert caplog.text.count("no client can be accepted") == 2
            told = asyncio.Event()
            server.listening.faults = [failing(errno.EMFILE, told)]
            async with server.client():
                await asyncio.wait_for(told.wait(), 10)
                server.sockets.stop_listening()  # in the middle of a pause
            assert await first.echoes(b"d")

    run(scene)


def test_a_client_that_cannot_be_watched_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(server: Server) -> None:
        watch = server.sockets.watch

        def refuse(*arguments: Any) -> None:
            raise OSError(errno.ENOSPC, "no more watches")

        async with server.client() as first:
            assert await first.echoes(b"a")
            server.sockets.watch = refuse  # type: ignore[method-assign]
            async with server.client() as second:
                assert await asyncio.wait_for(second.reader.read(), 10) == b""
            server.sockets.watch = watch  # type: ignore[method-assign]
            assert await first.echoes(b"b")
        assert server.left == [server.echoes[1]]
        assert "a client cannot be served" in caplog.text

    run(scene)


def test_a_descriptor_that_is_used_again_is_watched_again() -> None:
    async def scene(server: Server) -> None:
        for _ in range(20):
            async with server.client() as client:
                assert await client.echoes(b"a")
                server.echoes[-1].transport.abort()
                assert await asyncio.wait_for(client.reader.read(), 10) == b""
        assert server.left == server.echoes

    run(scene)


def test_what_is_deferred_has_the_next_turn() -> None:
    async def scene(server: Server) -> None:
        async with server.client() as client:
            assert await client.echoes(b"a")
            echo, turns = server.echoes[0], server.turns
            server.sockets.defer(echo.transport, echo)
            assert await asyncio.wait_for(client.reader.readexactly(8), 10) == b"deferred"
            assert server.turns > turns

    run(scene)
