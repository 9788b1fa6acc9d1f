"""Registries as peers: separate processes on one machine, over a network that loses batches.

TIDELOCK_PEERS=1 runs it at full size: 5,000 operations through two peers, through three, and with Spring's
server as the third. Every run ends with agreement, and then with silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.engines import eureka
from tests.engines.fetch import Unavailable
from tests.integration.test_discovery_client import an_instance, client, registry, run, until
from tests.integration.test_discovery_push import service
from tests.support.waiting import eventually_async
from tidelock import web
from tidelock.discovery.codec import json as codec
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.transport import Connection, Target
from tidelock.runtime import bind_loopback

log = logging.getLogger(__name__)

PEER = """
import asyncio, json, sys
from pathlib import Path
from tidelock.discovery import RegistryServer, RegistrySettings
from tidelock.runtime import bind_loopback

async def main(port, peers, folder):
    settings = RegistrySettings(peers=tuple(json.loads(peers)), eviction_interval_ms=100)
    server = RegistryServer(settings, bind_loopback(int(port)), data_dir=Path(folder))
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""
IS_FULL = bool(os.environ.get("TIDELOCK_PEERS"))
OPERATIONS = 5000 if IS_FULL else 2000
AGREED_WITHIN = 5.0 if IS_FULL else 30.0
"""Seconds; the rule is 5, a machine that runs all other tests beside this one is given more."""
INSTANCES = 60
LOSS = 0.1


@dataclass
class Link:
    """The way to one peer: counts its batches and breaks some off, before or after they arrive."""

    port: int
    rng: random.Random
    batches: int = 0
    loss: float = LOSS
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self) -> tuple[asyncio.Server, str]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/eureka/"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, thither = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.close()
            return
        is_mute = False

        async def back() -> None:
            with contextlib.suppress(OSError):
                while data := await there.read(65536):
                    if is_mute:
                        break
                    writer.write(data)
            writer.close()

        answers = asyncio.create_task(back())
        self._tasks.add(answers)
        answers.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if data.startswith(b"POST /eureka/peerreplication"):
                    self.batches += 1
                    if self.rng.random() < self.loss:
                        is_mute = True
                        if self.rng.random() < 0.5:
                            break
                thither.write(data)
        thither.close()
        if is_mute:
            writer.close()


class Peers:
    """Processes that are peers over lossy links, and connections to each."""

    def __init__(self, folder: Path, count: int, rng: random.Random, spring: int | None = None) -> None:
        self._folder = folder
        self._spring = spring  # which of them is the original
        self._original = contextlib.ExitStack()
        socks = [bind_loopback(0) for _ in range(count)]
        self.ports = [sock.getsockname()[1] for sock in socks]
        for sock in socks:
            sock.close()
        self.links = {
            (one, other): Link(self.ports[other], rng)
            for one in range(count)
            for other in range(count)
            if one != other
        }
        self.urls: dict[tuple[int, int], str] = {}
        self._servers: list[asyncio.Server] = []
        self.processes: dict[int, asyncio.subprocess.Process | None] = {}
        targets = [Target.of(f"http://127.0.0.1:{port}/eureka/") for port in self.ports]
        self.asks = [Connection(target, connect_timeout=5, read_timeout=5) for target in targets]

    async def start(self, number: int) -> None:
        urls = [url for (one, _), url in self.urls.items() if one == number]
        if number == self._spring:
            server = eureka.server(self.ports[number], peers=urls, cache_ms=100)
            await asyncio.to_thread(self._original.enter_context, server)
            self.processes[number] = None
            return
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PEER,
            str(self.ports[number]),
            json.dumps(urls),
            str(self._folder / str(number)),
            stdout=asyncio.subprocess.PIPE,
        )
        self.processes[number] = process
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"

    async def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        self.asks[number].close()
        if process is None:
            await asyncio.to_thread(self._original.close)
            return
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def seen(self, number: int) -> set[tuple[str, Status, Status, int]]:
        answer = await self.asks[number].exchange("GET", "apps/")
        document = codec.read_applications(answer.body)
        return {
            (one.instance_id, one.status, one.overridden, one.last_dirty_timestamp)
            for group in document.instances.values()
            for one in group
        }

    @property
    def has_spring(self) -> bool:
        return self._spring is not None

    @property
    def batches(self) -> int:
        return sum(link.batches for link in self.links.values())

    async def __aenter__(self) -> Peers:
        for pair, link in self.links.items():
            server, self.urls[pair] = await link.serve()
            self._servers.append(server)
        for number in range(len(self.ports)):
            await self.start(number)
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in tuple(self.processes):
            await self.kill(number)
        for server in self._servers:
            server.close()


