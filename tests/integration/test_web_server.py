"""HttpServer on a real loopback socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tidelock import web
from tidelock.errors import TidelockError
from tidelock.runtime import bind_loopback


async def echo(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
    assert scope["type"] == "http"
    await web.send_reply(send, 200, await web.read_body(receive), [(b"x-path", scope["path"].encode())])


@contextlib.asynccontextmanager
async def serving(app: web.AsgiApp) -> AsyncIterator[web.HttpServer]:
    server = web.HttpServer(app, sock=bind_loopback(0), what="test")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def test_it_accepts_once_started_and_frees_the_port_once_stopped() -> None:
    async def scenario() -> None:
        async with serving(echo) as server, httpx.AsyncClient() as client:
            answer = await client.post(f"{server.url}/a", content=b"hello")
        assert (answer.content, answer.headers["x-path"]) == (b"hello", "/a")
        port = int(server.url.rsplit(":", 1)[1])
        bind_loopback(port).close()

    asyncio.run(scenario())


def test_a_request_in_flight_is_finished_and_an_endless_one_is_cut() -> None:
    async def scenario() -> None:
        entered, release = asyncio.Event(), asyncio.Event()

        async def slow(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
            entered.set()
            if scope["path"] == "/endless":
                await asyncio.Event().wait()
            await release.wait()
            await web.send_reply(send, 200, b"done")

        async with serving(slow) as server, httpx.AsyncClient() as client:
            answer = asyncio.create_task(client.get(f"{server.url}/slow"))
            await entered.wait()
            stopping = asyncio.create_task(server.stop())
            release.set()
            await stopping
            assert (await answer).content == b"done"

        entered.clear()
        async with serving(slow) as server:
            host, port = server.url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
            await entered.wait()
            async with asyncio.timeout(web.GRACE + 3):
                await server.stop()
            writer.close()

    asyncio.run(scenario())


def test_a_failed_lifespan_fails_the_start() -> None:
    async def app(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def scenario() -> None:
        server = web.HttpServer(app, sock=bind_loopback(0), what="orders", lifespan=True)
        with pytest.raises(TidelockError, match="orders application failed to start"):
            await server.start()
        await server.stop()

    asyncio.run(scenario())


def test_stop_without_start_closes_the_socket() -> None:
    async def scenario() -> socket.socket:
        sock = bind_loopback(0)
        await web.HttpServer(echo, sock=sock, what="test").stop()
        return sock

    assert asyncio.run(scenario()).fileno() == -1
