"""Three layers of services whose last one fails: no storm of retries, a quick end of it, no work in vain.

TIDELOCK_STORM=1 runs it at full size: 500 calls per second while the last layer fails for 30 seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.http_layers import QUICK, Layer, Seen, Unavailable, policy
from tests.support.waiting import eventually_async
from tidelock import http, observe
from tidelock.http.breaker import State

log = logging.getLogger(__name__)

RATE, SECONDS = (500.0, 30.0) if os.environ.get("TIDELOCK_STORM") else (100.0, 2.0)
DEADLINES = 100 if os.environ.get("TIDELOCK_STORM") else 5
SLACK = 10 + 3 * (SECONDS + 2)
"""Retries that a budget allows whatever the calls: those saved at the start, and three per second."""

pytestmark = pytest.mark.slow


def started(following: str, breaker: str, stack: contextlib.ExitStack) -> str:
    command = [sys.executable, "-m", "tests.integration.http_layers", following, breaker]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    stack.callback(child.stdout.close)
    stack.callback(child.wait, 10)
    stack.callback(child.kill)
    return f"http://127.0.0.1:{int(child.stdout.readline())}"


@contextlib.contextmanager
def layers(breaker: str) -> Iterator[list[str]]:
    """Three processes; yields their URLs, the edge's first."""
    with contextlib.ExitStack() as stack:
        last = started("-", breaker, stack)
        middle = started(last, breaker, stack)
        yield [started(middle, breaker, stack), middle, last]


def direct(url: str) -> http.Client:
    return http.Client(http.StaticSource({"layer": url}))


async def seen(urls: list[str]) -> list[Seen]:
    found = []
    for url in urls:
        async with direct(url) as client:
            found.append(await client.connect(Layer).seen())
    return found


async def switch(url: str, failing: bool) -> None:
    async with direct(url) as client:
        await client.connect(Layer).fail(failing)


async def pressed(edge: Layer, seconds: float, ended: Callable[[], None] = lambda: None) -> int:
    """Call at a fixed rate, whatever comes back; returns how many calls were made, tells when one ends."""

    async def one() -> None:
        with contextlib.suppress(Unavailable, http.CallError):
            await edge.work()
        ended()

    begun, calls = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while time.monotonic() < begun + seconds:
            group.create_task(one())
            calls += 1
            await asyncio.sleep(max(0.0, begun + calls / RATE - time.monotonic()))
    return calls


@pytest.mark.parametrize("breaker", ["on", "off"])
def test_a_failing_dependency_gets_at_most_a_quarter_more_per_layer(breaker: str) -> None:
    async def run(urls: list[str]) -> tuple[int, list[int]]:
        async with http.Client(http.StaticSource({"layer": urls[0]}), policy=policy(breaker)) as client:
            edge = client.connect(Layer)
            assert await edge.work() == "done"
            before = await seen(urls)
            await switch(urls[2], True)
            calls = await pressed(edge, SECONDS)
            after = await seen(urls)
        return calls, [now.received - then.received for now, then in zip(after, before, strict=True)]

    with layers(breaker) as urls:
        calls, received = asyncio.run(run(urls))
    log.info("breaker %s: %d calls, layers received %s", breaker, calls, received)
    assert calls > 50
    for asked, got in zip([calls, *received], received, strict=False):
        assert got <= 1.25 * asked + SLACK, (calls, received)
    if breaker == "off":
        assert (
            received[2] > calls
        )  # the budgets alone hold it: retries were made, and 27 times as many were not
    else:
        assert received[2] < calls


def test_the_breaker_opens_as_soon_as_it_has_seen_enough_and_finds_the_recovery_at_its_first_looks() -> None:
    """With calls enough that is within a second, and 0.5 s a look; counted, for any machine."""
    opened_after: list[int] = []  # calls that had ended when it opened
    ended = 0

    def count() -> None:
        nonlocal ended
        ended += 1

    async def recovered(edge: Layer) -> bool:
        with contextlib.suppress(Unavailable, http.CallError):
            return await edge.work() == "done"
        return False

    async def run(urls: list[str]) -> int:
        async with http.Client(http.StaticSource({"layer": urls[0]}), policy=policy("on")) as client:
            edge = client.connect(Layer)
            assert await edge.work() == "done"
            await switch(urls[2], True)
            await pressed(edge, SECONDS, count)
            await switch(urls[2], False)
            before = len(opened_after)
            await eventually_async(lambda: recovered(edge), 60.0, interval=0.01)
            return len(opened_after) - before

    def note(event: http.BreakerChanged) -> None:
        if event.state is State.OPEN:
            opened_after.append(ended)

    end = observe.subscribe(http.BreakerChanged, note)
    try:
        with layers("on") as urls:
            looks_in_vain = asyncio.run(run(urls))
    finally:
        end()
    log.info("the breaker opened after %d calls, %d looks in vain", opened_after[0], looks_in_vain)
    assert opened_after[0] <= QUICK.minimum_number_of_calls
    assert looks_in_vain <= 5


def test_no_layer_works_on_after_the_deadline_of_the_edge() -> None:
    async def run(urls: list[str]) -> list[float]:
        late: list[float] = []
        source = http.StaticSource({"layer": urls[0]})
        async with http.Client(source, policy=policy("off")) as client:
            edge = client.connect(Layer)
            assert await edge.work() == "done"
            for _ in range(DEADLINES):
                begun = time.monotonic()
                with http.deadline(0.3), pytest.raises((http.CallTimeout, http.StatusError, Unavailable)):
                    await edge.work(30.0)

                async def ended(begun: float = begun) -> float:
                    at = (await seen(urls[2:]))[0].ended_at
                    return at if at > begun else 0.0

                late.append(await eventually_async(ended, 20.0) - begun - 0.3)
        return late

    with layers("off") as urls:
        late = asyncio.run(run(urls))
    log.info("%d ends of work, late by %s s", len(late), sorted(round(each, 4) for each in late))
    assert min(late) < 0.3  # whoever began the time anew at a layer would end them all later than that