class Crowd:
    """Instances that talk to random peers, and what they believe of themselves."""

    def __init__(self, peers: Peers, rng: random.Random) -> None:
        self._peers = peers
        self._rng = rng
        self._version = 1_700_000_000_000
        self.alive: dict[str, int] = {}

    async def act(self) -> None:
        name = f"i{self._rng.randrange(INSTANCES)}"
        action: Callable[[str], Awaitable[None]] = self._rng.choice(
            [self.register, self.renew, self.renew, self.cancel, self.override, self.remove]
        )
        await action(name)

    async def _ask(self, method: str, path: str, body: bytes = b"") -> int:
        number = self._rng.choice(tuple(self._peers.processes))
        answer = await self._peers.asks[number].exchange(method, f"apps/ORDERS{path}", body)
        assert answer.status < 500
        return answer.status

    async def register(self, name: str) -> None:
        self._version += 1
        self.alive[name] = self._version
        await self._announce(name)

    async def _announce(self, name: str) -> None:
        instance = Instance(
            app="orders",
            instance_id=name,
            host="h",
            ip="1",
            duration=600.0,
            last_dirty_timestamp=self.alive[name],
        )
        assert await self._ask("POST", "", codec.write_instance(instance)) == 204

    async def renew(self, name: str) -> None:
        if name in self.alive:
            query = f"?status=UP&lastDirtyTimestamp={self.alive[name]}"
            if await self._ask("PUT", f"/{name}{query}") == 404:
                await self._announce(name)

    async def cancel(self, name: str) -> None:
        if self.alive.pop(name, None):
            await self._ask("DELETE", f"/{name}")

    async def override(self, name: str) -> None:
        status = self._rng.choice(["OUT_OF_SERVICE", "DOWN", "UP"])
        await self._ask("PUT", f"/{name}/status?value={status}")

    async def remove(self, name: str) -> None:
        await self._ask("DELETE", f"/{name}/status")

    async def comes_to_agree(self) -> bool:
        """Whether all peers know the same, and just those who are alive; if not, all heartbeats come.

        With Spring's server among them those who left are not counted: it keeps no trace of a cancellation,
        so a batch that is late brings an instance back there, until its lease ends.
        """
        first, *rest = [await self._peers.seen(number) for number in self._peers.processes]
        if self._peers.has_spring:
            first, *rest = [{one for one in seen if one[0] in self.alive} for seen in (first, *rest)]
        if all(one == first for one in rest) and {name for name, *_ in first} == set(self.alive):
            return True
        for name in tuple(self.alive):
            await self.renew(name)
        return False


async def story(peers: Peers, crowd: Crowd, killed: int) -> None:
    """All operations, with one peer killed and started again meanwhile; then agreement, then silence."""
    for number in range(OPERATIONS):
        await crowd.act()
        if number == OPERATIONS // 3:
            await peers.kill(killed)
        elif number == OPERATIONS // 2:
            await peers.start(killed)
    begun = time.monotonic()
    within = 60.0 if peers.has_spring else AGREED_WITHIN  # Java sends a batch every half second
    await eventually_async(crowd.comes_to_agree, within, interval=0.5)
    agreed = time.monotonic() - begun
    log.info("%d operations, %d batches, agreed after %.1f s", OPERATIONS, peers.batches, agreed)
    assert peers.batches < OPERATIONS

    async def is_quiet() -> bool:
        before = peers.batches
        await asyncio.sleep(1.5)
        return peers.batches == before

    await eventually_async(is_quiet, 30.0, interval=0.0)  # what is under way arrives; after it, silence


@pytest.mark.parametrize("count", [2, 3] if IS_FULL else [3])
def test_peers_agree_over_losses_and_a_kill(tmp_path: Path, count: int) -> None:
    async def scenario() -> None:
        rng = random.Random(5)
        async with Peers(tmp_path, count, rng) as peers:
            await story(peers, Crowd(peers, rng), count - 1)

    run(scenario)


@pytest.mark.needs_spring
@pytest.mark.timeout(400)  # Java's start on a busy machine
@pytest.mark.skipif(not IS_FULL, reason="takes a minute; set TIDELOCK_PEERS=1")
def test_spring_agrees_with_two_of_ours_over_losses_and_a_kill(tmp_path: Path) -> None:
    try:
        eureka.find()
    except Unavailable as why:
        pytest.skip(str(why))

    async def scenario() -> None:
        rng = random.Random(5)
        async with Peers(tmp_path, 3, rng, spring=2) as peers:
            await story(peers, Crowd(peers, rng), 1)

    run(scenario)


def test_a_busy_peer_is_left_alone_and_told_later() -> None:
    async def scenario() -> None:
        asked: list[float] = []
        is_busy = True

        async def peer(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
            if scope["path"].startswith("/eureka/peerreplication"):
                asked.append(asyncio.get_running_loop().time())
                status, body = (503, b"") if is_busy else (200, b'{"responseList":[{"statusCode":200}]}')
                await web.send_reply(send, status, body)
            else:
                await web.send_reply(send, 404, b"")

        front = web.HttpServer(peer, sock=bind_loopback(0), what="peer")
        await front.start()
        async with registry(peers=(f"{front.url}/eureka/",)) as server, client(server.url) as one:
            await one.register(an_instance(renewal_interval=60.0))
            await until(lambda: len(asked) == 2)
            assert asked[1] - asked[0] >= 0.9
            is_busy = False
            (node,) = server.app.peers.all
            await until(lambda: node.is_reachable)
            assert len(asked) == 3
        await front.stop()

    run(scenario)


def test_a_registry_that_starts_learns_from_its_peer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with registry() as first, client(first.url) as one:
            await one.register(an_instance(duration=60.0))
            async with registry(peers=(f"{first.url}/eureka/",)) as second:
                assert [found.instance_id for found in second.registry.application("orders")] == ["i1"]
                status: Any = await one._call("GET", "status")
                assert json.loads(status.body)["isHeathly"] is True

    run(scenario)


def test_a_crash_seen_by_one_peer_is_known_to_the_others() -> None:
    async def scenario() -> None:
        async with (
            registry() as second,
            registry(peers=(f"{second.url}/eureka/",)) as first,
            service(first, "orders") as process,
        ):
            await until(lambda: len(first.registry) == len(second.registry) == 1)
            process.send_signal(signal.SIGKILL)
            await until(lambda: len(second.registry) == 0, within=2.0)

    run(scenario)
