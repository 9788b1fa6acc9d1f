"""Push on real sockets: who is told how fast when a process is killed, drained, or the registry changes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator

from tests.integration.test_discovery_client import an_instance, client, registry, run, until
from tidelock import web
from tidelock.discovery.calls import Line, Report
from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.instance import Instance
from tidelock.discovery.server import RegistryServer
from tidelock.runtime import bind_loopback

SERVICE = """
import asyncio, sys
from tidelock.discovery import DiscoveryClient, DiscoverySettings, InstanceSettings
from tidelock.runtime import bind_loopback

async def main(url, app):
    sock = bind_loopback(0)
    await asyncio.start_server(lambda reader, writer: writer.close(), sock=sock)
    settings = DiscoverySettings(service_url=(url,), fetch_registry=False)
    client = DiscoveryClient(settings)
    await client.register(InstanceSettings().instance(app, sock.getsockname()[1]))
    while not client.is_pushed:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""
NEVER = 600.0
"""Seconds between polls: whatever is seen was pushed."""


@contextlib.asynccontextmanager
async def service(server: RegistryServer, app: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that listens, has registered, and hangs on its stream."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, f"{server.url}/eureka/", app, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def watchers(server: RegistryServer, count: int) -> AsyncIterator[list[DiscoveryClient]]:
    async with contextlib.AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(client(server.url, registry_fetch_interval=NEVER))
            for _ in range(count)
        ]
        await until(lambda: len(server.app.push.streams) >= count)
        yield made


def test_after_a_kill_a_hundred_watchers_know_within_a_second() -> None:
    async def scenario() -> None:
        async with (
            registry() as server,
            service(server, "orders") as process,
            service(server, "orders"),
            watchers(server, 100) as everyone,
        ):
            await until(lambda: all(len(one.instances("orders")) == 2 for one in everyone))
            began = time.monotonic()
            process.send_signal(signal.SIGKILL)
            await until(lambda: all(len(one.instances("orders")) == 1 for one in everyone), within=5.0)
            assert time.monotonic() - began < 1.0

    run(scenario)


def test_three_that_die_together_are_kept_until_their_leases_end() -> None:
    async def scenario() -> None:
        async with registry() as server, contextlib.AsyncExitStack() as stack:
            crew = [await stack.enter_async_context(service(server, "orders")) for _ in range(3)]
            for process in crew:
                process.send_signal(signal.SIGKILL)
            await until(lambda: len(server.app.push.streams) == 0)
            await until(lambda: not server.app.push._probes)
            assert len(server.registry) == 3

    run(scenario)


def test_an_instance_whose_stream_breaks_while_its_port_answers_stays() -> None:
    async def scenario() -> None:
        sock = bind_loopback(0)
        async with registry() as server, client(server.url) as alive:
            await alive.register(an_instance(sock.getsockname()[1], duration=60.0))
            await until(lambda: alive.is_pushed)
            await alive._watching.stop()
            await until(lambda: len(server.app.push.streams) == 0 and not server.app.push._probes)
            assert len(server.registry) == 1
        sock.close()

    run(scenario)


def test_a_drain_is_acknowledged_by_all_watchers() -> None:
    async def scenario() -> None:
        async with registry() as server, watchers(server, 20) as everyone:
            await everyone[0].register(an_instance())
            await until(lambda: all(one.instances("orders") for one in everyone))
            drained = await everyone[0].drain(an_instance())
            assert drained is not None
            assert (drained.acknowledged, drained.watchers) == (20, 20)
            assert not any(one.instances("orders") for one in everyone)

    run(scenario)


def test_watchers_find_the_registry_again_after_its_restart() -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with registry() as server:
                port = int(server.url.rsplit(":", 1)[1])
                one = await stack.enter_async_context(client(server.url))
                await one.register(an_instance())
                await until(lambda: one.is_pushed and one.instances("orders"))
            await until(lambda: not one.is_pushed)
            async with registry(port) as again:
                await until(lambda: one.is_pushed and len(again.registry) == 1)
                await until(lambda: len(one.instances("orders")) == 1)

    run(scenario)


def test_a_registry_without_push_is_polled() -> None:
    async def scenario() -> None:
        async with registry() as server:

            async def java(scope: web.Scope, receive: web.Receive, send: web.Send) -> None:
                if scope["path"].startswith("/eureka/watch"):
                    await web.send_reply(send, 404, b"")
                else:
                    await server.app(scope, receive, send)

            front = web.HttpServer(java, sock=bind_loopback(0), what="front")
            await front.start()
            async with client(front.url) as one:
                assert await one.register(an_instance())
                await until(lambda: one.instances("orders"))
                assert not one.is_pushed
                drained = await one.drain(an_instance())
                assert drained is not None
                assert drained.watchers == 0
                await until(lambda: not one.instances("orders"))
            await front.stop()

    run(scenario)


def test_a_report_of_a_caller_removes_a_crashed_instance_and_no_other() -> None:
    async def scenario() -> None:
        sock = bind_loopback(0)
        alive = sock.getsockname()[1]
        async with registry() as server, client(server.url, watch=False) as one:
            for port in (alive, 1):
                await one.register(
                    Instance(
                        app="orders", instance_id=f"i{port}", host="127.0.0.1", ip="127.0.0.1", port=port
                    )
                )
            for port in (alive, 1):
                assert await one.suspect(an_instance(port))
            await until(lambda: len(server.registry) == 1)
            await until(lambda: not server.app.push._probes)
            assert [found.port for found in server.registry.application("orders")] == [alive]
        sock.close()

    run(scenario)


def test_without_probes_nobody_is_suspected() -> None:
    async def scenario() -> None:
        async with registry(probe_expired=False) as server, service(server, "orders") as process:
            async with client(server.url, watch=False) as one:
                (instance,) = server.registry.application("orders")
                assert not await one.suspect(instance)
            process.send_signal(signal.SIGKILL)
            await until(lambda: len(server.app.push.streams) == 0)
            assert not server.app.push._probes
            assert len(server.registry) == 1

    run(scenario)


def test_a_caller_s_report_is_on_the_page() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url) as one:
            report = Report("users", [Line("orders", 50, p99_ms=7.0)], "i1")
            assert await one.report_calls(report)
            answer = await one._call("GET", "calls")
            assert b'"callee":"ORDERS"' in answer.body
            assert not await one.report_calls(Report("", []))

    run(scenario)
