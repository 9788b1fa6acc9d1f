"""`tidelock run`: real processes, a real registry; killed, reloaded, stopped in the middle of a request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.test_discovery_client import registry
from tests.support.up import REAL
from tests.support.waiting import eventually_async
from tidelock import http
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.server import RegistryServer

PATIENCE = 40.0

SHOP = """
import asyncio, os
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def answer(request):
    await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return JSONResponse({"pid": os.getpid(), "version": VERSION})

VERSION = 1
app = Starlette(routes=[Route("/", answer)])
"""


class Run:
    """One `tidelock run` as a subprocess."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written = ""
        self.reading = asyncio.create_task(self._read())

    async def says(self, text: str) -> None:
        """Wait until it has written something."""

        async def check() -> bool:
            return text in self.written

        await eventually_async(check, PATIENCE)

    async def end(self) -> str:
        """Stop it as a service manager does; returns what it wrote."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> str:
        """Wait for its end; returns what it wrote."""
        async with asyncio.timeout(PATIENCE):
            await self.process.wait()
            await self.reading
        return self.written

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.written += line.decode()


@contextlib.asynccontextmanager
async def run(folder: Path, server: RegistryServer, *arguments: str) -> AsyncIterator[Run]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), *os.sys.path))}  # type: ignore[attr-defined]
    process = await asyncio.create_subprocess_exec(
        *REAL,
        "run",
        "shop:app",
        *("--name", "shop", "--registry-url", server.url, *arguments),
        cwd=folder,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    started = Run(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            process.kill()
            await started.ended()


def up(server: RegistryServer) -> list[Instance]:
    return [one for one in server.registry.application("shop") if one.status is Status.UP]


async def are_up(server: RegistryServer, count: int) -> list[Instance]:
    async def check() -> bool:
        return len(up(server)) == count

    await eventually_async(check, PATIENCE)
    return up(server)


async def pid_of(client: http.Client, instance: Instance) -> int:
    answer = await client.get(f"{instance.url}/")
    return int(answer.json()["pid"])


def test_two_instances_come_up_come_back_and_leave_in_order(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)

    async def scenario() -> None:
        async with registry() as server, run(tmp_path, server, "-n", "2") as shop, http.Client() as client:
            first, second = await are_up(server, 2)
            assert first.port != second.port
            health = await client.get(first.health_check_url or "")
            info = await client.get(first.status_page_url or "")
            assert health.json() == {"status": "UP"}
            assert info.json() == {"app": {"name": "shop", "instanceId": first.instance_id}}
            old = await pid_of(client, first)
            os.kill(old, signal.SIGKILL)

            async def back() -> bool:
                with contextlib.suppress(http.CallError):
                    return await pid_of(client, first) != old
                return False

            await eventually_async(back, PATIENCE)
            await are_up(server, 2)
            slow = asyncio.create_task(client.get(f"{second.url}/?seconds=0.5"))
            await asyncio.sleep(0.1)  # the request is being served when the end comes
            written = await shop.end()
            assert (await slow).status == 200
            assert shop.process.returncode == 0
            assert not server.registry.application("shop")
            assert "died, restart in" in written
            assert "Traceback" not in written

    asyncio.run(scenario())


def test_a_changed_file_restarts_it_and_a_broken_one_waits_for_the_next_change(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SHOP)

    async def scenario() -> None:
        async with registry() as server, run(tmp_path, server, "--reload") as shop, http.Client() as client:
            (instance,) = await are_up(server, 1)

            async def serves(version: int) -> bool:
                with contextlib.suppress(http.CallError):
                    return bool((await client.get(f"{instance.url}/")).json()["version"] == version)
                return False

            async def serves_the_second() -> bool:
                return await serves(2)

            async def gone() -> bool:
                return not up(server)

            file.write_text("this is no Python\n")
            await shop.says("waiting for the next change")
            await eventually_async(gone, PATIENCE)
            file.write_text(SHOP.replace("VERSION = 1", "VERSION = 2"))
            await eventually_async(serves_the_second, PATIENCE)
            assert [one.instance_id for one in await are_up(server, 1)] == [instance.instance_id]
            written = await shop.end()
            assert written.count("shop.py changed: restarting") == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "says"),
    [("app = 3\n", "cannot be called"), ("import nothing_of_the_kind\n", "no module nothing_of_the_kind")],
)
def test_what_cannot_run_is_said_and_ends_with_2(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "shop.py").write_text(text)

    async def scenario() -> None:
        async with registry() as server, run(tmp_path, server) as shop:
            assert says in await shop.ended()
            assert shop.process.returncode == 2

    asyncio.run(scenario())
