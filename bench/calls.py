"""Calls per second of the declarative client, beside aiohttp + msgspec and httpx + pydantic written by hand.

One server process (uvicorn, bare ASGI) on the last core, one client process per measurement on the first;
all on uvloop where it is installed. Every peer gets the same 270-byte order and decodes it into a typed
object. Ours runs with everything on: balancing over three addresses of the server, breaker, retry budget,
deadline, header limits. The figures are ratios within one run; the best of the rounds counts, because the
machine may be busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from tidelock import http
from tidelock.runtime import bind_loopback

CONCURRENCY = (1, 16, 64)
ROUNDS = 3
WARM_UP, SECONDS = 0.3, 1.0

Call = Callable[[], Awaitable[Any]]


class Line(msgspec.Struct):
    sku: str
    quantity: int
    price: float


class Order(msgspec.Struct):
    id: int
    customer: str
    country: str
    total: float
    lines: list[Line]


LINES = [Line(f"SKU-{number:05}", number + 1, 9.95) for number in range(4)]
BODY = msgspec.json.encode(Order(42, "ann@example.org", "KR", 99.5, LINES))


@http.api("order-service", path="/orders", timeout=2.0)
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> Order | None:
        raise NotImplementedError


@dataclass
class Figures:
    """One measurement."""

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


# the peers: each yields a function that makes one call


@contextlib.asynccontextmanager
async def tidelock(ports: list[int]) -> Any:
    source = http.StaticSource({"order-service": [f"http://127.0.0.1:{port}" for port in ports]})
    async with http.Client(source) as client:
        orders = client.connect(Orders)
        yield lambda: orders.get(42)


@contextlib.asynccontextmanager
async def aiohttp_msgspec(ports: list[int]) -> Any:
    import aiohttp

    decode = msgspec.json.Decoder(Order).decode
    url = f"http://127.0.0.1:{ports[0]}/orders/42"
    timeout = aiohttp.ClientTimeout(total=2.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> Order:
            async with session.get(url) as response:
                response.raise_for_status()
                return decode(await response.read())

        yield call


@contextlib.asynccontextmanager
async def httpx_pydantic(ports: list[int]) -> Any:
    import httpx
    import pydantic

    class PydanticLine(pydantic.BaseModel):
        sku: str
        quantity: int
        price: float

    class PydanticOrder(pydantic.BaseModel):
        id: int
        customer: str
        country: str
        total: float
        lines: list[PydanticLine]

    PydanticOrder.model_rebuild(_types_namespace={"PydanticLine": PydanticLine})
    url = f"http://127.0.0.1:{ports[0]}/orders/42"
    async with httpx.AsyncClient(timeout=2.0, limits=httpx.Limits(max_connections=None)) as client:

        async def call() -> PydanticOrder:
            response = await client.get(url)
            response.raise_for_status()
            return PydanticOrder.model_validate_json(response.content)

        yield call


@contextlib.contextmanager
def tidelock_blocking(ports: list[int]) -> Iterator[Callable[[], Any]]:
    source = http.StaticSource({"order-service": [f"http://127.0.0.1:{port}" for port in ports]})
    with http.connect_blocking(Orders, source=source) as orders:
        yield lambda: orders.get(42)


@contextlib.contextmanager
def httpx_blocking(ports: list[int]) -> Iterator[Callable[[], Any]]:
    import httpx

    decode = msgspec.json.Decoder(Order).decode
    url = f"http://127.0.0.1:{ports[0]}/orders/42"
    with httpx.Client(timeout=2.0) as client:

        def call() -> Order:
            response = client.get(url)
            response.raise_for_status()
            return decode(response.content)

        yield call


BLOCKING: dict[str, Any] = {"tidelock, blocking": tidelock_blocking, "httpx, blocking": httpx_blocking}

PEERS: dict[str, Any] = {
    "tidelock": tidelock,
    "aiohttp + msgspec": aiohttp_msgspec,
    "httpx + pydantic": httpx_pydantic,
}


async def measure(peer: str, concurrency: int, ports: list[int]) -> Figures:
    latencies: list[float] = []
    clock = time.perf_counter

    async def caller(call: Call, until: float) -> None:
        while (begun := clock()) < until:
            await call()
            latencies.append(clock() - begun)

    async with PEERS[peer](ports) as call:
        await asyncio.gather(*(caller(call, clock() + WARM_UP) for _ in range(concurrency)))
        latencies.clear()
        begun, cpu = clock(), time.process_time()
        await asyncio.gather(*(caller(call, begun + SECONDS) for _ in range(concurrency)))
        seconds, cpu = clock() - begun, time.process_time() - cpu
    return summed_up(latencies, seconds, cpu)


def measure_blocking(peer: str, ports: list[int]) -> Figures:
    """One thread, one call after the other."""
    latencies: list[float] = []
    clock = time.perf_counter
    with BLOCKING[peer](ports) as call:
        for span in (WARM_UP, SECONDS):
            latencies.clear()
            begun, cpu = clock(), time.process_time()
            while (at := clock()) < begun + span:
                call()
                latencies.append(clock() - at)
            seconds, cpu = clock() - begun, time.process_time() - cpu
    return summed_up(latencies, seconds, cpu)


def summed_up(latencies: list[float], seconds: float, cpu: float) -> Figures:
    latencies.sort()
    count = len(latencies)
    return Figures(
        count / seconds,
        latencies[count // 2] * 1000,
        latencies[int(count * 0.99)] * 1000,
        cpu / count * 1e6,
    )


# processes


def pin(core: int) -> None:
    """Stay on one core, where the system can do that."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core]})


