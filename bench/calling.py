"""Measures calls: so many callers, each one call after the other. Shared by `calls` and `call_peers`.

Knows nothing of the clients and needs no more than msgspec, so that the peers run it in an environment of
their own. A peer is a context manager, asynchronous or not, that takes the server's ports and yields the
function that makes one call; a blocking one is called from as many threads as there are callers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

WARM_UP, SECONDS = 0.4, 1.0


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


BODY = msgspec.json.encode(
    Order(
        42, "ann@example.org", "KR", 99.5, [Line(f"SKU-{number:05}", number + 1, 9.95) for number in range(4)]
    )
)


@dataclass(frozen=True)
class Peer:
    """One client.

    Args:
        made: takes the ports and makes the context manager.
        loop: "uvloop" or "asyncio"; None for blocking clients.
    """

    made: Callable[[list[int]], Any]
    loop: str | None = "uvloop"


@dataclass(frozen=True)
class Figures:
    """One measurement."""

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def asynchronous(peer: Peer, concurrency: int, ports: list[int]) -> Figures:
    latencies: list[float] = []
    clock = time.perf_counter

    async def caller(call: Callable[[], Awaitable[Any]], until: float) -> None:
        while (begun := clock()) < until:
            await call()
            latencies.append(clock() - begun)

    async with peer.made(ports) as call:
        await asyncio.gather(*(caller(call, clock() + WARM_UP) for _ in range(concurrency)))
        latencies.clear()
        begun, cpu = clock(), time.process_time()
        await asyncio.gather(*(caller(call, begun + SECONDS) for _ in range(concurrency)))
        seconds, cpu = clock() - begun, time.process_time() - cpu
    return summed_up(latencies, seconds, cpu)


def blocking(peer: Peer, concurrency: int, ports: list[int]) -> Figures:
    latencies: list[float] = []
    clock = time.perf_counter

    def caller(call: Callable[[], Any], until: float) -> None:
        while (begun := clock()) < until:
            call()
            latencies.append(clock() - begun)

    def all_call(call: Callable[[], Any], span: float) -> None:
        threads = [
            threading.Thread(target=caller, args=(call, clock() + span)) for _ in range(concurrency - 1)
        ]
        for thread in threads:
            thread.start()
        caller(call, clock() + span)
        for thread in threads:
            thread.join()

    with peer.made(ports) as call:
        all_call(call, WARM_UP)
        latencies.clear()
        begun, cpu = clock(), time.process_time()
        all_call(call, SECONDS)
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


def pin(core: int) -> None:
    """Stay on one core, where the system can do that."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core]})


def run(main: Coroutine[Any, Any, Figures], loop: str) -> Figures:
    if loop == "asyncio":
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


def answer(peers: Mapping[str, Peer]) -> None:
    """Measure what the command line says, on the first core: name, concurrency, ports."""
    pin(0)
    name, concurrency, *ports = sys.argv[1:]
    peer, numbers = peers[name], [int(port) for port in ports]
    if peer.loop is None:
        found = blocking(peer, int(concurrency), numbers)
    else:
        found = run(asynchronous(peer, int(concurrency), numbers), peer.loop)
    sys.stdout.write(json.dumps(asdict(found)))
