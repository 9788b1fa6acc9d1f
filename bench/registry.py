"""The registry with 1,000 instances and 100 watchers, beside Spring's Eureka server.

Each server has a process of its own and is loaded by wrk (one thread) on the same machine, warmed up first;
Spring's is left out where `make engines` has not built it. "Seen" is the time from the moment a registration
is sent until all 100 watchers have it: pushed by ours, and for Spring's as one client sees it that asks for
the delta four times a second: between 0 and 30 s, as its cache is renewed every 30 s (its own clients ask
every 30 s, on top of this). The CPU of one heartbeat does not depend on who else uses the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engines import eureka
from tests.engines.fetch import Unavailable

from bench.timing import markdown
from tidelock.discovery.codec import json
from tidelock.discovery.events import listen
from tidelock.discovery.instance import Instance
from tidelock.discovery.transport import Connection, RegistryUnreachableError, Target
from tidelock.runtime import bind_loopback

INSTANCES, APPS, WATCHERS = 1000, 100, 100
SECONDS, WARM_UP = 5, 4
CONNECTIONS = 16
SEEN_LIMIT = 60.0
"""Seconds to wait for Spring's caches."""

SERVE = """
import asyncio, sys
from tidelock.discovery import RegistryServer, RegistrySettings
from tidelock.runtime import bind_loopback

async def main(port):
    server = RegistryServer(RegistrySettings(), bind_loopback(int(port)))
    await server.start()
    await asyncio.sleep(3600)

if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.run(main(sys.argv[1]))
else:
    asyncio.run(main(sys.argv[1]))
"""

HEARTBEATS = """
local n = 0
request = function()
  n = (n + 7) %% %d
  local path = "/eureka/apps/APP%%d/i%%d?status=UP&lastDirtyTimestamp=1700000000000"
  return wrk.format("PUT", string.format(path, n %% %d, n))
end
"""


@dataclass
class Figures:
    """One server's column."""

    heartbeats: float
    cpu_us: float
    full: float
    full_p99: str
    delta: float
    seen: float
    memory_mb: float


@contextlib.contextmanager
def ours(port: int, loop: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port), loop])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def an_instance(number: int) -> Instance:
    return Instance(
        app=f"APP{number % APPS}",
        instance_id=f"i{number}",
        host=f"host-{number}.example",
        ip=f"10.0.{number // 250}.{number % 250}",
        port=8000 + number % 1000,
        vip=f"app{number % APPS}",
        secure_vip=f"app{number % APPS}",
        metadata={"zone": f"z{number % 3}", "build": str(number)},
        home_page_url=f"http://host-{number}.example:8080/",
        status_page_url=f"http://host-{number}.example:8080/actuator/info",
        health_check_url=f"http://host-{number}.example:8080/actuator/health",
        duration=3600.0,
        last_dirty_timestamp=1_700_000_000_000,
    )


async def ready(connection: Connection) -> None:
    for _ in range(600):
        with contextlib.suppress(RegistryUnreachableError):
            await connection.exchange("GET", "apps/delta")
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the registry does not answer")


async def register(connection: Connection, number: int) -> None:
    instance = an_instance(number)
    answer = await connection.exchange("POST", f"apps/{instance.app}", json.write_instance(instance))
    assert answer.status == 204, answer


def wrk(port: int, path: str, *options: str, seconds: int = SECONDS) -> tuple[float, str]:
    """Load a server; returns requests per second and the time that 99 % took less than."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *options]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    slow = re.search(r"99%\s+(\S+)", done.stdout)
    assert rate, done.stdout
    assert slow, done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(rate[1]), slow[1]


class Watcher:
    """One stream; knows when it heard of the latest instance."""

    def __init__(self, target: Target) -> None:
        self.open = asyncio.Event()
        self.told = asyncio.Event()
        self._target = target

    async def watch(self) -> None:
        async for event in listen(self._target, "watch", connect_timeout=30):
            if event is not None:
                (self.told if self.open.is_set() else self.open).set()


async def pushed(connection: Connection, watchers: list[Watcher]) -> float:
    began = time.perf_counter()
    await register(connection, INSTANCES)
    for watcher in watchers:
        await watcher.told.wait()
    return time.perf_counter() - began


async def polled(connection: Connection) -> float:
    began = time.perf_counter()
    await register(connection, INSTANCES)
    wanted = f'"i{INSTANCES}"'.encode()
    while time.perf_counter() - began < SEEN_LIMIT:
        if wanted in (await connection.exchange("GET", "apps/delta")).body:
            break
        await asyncio.sleep(0.25)
    return time.perf_counter() - began


async def measure(port: int, pid: int, *, pushes: bool) -> Figures:
    target = Target.of(f"http://127.0.0.1:{port}/eureka/")
    connection = Connection(target, connect_timeout=30, read_timeout=30)
    await ready(connection)
    for number in range(INSTANCES):
        await register(connection, number)
    watchers = [Watcher(target) for _ in range(WATCHERS if pushes else 0)]
    tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    for watcher in watchers:
        await watcher.open.wait()
    seen = await (pushed(connection, watchers) if pushes else polled(connection))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(HEARTBEATS % (INSTANCES, APPS))
        script.flush()
        beats = ("-s", script.name)
        gzip = ("-H", "Accept-Encoding: gzip", "-H", "Accept: application/json")
        run = asyncio.to_thread
        await run(wrk, port, "/", *beats, seconds=WARM_UP if pushes else 5 * WARM_UP)
        before = cpu(pid)
        heartbeats, _ = await run(wrk, port, "/", *beats)
        each = (cpu(pid) - before) / (heartbeats * SECONDS)
        await run(wrk, port, "/eureka/apps", *gzip, seconds=WARM_UP if pushes else 2 * WARM_UP)
        full, p99 = await run(wrk, port, "/eureka/apps", *gzip)
        delta, _ = await run(wrk, port, "/eureka/apps/delta", *gzip)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    connection.close()
    return Figures(heartbeats, each * 1e6, full, p99, delta, seen, memory(pid))


def memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def port_free() -> int:
    sock = bind_loopback(0)
    port: int = sock.getsockname()[1]
    sock.close()
    return port


def main() -> None:
    if shutil.which("wrk") is None:
        print("left out: no wrk on PATH (Debian package wrk)")
        return
    columns: dict[str, Figures] = {}
    for name, loop in (("ours", "asyncio"), ("ours, uvloop", "uvloop")):
        port = port_free()
        with ours(port, loop) as pid:
            columns[name] = asyncio.run(measure(port, pid, pushes=True))
    try:
        eureka.find()
    except Unavailable as why:
        print(f"Spring's server is left out: {why}")
    else:
        port = port_free()
        with eureka.server(port, heap="512m", warms_up=True) as process:
            columns["Spring"] = asyncio.run(measure(port, process.pid, pushes=False))
    rows = [(name, *(text(figures) for text in TEXTS.values())) for name, figures in columns.items()]
    markdown((f"{INSTANCES} instances, {WATCHERS} watchers", *TEXTS), rows)


TEXTS: dict[str, Callable[[Figures], str]] = {
    "heartbeats/s": lambda one: f"{one.heartbeats:,.0f}",
    "CPU each": lambda one: f"{one.cpu_us:,.0f} us",
    "full, gzip/s": lambda one: f"{one.full:,.0f}",
    "p99": lambda one: one.full_p99,
    "delta of all/s": lambda one: f"{one.delta:,.0f}",
    "seen after": lambda one: f"{one.seen * 1000:,.0f} ms",
    "memory": lambda one: f"{one.memory_mb:,.0f} MB",
}


if __name__ == "__main__":
    main()
