"""Three instances under load, one killed: no idempotent call fails, whatever the registry does or is."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.crash_story import CALLERS, DOWN, JAVA, OURS, story
from tests.integration.test_discovery_client import client, registry, until
from tests.integration.test_http_failover import Orders
from tidelock import http
from tidelock.discovery.instance import Instance
from tidelock.http.local import ZONE_VARIABLE, LocalFirst
from tidelock.runtime import SystemClock


@pytest.mark.parametrize("kind", [OURS, DOWN, JAVA])
def test_a_kill_under_load_fails_no_idempotent_call(kind: str) -> None:
    noticed = asyncio.run(story(kind, watching=100 if kind == OURS else 0, after=0.9))
    assert noticed.calls > 50
    assert noticed.failed == []
    # what was under way or first to find the port closed; on a busy machine one more after the ejection
    assert len(noticed.refused) <= CALLERS + 1
    if kind == OURS:
        assert noticed.told is not None
        assert noticed.told < 5.0  # 0.2 s on an idle machine: bench crash


def test_a_caller_that_is_refused_tells_the_registry() -> None:
    async def scenario() -> None:
        async with registry() as server, client(server.url, watch=False) as owner:
            gone = Instance(app="order-service", instance_id="gone", host="127.0.0.1", ip="127.0.0.1", port=1)
            await owner.register(gone)
            source = LocalFirst(SystemClock(), {ZONE_VARIABLE: f"{server.url}/eureka/"})
            async with http.Client(source) as caller:
                with pytest.raises(http.CallError):
                    await caller.connect(Orders).where(1)
                await owner._forget(gone)  # or it would register again
                await until(lambda: len(server.registry) == 0)
            await source.close()

    asyncio.run(scenario())
