"""The engine against servers that misbehave on purpose: early ends, races, garbage, cancellation, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.certificate import self_signed
from tests.support.flavours import Flavour
from tidelock import http

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def server(
    serve: Serve, tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[str]:
    """Serve connections with a coroutine, at a port or at a Unix domain socket; yields the URL."""
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    if path is None:
        listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    else:
        listening = await asyncio.start_unix_server(connected, path)
        url = f"http+unix://{urllib.parse.quote(str(path), safe='')}"
    try:
        yield url
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.fixture(params=["asyncio", "uvloop", "blocking"])
def loop(request: pytest.FixtureRequest) -> Flavour:
    """Runs a coroutine on each kind of event loop; the blocking client works in threads beside it."""
    return Flavour(request.param)


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_post_whose_connection_ends_after_it_was_read_is_in_doubt_and_sent_once(
    by_reset: bool, loop: Flavour
) -> None:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        if by_reset:
            reset(writer)

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            with pytest.raises(http.InDoubt) as caught:
                await client.post("http://s/orders", json={"id": 1})
            assert caught.value.instance is not None
            assert caught.value.instance.instance_id == url

    loop(run())
    assert len(requests) == 1


def test_a_get_whose_connection_ends_is_repeated(loop: Flavour) -> None:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        if len(requests) == 2:
            writer.write(OK)
            await writer.drain()

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            assert (await client.get("http://s/orders")).body == b"ok"

    loop(run())
    assert b"x-envoy-attempt-count" not in requests[0]
    assert b"x-envoy-attempt-count: 2\r\n" in requests[1]


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the proof needs TCP_INFO (Linux)")
def test_a_post_on_a_connection_that_the_server_ended_meanwhile_provably_never_left(loop: Flavour) -> None:
    requests: list[bytes] = []

    def blocking_server(listening: socket.socket) -> None:
        """Answers, ends the connection, then serves a second one; runs in a thread, the loop is blocked."""
        for _ in range(2):
            connection, _peer = listening.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(OK)

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            served = asyncio.create_task(asyncio.to_thread(blocking_server, listening))
            async with loop.client() as client:
                url = f"http://127.0.0.1:{port}/orders"
                assert (await client.post(url, json=1)).status == 200
                time.sleep(0.05)  # noqa: ASYNC251  the loop must not learn of the FIN before it sends
                assert (await client.post(url, json=2)).status == 200
            await served

    loop(run())
    assert [request[-1:] for request in requests] == [b"1", b"2"]


def test_a_post_is_not_repeated_when_the_other_side_acknowledged_it(loop: Flavour) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)  # the kernel has acknowledged it; then the connection ends in order

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            await client.post("http://s/a")
            with pytest.raises(http.InDoubt):
                await client.post("http://s/b")

    loop(run())
    assert connections == 1


def test_connections_are_reused_and_closed_when_the_server_says_so(loop: Flavour) -> None:
    connections = 0
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answer in (OK, OK, closing):
            await read_request(reader)
            writer.write(answer)

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            for _ in range(6):
                await client.get("http://s/")
            assert connections == 2

    loop(run())


def test_an_idle_connection_is_not_used_beyond_what_the_server_said(loop: Flavour) -> None:
    connections = 0
    short = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(short)

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            await client.get("http://s/")
            await asyncio.sleep(1.1)
            await client.get("http://s/")
            assert connections == 2

    loop(run())


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP/1.1 answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 70_000, "larger than 65536"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", "not gzip"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 65536, "deadline|no answer"),
    ],
)
def test_a_bad_answer_is_an_error_of_its_own_and_ends_the_connection(
    answer: bytes, complaint: str, loop: Flavour
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            with pytest.raises((http.BadAnswer, http.CallTimeout), match=complaint):
                await client.get("http://s/", timeout=0.5)

    loop(run())


def test_a_connection_answered_before_the_request_had_left_is_not_reused(loop: Flavour) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()  # reads no more of it

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            for _ in range(2):
                assert (await client.post("http://s/", content=b"x" * 30_000_000)).status == 413
            assert connections == 2

    loop(run())


def test_bytes_after_an_answer_never_become_the_next_one(loop: Flavour) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await reader.read()

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            assert [(await client.get("http://s/")).body for _ in range(3)] == [b"ok"] * 3

    loop(run())


def test_head_gzip_chunks_and_interim_answers_in_one_connection(loop: Flavour) -> None:
    packed = gzip.compress(b"packed")
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (len(packed), packed),
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ]
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answer in answers:
            await read_request(reader)
            for byte in answer:
                writer.write(bytes([byte]))
                await writer.drain()

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            assert (await client.head("http://s/")).header("content-length") == "10"
            assert (await client.get("http://s/")).text == "packed"
            assert (await client.get("http://s/")).body == b"abc"
            assert (await client.delete("http://s/")).status == 204

    loop(run())
    assert connections == 1


def test_a_unix_domain_socket_serves_like_a_port(loop: Flavour, tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await read_request(reader))
            writer.write(OK)

    async def run() -> None:
        async with (
            server(serve, path=tmp_path / "orders.sock") as url,
            loop.client(http.StaticSource({"s": f"{url}/base"})) as client,
        ):
            assert (await client.get("http://s/1")).body == b"ok"
            assert (await client.get(f"{url}/2")).body == b"ok"
            with pytest.raises(http.ConnectFailed, match="nobody listens"):
                await client.get(f"{url}.gone/3")

    loop(run())
    assert [head.split(b"\r\n")[:2] for head in heads] == [
        [b"GET /base/1 HTTP/1.1", b"host: localhost"],
        [b"GET /2 HTTP/1.1", b"host: localhost"],
    ]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"], indirect=True)  # a thread cannot be cancelled
def test_a_call_cancelled_at_any_moment_leaves_nothing_behind(loop: Flavour) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            await asyncio.sleep(0.004)
            writer.write(OK[:20])
            await asyncio.sleep(0.004)
            writer.write(OK[20:])

    async def run() -> None:
        async with server(serve) as url, loop.client(http.StaticSource({"s": url})) as client:
            state = client.service("s")
            for number in range(60):
                task = asyncio.create_task(client.get("http://s/"))
                await asyncio.sleep(number * 0.0002)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert [peer.in_flight for peer in state.peers] in ([], [0])
                assert client.connections.busy == 0
            assert (await client.get("http://s/")).body == b"ok"  # and no answer went to the wrong caller

    loop(run())


def test_closing_the_client_ends_calls_under_way(loop: Flavour) -> None:
    async def run() -> None:
        asked = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await reader.read()

        async with server(serve) as url:
            client = loop.client(http.StaticSource({"s": url}))
            task = asyncio.create_task(client.post("http://s/"))
            await asked.wait()
            await client.close()
            with pytest.raises(http.InDoubt, match="client was closed"):
                await task

    loop(run())


def test_one_client_in_one_event_loop_after_the_other(loop: Flavour) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)

    client = loop.client()

    async def run() -> None:
        async with server(serve) as url:
            assert (await client.get(url)).body == b"ok"

    loop(run())
    loop(run())

    async def close() -> None:
        await client.close()

    loop(close())


def test_a_host_that_does_not_exist_and_a_port_where_nobody_listens(loop: Flavour) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with loop.client() as client:
            with pytest.raises(http.ConnectFailed, match="nobody listens there"):
                await client.post(f"http://localhost:{port}/")
            with pytest.raises(http.ConnectFailed, match="no connection"):
                await client.post("http://nowhere.invalid:80/")

    loop(run())


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path)


def test_tls(certificate: tuple[Path, Path], loop: Flavour) -> None:
    key, cert = certificate
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(OK)

    async def run() -> None:
        async with server(serve, serving) as url:
            async with loop.client(ssl=ssl.create_default_context(cafile=str(cert))) as client:
                assert [(await client.get(url)).body for _ in range(3)] == [b"ok"] * 3
            async with loop.client() as distrustful:
                with pytest.raises(http.ConnectFailed, match="certificate"):
                    await distrustful.get(url)

    loop(run())
