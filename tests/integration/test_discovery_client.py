"""Our client against our registry, both on real sockets; the registry may be killed and come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tests.support.waiting import eventually_async
from tidelock.discovery.client import DiscoveryClient, RegistryRefusedError
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.lease import Moment
from tidelock.discovery.server import RegistryServer
from tidelock.discovery.settings import DiscoverySettings, RegistrySettings
from tidelock.discovery.transport import RegistryUnreachableError
from tidelock.runtime import bind_loopback

QUICK = 0.05


def an_instance(number: int = 1, **changes: object) -> Instance:
    fields: dict[str, object] = {"renewal_interval": QUICK, "duration": 2.0}
    return Instance(
        app="orders",
        instance_id=f"i{number}",
        host="127.0.0.1",
        ip="127.0.0.1",
        port=number,
        **{**fields, **changes},
    )  # type: ignore[arg-type]  # a test's shorthand


@contextlib.asynccontextmanager
async def registry(
    port: int = 0, data_dir: Path | None = None, **settings: object
) -> AsyncIterator[RegistryServer]:
    chosen = RegistrySettings(**{"eviction_interval_ms": 50, **settings})  # type: ignore[arg-type]  # same
    server = RegistryServer(chosen, bind_loopback(port, what="registry"), data_dir=data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def client(*urls: str, **settings: object) -> AsyncIterator[DiscoveryClient]:
    chosen = DiscoverySettings(
        service_url=tuple(f"{url}/eureka/" for url in urls),
        **{"registry_fetch_interval": QUICK, **settings},  # type: ignore[arg-type]  # same
    )
    made = DiscoveryClient(chosen)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    async def check() -> bool:
        return bool(condition())

    await eventually_async(check, within)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


def test_instances_are_registered_seen_drained_and_cancelled() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url) as a, client(server.url) as b:
            told: list[frozenset[str]] = []
            end = b.on_change(told.append)
            assert await a.register(an_instance())
            await until(lambda: b.instances("Orders"))
            assert b.applications() == ("ORDERS",)
            assert told == [{"ORDERS"}]
            assert b.instances("orders")[0].address == ("127.0.0.1", 1)
            assert await a.drain(an_instance())
            await until(lambda: not b.instances("orders"))
            assert await a.cancel(an_instance())
            await until(lambda: not b.applications())
            assert told == [{"ORDERS"}, {"ORDERS"}]
            end()

    run(scenario)


def test_a_change_of_an_instance_is_announced() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url) as a, client(server.url) as b:
            await a.register(an_instance(status=Status.STARTING))
            await until(b.applications)
            assert not b.instances("orders")
            await a.register(an_instance(status=Status.UP, metadata={"v": "1"}))
            await until(lambda: b.instances("orders"))
            await a.register(an_instance(status=Status.UP, metadata={"v": "2"}))
            await until(lambda: b.instances("orders")[0].metadata == {"v": "2"})

    run(scenario)


def test_heartbeats_keep_the_lease_and_stop_cancels_it() -> None:
    async def scenario() -> None:
        async with registry() as server:
            async with client(server.url) as a:
                await a.register(an_instance(duration=0.4))
                renewed = next(server.registry.leases()).renewed
                await until(lambda: next(server.registry.leases()).renewed > renewed + 1.0)
            assert len(server.registry) == 0

    run(scenario)


def test_stopping_can_leave_the_lease_to_end_by_itself() -> None:
    async def scenario() -> None:
        async with registry() as server:
            async with client(server.url, unregister_on_shutdown=False) as a:
                await a.register(an_instance(duration=0.4))
            assert len(server.registry) == 1
            await until(lambda: len(server.registry) == 0)

    run(scenario)


def test_a_lost_lease_is_registered_again() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url) as a:
            await a.register(an_instance())
            server.registry.cancel("orders", "i1", Moment(0, 0))
            await until(lambda: len(server.registry) == 1)

    run(scenario)


def test_the_copy_survives_the_registry_and_instances_come_back_with_it() -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with registry() as server:
                a = await stack.enter_async_context(client(server.url))
                await a.register(an_instance())
                await until(lambda: a.instances("orders"))
                port = int(server.url.rsplit(":", 1)[1])
            with pytest.raises(RegistryUnreachableError):
                await a.refresh()
            assert len(a.instances("orders")) == 1
            async with registry(port) as again:  # without a data folder: it knows nobody
                await until(lambda: len(again.registry) == 1)
                await until(lambda: a.instances("orders"))

    run(scenario)


def test_a_client_starts_before_its_registry() -> None:
    async def scenario() -> None:
        sock = bind_loopback(0)
        port = sock.getsockname()[1]
        sock.close()
        async with client(f"http://127.0.0.1:{port}") as a:
            assert await a.register(an_instance()) is False
            async with registry(port) as server:
                await until(lambda: a.instances("orders"))
                assert len(server.registry) == 1

    run(scenario)


def test_the_next_registry_is_asked_when_one_is_down() -> None:
    async def scenario() -> None:
        async with registry() as server, client("http://127.0.0.1:9", server.url) as a:
            assert await a.register(an_instance())
            await until(lambda: a.instances("orders"))

    run(scenario)


def test_without_deltas_the_whole_registry_is_fetched() -> None:
    async def scenario() -> None:
        for server_says, client_says in ((True, False), (False, True)):
            async with (
                registry(disable_delta=server_says) as server,
                client(server.url, disable_delta=client_says) as a,
            ):
                await a.register(an_instance())
                await until(lambda a=a: a.instances("orders"))  # type: ignore[misc]  # bound per turn

    run(scenario)


def test_a_refused_registration_is_told_and_not_repeated() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url) as a:
            bad = msgspec.structs.replace(an_instance(), ip="")
            with pytest.raises(RegistryRefusedError, match="Missing ip address"):
                await a.register(bad)
            assert len(server.registry) == 0

    run(scenario)


def test_leases_survive_a_restart_of_the_registry(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with client("http://127.0.0.1:9") as nobody:
            assert nobody.applications() == ()
        async with (
            registry(data_dir=tmp_path) as server,
            client(server.url, unregister_on_shutdown=False) as a,
        ):
            await a.register(an_instance(duration=60.0, metadata={"a_b": "c"}))
            await a.register(an_instance(2, duration=60.0))
            await a.drain(an_instance(2))
            port = int(server.url.rsplit(":", 1)[1])
            await a.stop()
        async with registry(port, data_dir=tmp_path) as again:
            found = {one.instance_id: one for one in again.registry.application("orders")}
            assert found["i1"].metadata == {"a_b": "c"}
            assert found["i2"].status is found["i2"].overridden is Status.OUT_OF_SERVICE

    run(scenario)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"layout":9}', b'{"layout":1,"instances":[{}]}'])
def test_a_damaged_file_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "leases.json").write_bytes(content)

    async def scenario() -> None:
        async with registry(data_dir=tmp_path) as server:
            assert len(server.registry) == 0
        assert (tmp_path / "leases.json.bad").read_bytes() == content

    run(scenario)


def test_crashed_instances_are_evicted_although_they_are_many_and_silent_ones_are_kept() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url, unregister_on_shutdown=False) as a:
            open_ports = [bind_loopback(0) for _ in range(3)]
            alive = [sock.getsockname()[1] for sock in open_ports]
            for port in alive:  # they listen but their heartbeats do not come: a broken network
                await a.register(an_instance(port, duration=0.3))
            for closed in (1, 2, 3, 4):  # nobody listens there: they crashed
                await a.register(an_instance(closed, duration=0.3))
            await a.stop()
            await until(lambda: len(server.registry) == 3)
            assert sorted(one.port for one in server.registry.application("orders")) == sorted(alive)
            for sock in open_ports:
                sock.close()
            await until(lambda: len(server.registry) == 0)

    run(scenario)
