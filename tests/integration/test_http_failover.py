"""Three instances as processes: killed, slow, failing; what callers notice of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.integration.http_service import Order, Orders, OutOfStock
from tests.support.flavours import Flavour, pinned
from tests.support.waiting import eventually_async
from tidelock import http, observe
from tidelock.http.breaker import BreakerSettings, State
from tidelock.http.hedging import HedgeSettings


class Process:
    """One instance."""

    def __init__(self, port: int = 0) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.http_service", str(port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        self.pid = self._child.pid
        self.port = int(self._child.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGKILL)

    def end(self) -> None:
        self.kill()
        self._child.wait(10)
        assert self._child.stdout is not None
        self._child.stdout.close()


@pytest.fixture(params=["asyncio", "blocking"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return Flavour(request.param)


@pytest.fixture
def three() -> Iterator[list[Process]]:
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(3):
            processes.append(Process())
            stack.callback(processes[-1].end)
        yield processes


@pytest.fixture
def one() -> Iterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        process.end()


def source(*processes: Process) -> http.StaticSource:
    return http.StaticSource({"order-service": [process.url for process in processes]})


def test_an_instance_killed_under_load_fails_no_idempotent_call(
    flavour: Flavour, three: list[Process]
) -> None:
    retried = 0
    ejections: list[http.Ejected] = []
    failed: list[str] = []
    used: set[int] = set()

    def note(event: http.Called) -> None:
        nonlocal retried
        retried += event.attempts > 1
        if event.error is not None or (event.status or 0) >= 500:
            failed.append(f"{event.error} {event.status}")

    async def caller(orders: Orders, over: asyncio.Event) -> None:
        nonlocal calls
        while not over.is_set():
            used.add(await orders.where(calls))
            calls += 1
            await asyncio.sleep(0.02)

    calls = 0

    async def run() -> float:
        async with flavour.client(source(*three)) as client:
            orders, over = client.connect(Orders), asyncio.Event()
            callers = [asyncio.create_task(caller(orders, over)) for _ in range(8)]
            await eventually_async(lambda: has(used == {process.port for process in three}), 60.0)
            three[0].kill()
            before, killed = calls, time.monotonic()
            await eventually_async(lambda: has(calls > before + 200), 60.0)
            over.set()
            await asyncio.gather(*callers)
            return time.monotonic() - killed

    async def has(what: bool) -> bool:
        return what

    ends = [observe.subscribe(http.Called, note), observe.subscribe(http.Ejected, ejections.append)]
    try:
        seconds = flavour(run())
    finally:
        for end in ends:
            end()
    assert failed == []
    assert len(ejections) <= math.log2(max(seconds, 1.0)) + 2  # each lasts twice as long as the last
    # what was under way or first to find the port closed; after that one call for each time that the
    # ejection was over
    assert 1 <= retried <= 8 + len(ejections)


def test_an_instance_that_comes_back_gets_calls_again(flavour: Flavour, three: list[Process]) -> None:
    async def run() -> None:
        async with flavour.client(source(*three)) as client:
            orders = client.connect(Orders)
            three[0].kill()
            for _ in range(30):
                await orders.where(1)
            again = Process(three[0].port)
            try:
                deadline = time.monotonic() + 10
                while await orders.where(1) != again.port:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.01)
            finally:
                again.end()

    flavour(run())


def test_one_interface_is_client_and_server(flavour: Flavour, one: Process) -> None:
    async def run() -> None:
        async with flavour.client(source(one)) as client:
            orders = client.connect(Orders)
            assert await orders.get(7) == Order(7, "ann")
            assert await orders.get(1001) is None
            assert await orders.place(Order(8, "bob")) == Order(8, "bob")
            assert (await orders.seen()).placed == 1
            with pytest.raises(OutOfStock, match="no order 9"):
                await orders.place(Order(9, "nobody"))
            with pytest.raises(http.StatusError, match="418"):
                await orders.status(418)
            plain = await client.get(f"{one.url}/orders/7")
            named = await client.get("http://order-service/orders/7")
            assert plain.json() == named.json() == {"id": 7, "customer": "ann"}
            wrong = await client.post("http://order-service/orders", json={"id": "x"})
            assert (wrong.status, wrong.json()) == (
                422,
                {"detail": "order: Expected `int`, got `str` - at `$.id`"},
            )
            broken = await client.post("http://order-service/orders", content=b"{")
            assert broken.status == 400
            assert (await client.get("http://order-service/orders/x")).status == 422
            assert (await client.get("http://order-service/orders/sleep")).status == 422

    flavour(run())


def test_the_deadline_reaches_the_service_and_ends_its_work(flavour: Flavour, one: Process) -> None:
    async def run() -> None:
        async with flavour.client(source(one)) as client:
            orders = client.connect(Orders)
            before = time.monotonic()
            with http.deadline(0.3), pytest.raises((http.CallTimeout, http.StatusError)):
                await orders.sleep(30.0)
            assert time.monotonic() - before < 0.6
            deadline = time.monotonic() + 5
            while (await orders.seen()).cancelled != 1:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)

    flavour(run())


def test_the_breaker_opens_and_recovers(flavour: Flavour, one: Process) -> None:
    policy = http.Policy(
        breaker=BreakerSettings(
            minimum_number_of_calls=5,
            wait_duration_in_open_state=0.2,
            permitted_number_of_calls_in_half_open_state=2,
        )
    )
    changes: list[State] = []

    async def run() -> None:
        async with flavour.client(source(one), policy=policy) as client:
            orders = client.connect(Orders)
            for _ in range(5):
                with pytest.raises(http.StatusError):
                    await orders.status(500)
            with pytest.raises(http.CircuitOpen):
                await orders.status(200)
            assert (await orders.get(1)) is not None  # another method
            await asyncio.sleep(0.25)
            for _ in range(3):
                assert (await orders.status(200)).body == b"as asked"

    end = observe.subscribe(http.BreakerChanged, lambda event: changes.append(event.state))
    try:
        flavour(run())
    finally:
        end()
    assert changes == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_pinned_interface_asks_one_instance_only(flavour: Flavour, three: list[Process]) -> None:
    async def run() -> None:
        async with flavour.client(source(*three)) as client:
            orders = client.connect(Orders)
            victim = three[1]
            only = pinned(orders, victim.url)
            assert {await only.where(number) for number in range(10)} == {victim.port}
            victim.kill()
            with pytest.raises((http.ConnectFailed, http.ConnectionBroken)) as caught:
                await only.where(1)
            assert caught.value.instance is not None
            assert caught.value.instance.instance_id == victim.url
            with pytest.raises(http.NoInstance):
                await pinned(orders, "nobody").where(1)
            assert await orders.where(1) != victim.port

    flavour(run())


def test_a_call_that_takes_long_is_asked_of_a_second_instance(flavour: Flavour, three: list[Process]) -> None:
    stopped = three[0]
    policy = http.Policy(hedge=HedgeSettings(enabled=True, delay=0.05))

    async def run() -> list[float]:
        taken: list[float] = []
        async with flavour.client(source(*three), policy=policy) as client:
            orders = client.connect(Orders)
            for number in range(20):
                await orders.where(number)
            os.kill(stopped.pid, signal.SIGSTOP)  # it still accepts connections, but answers nothing
            for number in range(20):
                before = time.monotonic()
                assert await orders.where(number) != stopped.port
                taken.append(time.monotonic() - before)
            assert [peer.in_flight for peer in client.service("order-service").peers] == [0, 0, 0]
        return taken

    taken = flavour(run())
    assert max(taken) < 1.0
    assert max(taken) > 0.05  # at least one was hedged


def test_calls_with_the_same_key_go_to_the_same_instance(flavour: Flavour, three: list[Process]) -> None:
    async def run() -> None:
        async with flavour.client(source(*three)) as client:
            orders = client.connect(Orders)
            homes = {id: await orders.home(id) for id in range(30)}
            assert set(homes.values()) == {process.port for process in three}
            assert {id: await orders.home(id) for id in range(30)} == homes
            three[0].kill()
            after = {id: await orders.home(id) for id in range(30)}
            assert {id for id in homes if homes[id] != after[id]} == {
                id for id in homes if homes[id] == three[0].port
            }

    flavour(run())
