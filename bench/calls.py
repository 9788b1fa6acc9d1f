"""Calls per second of the declarative client beside other clients in Python and OpenFeign on the JVM.

One server process (uvicorn, bare ASGI) on the last core, one client process per measurement on the first.
Every client gets the same 270-byte order and decodes it into a typed object. Ours runs with everything on:
balancing over three addresses of the server, breaker, retry budget, deadline, header limits. Round by round
the clients take turns, and the best round of each counts, by its CPU time: the machine may be busy.

    make bench ARGS=calls                all, about five minutes
    python -m bench.calls TEXT...        only clients whose name contains one of the texts, ours always

The other Python clients live in an environment of their own (`make peers`), OpenFeign among the engines
(`make engines`); what is missing is named and left out. The ratios compare blocking clients with our
blocking one and all others with ours on uvloop.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tests.engines.fetch import Unavailable
from tests.engines.spring import CALLER

from bench.calling import BODY, Figures, Order, Peer, answer, pin
from bench.timing import markdown
from tidelock import http
from tidelock.runtime import bind_loopback

ROOT = Path(__file__).resolve().parents[1]
CONCURRENCY = (1, 16, 64)
ROUNDS = 2
JVM_WARM_UP, JVM_SECONDS = 20.0, 2.0
"""The JVM compiles what is called often; a Python client is as quick in its first second as later."""

OURS, OURS_ASYNCIO, OURS_BLOCKING = "tidelock", "tidelock, asyncio", "tidelock, blocking"
FEIGN = "OpenFeign (JVM)"


@http.api("order-service", path="/orders", timeout=2.0)
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> Order | None:
        raise NotImplementedError


def source(ports: list[int]) -> http.StaticSource:
    return http.StaticSource({"order-service": [f"http://127.0.0.1:{port}" for port in ports]})


@contextlib.asynccontextmanager
async def tidelock(ports: list[int]) -> AsyncIterator[Callable[[], Any]]:
    async with http.Client(source(ports)) as client:
        orders = client.connect(Orders)
        yield lambda: orders.get(42)


@contextlib.contextmanager
def tidelock_blocking(ports: list[int]) -> Iterator[Callable[[], Any]]:
    with http.connect_blocking(Orders, source=source(ports)) as orders:
        yield lambda: orders.get(42)


@contextlib.asynccontextmanager
async def httpx_through(url: str, transport: Any) -> AsyncIterator[Callable[[], Any]]:
    import httpx

    decode = msgspec.json.Decoder(Order).decode
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=2.0, limits=limits, transport=transport) as client:

        async def call() -> Order:
            response = await client.get(f"{url}/orders/42")
            response.raise_for_status()
            return decode(response.content)

        yield call


def httpx_plain(ports: list[int]) -> Any:
    return httpx_through(f"http://127.0.0.1:{ports[0]}", None)


@contextlib.asynccontextmanager
async def httpx_discovery(ports: list[int]) -> AsyncIterator[Callable[[], Any]]:
    transport = http.DiscoveryTransport(http.Client(source(ports)))
    async with httpx_through("http://order-service", transport) as call:
        yield call


HERE = {
    OURS: Peer(tidelock),
    OURS_ASYNCIO: Peer(tidelock, "asyncio"),
    OURS_BLOCKING: Peer(tidelock_blocking, None),
    "httpx through our transport": Peer(httpx_discovery),
    "httpx + msgspec": Peer(httpx_plain),
}
THERE = ("aiohttp + msgspec", "meatie + aiohttp", "httpx2 + pydantic", "clientele", "uplink + aiohttp")
THERE_BLOCKING = ("httpx2, blocking", "clientele, blocking", "uplink + requests")


# who is there, and how each is measured: a function of concurrency and ports

Measure = Callable[[int, list[str]], Figures]


@dataclass(frozen=True)
class Client:
    name: str
    beside: str
    measure: Measure


def in_process(python: str, module: str, name: str) -> Measure:
    """Measure in a process of its own."""

    def measure(concurrency: int, ports: list[str]) -> Figures:
        command = [python, "-m", module, *(["measure"] if module == "bench.calls" else [])]
        command += [name, str(concurrency), *ports]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60, cwd=ROOT)
        return msgspec.json.decode(done.stdout, type=Figures)

    return measure


def python_of_peers() -> str | None:
    """The interpreter of the environment with the other clients, if it is there."""
    found = Path(os.environ.get("TIDELOCK_PEERS", ROOT / ".peers")) / "bin" / "python"
    return str(found) if found.exists() else None


@contextlib.contextmanager
def feign(ports: list[str]) -> Iterator[Measure]:
    """A warm JVM on the first core, which measures when told."""
    java = ["java", "-Xmx256m", "-Dhttp.maxConnections=64", "-jar", str(CALLER.find())]
    environment = {**os.environ, **dict(zip(("FIRST", "SECOND", "THIRD"), ports, strict=True))}
    process = subprocess.Popen(
        java,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(0),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told, heard = process.stdin, process.stdout

    def ask(concurrency: int, seconds: float) -> Figures:
        told.write(f"{concurrency} {seconds}\n")
        told.flush()
        return msgspec.json.decode(heard.readline(), type=Figures)

    try:
        ask(16, JVM_WARM_UP)
        yield lambda concurrency, _: ask(concurrency, JVM_SECONDS)
    finally:
        process.kill()
        process.wait()
        told.close()
        heard.close()


def clients(ports: list[str], wanted: Sequence[str], stack: contextlib.ExitStack) -> list[Client]:
    """Everyone who is here and wanted; says who is not here."""

    def is_wanted(name: str) -> bool:
        return not wanted or name in (OURS, OURS_BLOCKING) or any(text in name for text in wanted)

    found = [
        Client(
            name,
            OURS_BLOCKING if peer.loop is None else OURS,
            in_process(sys.executable, "bench.calls", name),
        )
        for name, peer in HERE.items()
    ]
    python = python_of_peers()
    if python is None:
        print(f"left out: {', '.join(THERE + THERE_BLOCKING)}: run `make peers`\n")
    else:
        found += [Client(name, OURS, in_process(python, "bench.call_peers", name)) for name in THERE]
        found += [
            Client(name, OURS_BLOCKING, in_process(python, "bench.call_peers", name))
            for name in THERE_BLOCKING
        ]
    if is_wanted(FEIGN):
        try:
            found.append(Client(FEIGN, OURS, stack.enter_context(feign(ports))))
        except Unavailable as why:
            print(f"left out: {FEIGN}: {why}\n")
    return [client for client in found if is_wanted(client.name)]


# the server


def serve() -> None:
    """Serve the order on three ports of one process, and print them."""
    import uvicorn

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

    pin(-1)
    sockets = [bind_loopback(0) for _ in range(3)]
    print(*(sock.getsockname()[1] for sock in sockets), flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", http="httptools")
    uvicorn.Server(config).run(sockets=sockets)


@contextlib.contextmanager
def server() -> Iterator[list[str]]:
    command = [sys.executable, "-m", "bench.calls", "serve"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().split()
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


# the table

Found = dict[tuple[str, int], Figures]


def rows(everyone: list[Client], best: Found) -> Iterator[Sequence[str]]:
    for concurrency in CONCURRENCY:
        for client in everyone:
            one, ours = best[client.name, concurrency], best[client.beside, concurrency]
            yield (
                str(concurrency),
                client.name,
                f"{one.calls_per_second:,.0f}",
                f"{one.p50_ms:.3g}",
                f"{one.p99_ms:.3g}",
                f"{one.cpu_us:.3g}",
                f"{ours.calls_per_second / one.calls_per_second:.1f}x",
                f"{one.cpu_us / ours.cpu_us:.1f}x",
            )


def main(wanted: Sequence[str] = ()) -> None:
    """Run everything and print a table with ratios."""
    best: Found = {}
    with server() as ports, contextlib.ExitStack() as stack:
        everyone = clients(ports, wanted, stack)
        for _ in range(ROUNDS):
            for concurrency in CONCURRENCY:
                for client in everyone:
                    figures = client.measure(concurrency, ports)
                    known = best.get((client.name, concurrency))
                    if known is None or figures.cpu_us < known.cpu_us:
                        best[client.name, concurrency] = figures
    head = ("callers", "client", "calls/s", "p50 ms", "p99 ms", "CPU us", "ours: calls/s", "ours: CPU")
    markdown(head, list(rows(everyone, best)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["measure"]:
        del sys.argv[1]
        answer(HERE)
    else:
        main(sys.argv[1:])
