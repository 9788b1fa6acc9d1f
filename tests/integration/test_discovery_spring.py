"""Spring's Eureka server as a peer of ours, and as the only registry of our client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines import eureka
from tests.engines.fetch import Unavailable
from tests.engines.kafka import free_port
from tests.integration.test_discovery_client import an_instance, client, registry, run
from tests.support.waiting import eventually_async
from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.codec import json
from tidelock.discovery.codec.fields import instance_from
from tidelock.discovery.instance import Instance, Status
from tidelock.runtime import bind_loopback

pytestmark = [pytest.mark.needs_spring, pytest.mark.timeout(400)]  # Java's start on a busy machine


@pytest.fixture(scope="module")
def jar() -> Path:
    try:
        return eureka.find()
    except Unavailable as why:
        pytest.skip(str(why))


@contextlib.asynccontextmanager
async def spring(port: int, *peers: str) -> AsyncIterator[str]:
    server = eureka.server(port, peers=peers)
    await asyncio.to_thread(server.__enter__)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def looked_up(there: DiscoveryClient, instance_id: str) -> Instance | None:
    """What a server says of one instance; Spring's caches nothing here."""
    answer = await there._call("GET", f"instances/{instance_id}")
    if answer.status != 200:
        return None
    return instance_from(json.read_tree(answer.body, "instance"))


@pytest.mark.usefixtures("jar")
def test_spring_is_a_peer_of_ours() -> None:
    async def scenario() -> None:
        sock = bind_loopback(0)
        ours, theirs = sock.getsockname()[1], free_port()
        sock.close()
        async with (
            registry(ours, peers=(f"http://127.0.0.1:{theirs}/eureka/",)) as server,
            spring(theirs, f"{server.url}/eureka/") as url,
            client(server.url) as here,
            client(url) as there,
        ):
            # Java holds back what a heartbeat replaced within half a second, and all that stands behind it
            quick = {"renewal_interval": 1.0, "duration": 90.0}
            assert await here.register(an_instance(1, **quick))
            assert await there.register(an_instance(2, **quick))

            async def status(who: DiscoveryClient, instance_id: str, wanted: Status | None) -> None:
                async def check() -> bool:
                    found = await looked_up(who, instance_id)
                    return (found.status if found else None) is wanted

                await eventually_async(check, 60.0, interval=0.1)

            await status(there, "i1", Status.UP)
            await status(here, "i2", Status.UP)
            assert await here.drain(an_instance(1))
            assert await there.drain(an_instance(2))
            await status(there, "i1", Status.OUT_OF_SERVICE)
            await status(here, "i2", Status.OUT_OF_SERVICE)
            for who, number in ((there, 1), (here, 2)):  # each through the other
                path = f"apps/ORDERS/i{number}/status?value=UP"
                assert (await who._call("DELETE", path)).status == 200
            for who in (here, there):  # the removal travels without its status; heartbeats repair that
                await status(who, "i1", Status.UP)
                await status(who, "i2", Status.UP)
            assert await here.cancel(an_instance(1))
            assert await there.cancel(an_instance(2))
            await status(there, "i1", None)
            await status(here, "i2", None)

    run(scenario)


@pytest.mark.usefixtures("jar")
def test_spring_is_the_only_registry_of_our_client() -> None:
    async def scenario() -> None:
        async with spring(free_port()) as url, client(url) as one:
            assert await one.register(an_instance(duration=90.0))
            assert not one.is_pushed
            drained = await one.drain(an_instance())
            assert drained is not None
            assert drained.watchers == 0
            found = await looked_up(one, "i1")
            assert found is not None
            assert found.status is Status.OUT_OF_SERVICE
            await one.refresh()
            assert await one.cancel(an_instance())
            assert await looked_up(one, "i1") is None

    run(scenario)