def run(main: Coroutine[Any, Any, Any]) -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


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
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().split()
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


def measured(peer: str, concurrency: int, ports: list[str]) -> Figures:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.calls", "measure", peer, str(concurrency), *ports]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return msgspec.json.decode(output, type=Figures)


def at_concurrency(concurrency: int) -> list[str]:
    """The peers measured at a concurrency; blocking ones have one thread."""
    return [*PEERS, *BLOCKING] if concurrency == 1 else [*PEERS]


def main() -> None:
    """Run everything and print a table with ratios."""
    best: dict[tuple[str, int], Figures] = {}
    with server() as ports:
        for _ in range(ROUNDS):
            for concurrency in CONCURRENCY:
                for peer in at_concurrency(concurrency):
                    figures = measured(peer, concurrency, ports)
                    known = best.get((peer, concurrency))
                    if known is None or figures.cpu_us < known.cpu_us:
                        best[peer, concurrency] = figures
    print(f"GET and decode a {len(BODY)}-byte order; best of {ROUNDS} rounds of {SECONDS} s")
    print("  c client              calls/s  p50 ms  p99 ms  CPU us   ours: calls/s    CPU")
    for concurrency in CONCURRENCY:
        for peer in at_concurrency(concurrency):
            one = best[peer, concurrency]
            ours = best["tidelock, blocking" if peer in BLOCKING else "tidelock", concurrency]
            ratio = ours.calls_per_second / one.calls_per_second
            print(
                f"{concurrency:>3} {peer:<18} {one.calls_per_second:>8.0f} {one.p50_ms:>7.3f} "
                f"{one.p99_ms:>7.3f} {one.cpu_us:>7.1f} {ratio:>13.1f}x {one.cpu_us / ours.cpu_us:>5.1f}x"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["measure"]:
        pin(0)
        ports = [int(port) for port in sys.argv[4:]]
        if sys.argv[2] in BLOCKING:
            result = measure_blocking(sys.argv[2], ports)
        else:
            result = run(measure(sys.argv[2], int(sys.argv[3]), ports))
        print(msgspec.json.encode(asdict(result)).decode())
    else:
        main()
