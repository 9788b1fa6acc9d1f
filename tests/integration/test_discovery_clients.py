"""py-eureka-client, spring-ready-python and eureka-js-client, unmodified, against our registry."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.eureka_clients.recording import recorded
from tests.support.waiting import eventually_async
from tidelock.discovery.push import moment
from tidelock.discovery.server import RegistryServer
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import SystemClock, bind_loopback

FOLDER = Path(__file__).parent / "eureka_clients"
PATIENCE = 60.0
"""Seconds; a client that starts beside all other tests takes its time."""
NPM = "eureka-js-client@4.5.0"


@dataclass
class Peer:
    """A foreign client in a process of its own."""

    process: asyncio.subprocess.Process

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        return json.loads(line)

    async def ask(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        return await self.hear()

    async def sees(self, app: str, *ids: str) -> None:
        async def same() -> bool:
            return bool((await self.ask(f"see {app}"))["seen"] == sorted(ids))

        await eventually_async(same, PATIENCE)


@contextlib.asynccontextmanager
async def peer(*command: str, environment: dict[str, str] | None = None) -> AsyncIterator[Peer]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, env={**os.environ, **(environment or {})}
    )
    try:
        started = Peer(process)
        assert await started.hear() == {"event": "started"}
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def py_peer(url: str, app: str, instance_id: str) -> contextlib.AbstractAsyncContextManager[Peer]:
    return peer(sys.executable, str(FOLDER / "py_client.py"), f"{url}/eureka", app, instance_id, "8001")


def spring_peer(url: str, app: str, instance_id: str) -> contextlib.AbstractAsyncContextManager[Peer]:
    return peer(sys.executable, str(FOLDER / "spring_client.py"), f"{url}/eureka", app, instance_id, "8003")


def js_peer(
    url: str,
    modules: Path,
    app: str,
    instance_id: str,
    path: str = "/eureka/apps/",
    delta: str = "delta",
) -> contextlib.AbstractAsyncContextManager[Peer]:
    address = url.removeprefix("http://")
    command = ("node", str(FOLDER / "js_client.js"), address, path, app, instance_id, "8002", delta)
    return peer(*command, environment={"NODE_PATH": str(modules)})


@contextlib.asynccontextmanager
async def registry() -> AsyncIterator[RegistryServer]:
    settings = RegistrySettings(eviction_interval_ms=100)
    server = RegistryServer(settings, bind_loopback(0, what="registry"))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js with npm is not installed (Debian packages nodejs, npm)")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), NPM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        pytest.skip(f"{NPM} cannot be installed with npm: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"


def test_py_eureka_client_registers_renews_sees_and_leaves() -> None:
    async def scenario() -> None:
        async with registry() as server, py_peer(server.url, "py-a", "a") as a:
            async with py_peer(server.url, "py-b", "b") as b:
                await a.sees("PY-B", "b")
                await b.sees("PY-A", "a")
                # Java writes metadata keys through XStream into XML; this client does not undo that
                [metadata] = (await a.ask("metadata PY-B"))["metadata"]
                assert metadata["a__b"] == "c"
                assert server.registry.application("py-b")[0].metadata["a_b"] == "c"
                await asyncio.sleep(4)  # longer than both leases: only heartbeats keep them
                assert len(server.registry) == 2
                await b.ask("status OUT_OF_SERVICE")
                await a.sees("PY-B")
                assert server.registry.application("py-b")[0].overridden.value == "OUT_OF_SERVICE"
                await b.ask("unset")  # UNKNOWN -> heartbeat answered 404 -> registers again
                await a.sees("PY-B", "b")
                assert await b.ask("quit") == {"event": "stopped"}
            await a.sees("PY-B")
            assert [lease.instance.app for lease in server.registry.leases()] == ["PY-A"]

    asyncio.run(scenario())


def test_every_request_of_py_eureka_client_is_answered_as_java_would() -> None:
    async def scenario() -> None:
        async with registry() as server, recorded(server.url) as (url, seen), py_peer(url, "py-a", "a") as a:
            await a.sees("PY-A", "a")

            async def has_renewed() -> bool:
                return ("PUT", "apps/PY-A/a", 200) in {(each[0], plain(each[1]), each[2]) for each in seen}

            await eventually_async(has_renewed, PATIENCE)
            assert (await a.ask("vip py-a"))["seen"] == ["a"]
            by_id, in_app, metadata = (await a.ask("instance py-a a"))["found"]
            assert (by_id, in_app, metadata["a__b"]) == ("a", "a", "c")
            await a.ask("status OUT_OF_SERVICE")
            await a.ask("unset")  # its next heartbeat is answered 404, and it registers again
            await a.sees("PY-A", "a")
            server.registry.cancel("py-a", "a", moment(SystemClock()))

            async def is_back() -> bool:
                return len(server.registry) == 1

            await eventually_async(is_back, PATIENCE)
            assert await a.ask("quit") == {"event": "stopped"}
            kinds = {(method, plain(target), status) for method, target, status in seen}
        assert kinds == {
            ("POST", "apps/PY-A", 204),
            ("PUT", "apps/PY-A/a", 200),
            ("PUT", "apps/PY-A/a", 404),
            ("GET", "apps/", 200),
            ("GET", "apps/delta", 200),
            ("GET", "vips/py-a", 200),
            ("GET", "instances/a", 200),
            ("GET", "apps/py-a/a", 200),
            ("PUT", "apps/PY-A/a/status", 200),
            ("DELETE", "apps/PY-A/a/status", 200),
            ("DELETE", "apps/PY-A/a", 200),
        }

    asyncio.run(scenario())


def plain(target: str) -> str:
    return target.partition("?")[0].removeprefix("/eureka/")


def test_py_eureka_client_comes_back_after_its_lease_was_lost() -> None:
    async def scenario() -> None:
        async with registry() as server, py_peer(server.url, "py-a", "a"):
            server.registry.cancel("py-a", "a", moment(SystemClock()))

            async def back() -> bool:
                return len(server.registry) == 1

            await eventually_async(back, PATIENCE)

    asyncio.run(scenario())


def test_spring_ready_python_registers_renews_sees_comes_back_and_leaves() -> None:
    async def scenario() -> None:
        async with registry() as server, py_peer(server.url, "py-orders", "p1") as python:
            async with spring_peer(server.url, "spring-users", "s1") as spring:
                await spring.sees("py-orders", "p1")
                await python.sees("SPRING-USERS", "s1")
                assert (await spring.ask("services"))["services"] == ["PY-ORDERS", "SPRING-USERS"]
                assert (await spring.ask("url py-orders"))["url"] == "http://127.0.0.1:8001"
                assert server.registry.application("spring-users")[0].metadata == {"a_b": "c"}
                await asyncio.sleep(4)  # longer than its lease: only heartbeats keep it
                assert len(server.registry) == 2
                await spring.ask("status OUT_OF_SERVICE")
                await python.sees("SPRING-USERS")
                await spring.ask("status UP")
                await python.sees("SPRING-USERS", "s1")
                server.registry.cancel("spring-users", "s1", moment(SystemClock()))
                assert len(server.registry) == 1

                async def back() -> bool:
                    return len(server.registry) == 2

                await eventually_async(back, PATIENCE)  # its heartbeat was answered 404
                assert await spring.ask("quit") == {"event": "stopped"}
            await python.sees("SPRING-USERS")
            assert not server.registry.application("spring-users")

    asyncio.run(scenario())


@pytest.mark.needs_node
@pytest.mark.parametrize("path", ["/eureka/apps/", "/eureka/v2/apps/", "/eureka/apps", "/eureka/v2/apps"])
def test_both_clients_see_each_other_and_leave(node_modules: Path, path: str) -> None:
    async def scenario() -> None:
        async with registry() as server, py_peer(server.url, "py-orders", "p1") as python:
            async with js_peer(server.url, node_modules, "js-users", "j1", path) as node:
                await node.sees("py-orders", "p1")
                await python.sees("JS-USERS", "j1")
                assert (await node.ask("vip js-users"))["seen"] == ["j1"]

                async def beaten() -> bool:
                    return bool((await node.ask("beats"))["beats"] >= 2)

                await eventually_async(beaten, PATIENCE)
                assert await node.ask("quit") == {"event": "stopped"}
            await python.sees("JS-USERS")
            assert [lease.instance.app for lease in server.registry.leases()] == ["PY-ORDERS"]

    asyncio.run(scenario())


@pytest.mark.needs_node
@pytest.mark.parametrize("delta", ["delta", "full"])
def test_javascript_notices_that_an_instance_is_out_of_service(node_modules: Path, delta: str) -> None:
    # with deltas this client keeps what is not UP, and tells its status; without, it filters
    expected = ["OUT_OF_SERVICE"] if delta == "delta" else []

    async def scenario() -> None:
        async with (
            registry() as server,
            py_peer(server.url, "py-orders", "p1") as python,
            js_peer(server.url, node_modules, "js-users", "j1", delta=delta) as node,
        ):
            await node.sees("py-orders", "p1")
            await python.ask("status OUT_OF_SERVICE")

            async def noticed() -> bool:
                return bool((await node.ask("statuses py-orders"))["statuses"] == expected)

            await eventually_async(noticed, PATIENCE)

    asyncio.run(scenario())


@pytest.mark.needs_node
def test_a_killed_client_is_gone_for_the_others_when_its_lease_ends(node_modules: Path) -> None:
    async def scenario() -> None:
        async with registry() as server, js_peer(server.url, node_modules, "js-users", "j1") as node:
            async with py_peer(server.url, "py-orders", "p1") as python:
                await node.sees("py-orders", "p1")
                python.process.kill()
                await python.process.wait()
            await node.sees("py-orders")

    asyncio.run(scenario())
