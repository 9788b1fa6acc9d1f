"""Trouble from a seed, in virtual time: the client's rules meet it as they would in production."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.support.frameworks import FRAMEWORKS, application
from tidelock import http
from tidelock.discovery.instance import Instance
from tidelock.errors import UsageError
from tidelock.http.around import BlockingExchanger
from tidelock.http.exchange import Outgoing, Response
from tidelock.http.hedging import HedgeSettings
from tidelock.http.retry import RetrySettings
from tidelock.http.wire.idle import Address, Outcome
from tidelock.testing import chaos, connect, virtual_time
from tidelock.testing.trouble import Chaos, distribution


class Order(msgspec.Struct):
    id: int


@http.api("orders", path="/orders")
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> Order:
        raise NotImplementedError

    @http.post()
    async def place(self, order: Order) -> Order:
        raise NotImplementedError

    @http.get("/events")
    def events(self) -> http.Stream[Order]:
        raise NotImplementedError


class Here(Orders):
    def __init__(self) -> None:
        self.placed = 0

    async def get(self, id: int) -> Order:
        if id == 13:
            raise RuntimeError("a defect")
        await asyncio.sleep(id / 1000)
        return Order(id)

    async def place(self, order: Order) -> Order:
        self.placed += 1
        return order

    def events(self) -> http.Stream[Order]:
        async def made() -> object:
            yield Order(1)
            yield Order(2)

        return http.stream(made())  # type: ignore[arg-type]  # an asynchronous generator


def service() -> tuple[Starlette, Here]:
    app, here = Starlette(), Here()
    http.mount(app, here)
    return app, here


def two() -> dict[str, Starlette]:
    return {"i-1": service()[0], "i-2": service()[0]}


def story(seed: int) -> tuple[list[object], float, int]:
    """Fifty calls in trouble: what came of each, how long all took, how many attempts."""
    outcomes: list[object] = []

    async def run(orders: Orders) -> None:
        for number in range(50):
            try:
                outcomes.append(await orders.get(number % 5))
            except http.CallError as error:
                outcomes.append(error.code)

    with virtual_time() as time:
        orders = connect(Orders, two(), seed=seed)
        with chaos(orders, latency="lognormal(20ms,0.5)", error=0.2, refuse=["i-2"], seed=seed) as trouble:
            time.run(run(orders))
        return outcomes, time.monotonic(), trouble.attempts


def test_the_same_seed_is_the_same_trouble() -> None:
    assert story(1) == story(1)
    assert story(1) != story(2)


def test_most_idempotent_calls_outlive_errors_and_a_dead_instance() -> None:
    outcomes, seconds, attempts = story(1)
    assert sum(isinstance(each, Order) for each in outcomes) >= 45
    assert attempts > 50
    assert 0.5 < seconds < 5.0  # fifty times about 20 ms, and the pauses


def test_a_breaker_opens_and_closes_again_in_virtual_time() -> None:
    async def run(orders: Orders) -> None:
        with chaos(orders, error=1.0):
            for _ in range(30):
                with pytest.raises((http.StatusError, http.CircuitOpen)):
                    await orders.get(1)
            with pytest.raises(http.CircuitOpen):
                await orders.get(1)
        with pytest.raises(http.CircuitOpen):
            await orders.get(1)
        await asyncio.sleep(10.0)
        for _ in range(20):
            assert await orders.get(1) == Order(1)

    with virtual_time() as time:
        time.run(run(connect(Orders, two())))
        assert time.monotonic() > 10.0


def test_a_lost_answer_leaves_a_write_in_doubt_and_was_carried_out() -> None:
    app, here = service()

    async def run() -> None:
        orders = connect(Orders, {"i-1": app})
        with chaos(orders, lost=1.0) as trouble:
            with pytest.raises(http.InDoubt):
                await orders.place(Order(1))
            assert trouble.troubled == trouble.attempts == 1

    asyncio.run(run())
    assert here.placed == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_single_application_meets_trouble_as_its_service_s_only_instance(framework: str) -> None:
    here = Here()
    app = application(framework, here)

    async def run() -> None:
        orders = connect(Orders, app, policy=http.Policy(retry=RetrySettings(max_attempts=2)))
        with chaos(orders, error=1.0) as trouble:
            with pytest.raises(http.StatusError, match="503"):
                await orders.get(1)
            assert trouble.attempts == trouble.troubled == 2
        with chaos(orders, lost=1.0), pytest.raises(http.InDoubt) as caught:
            await orders.place(Order(1))
        assert here.placed == 1
        assert caught.value.instance is not None
        with chaos(orders, refuse=["memory"]), pytest.raises(http.ConnectFailed):
            await http.at(orders, caught.value.instance).get(1)
        with chaos(orders, latency="1s"), http.deadline(0.01), pytest.raises(http.CallTimeout):
            await orders.get(1)
        with chaos(orders) as trouble:
            assert await http.at(orders, "memory").get(1) == Order(1)
            assert trouble.attempts == 1
        assert await orders.get(1) == Order(1)

    asyncio.run(run())


def test_what_a_single_application_raises_comes_out_of_trouble_too() -> None:
    async def run() -> None:
        orders = connect(Orders, service()[0])
        for around in (contextlib.nullcontext(), chaos(orders)):
            with around, pytest.raises(RuntimeError, match="a defect"):
                await orders.get(13)
        with chaos(orders), http.deadline(0.01), pytest.raises(http.CallTimeout):
            await orders.get(60_000)

    asyncio.run(run())


def test_a_late_answer_is_a_timeout_at_the_deadline() -> None:
    async def run() -> None:
        orders = connect(Orders, two())
        with chaos(orders, latency="1s"), http.deadline(0.25), pytest.raises(http.CallTimeout):
            await orders.get(1)
        with http.deadline(0.25), pytest.raises(http.CallTimeout):
            await orders.get(4000)

    with virtual_time() as time:
        time.run(run())
        assert time.monotonic() == pytest.approx(0.5)


def test_what_an_application_raises_is_a_failed_call_there() -> None:
    async def run() -> None:
        orders = connect(Orders, two())
        with pytest.raises(http.StatusError, match="500"):
            await orders.get(13)
        assert [each.id async for each in orders.events()] == [1, 2]
        with chaos(orders, lost=1.0), pytest.raises(http.CallError):
            _ = [each async for each in orders.events()]

    asyncio.run(run())


def test_metadata_trouble_one_instance_only_inside_a_block() -> None:
    async def run() -> None:
        orders = connect(Orders, two())
        (one, _) = http.instances(orders)
        one.metadata.update(
            {"chaos.refuse": "true", "chaos.latency": "5ms", "chaos.error": "0", "chaos.lost": "0"}
        )
        with chaos(orders) as trouble:
            for _ in range(40):
                await orders.get(0)
            assert 40 < trouble.attempts <= 60
        await asyncio.sleep(2.0)  # its ejection is over
        one.metadata["chaos.error"] = "2"
        with chaos(orders), pytest.raises(UsageError, match=r"chaos.error='2' is no share"):
            await asyncio.gather(*(orders.get(0) for _ in range(20)))
        for _ in range(20):
            await orders.get(0)

    with virtual_time() as time:
        time.run(run())


class Echo:
    """See BlockingExchanger."""

    def exchange(
        self, address: Address, request: Outgoing, deadline: float, connect_timeout: float
    ) -> Outcome:
        return Response(200, [], b'{"id":1}')


def blocking_client() -> http.BlockingClient:
    client = http.BlockingClient(
        http.StaticSource({"orders": ["http://one:1", "http://two:2"]}),
        policy=http.Policy(hedge=HedgeSettings(enabled=True, delay=0.01)),
        rng=random.Random(1),
    )

    def around(service: object, exchanger: BlockingExchanger, clock: object) -> BlockingExchanger:
        return Echo()

    client.around = around
    return client


def test_blocking_code_meets_the_same_trouble() -> None:
    with virtual_time() as time:
        client = blocking_client()
        orders = client.connect(Orders)
        with chaos(orders, latency="50ms", error=0.2, refuse=["http://two:2"], seed=3) as trouble:
            for _ in range(20):
                assert orders(Orders.get, 1) == Order(1)
        assert trouble.troubled > 0
        assert time.monotonic() >= 20 * 0.05
        with chaos(client, latency="50ms"), http.deadline(0.02), pytest.raises(http.CallTimeout):
            orders(Orders.get, 1)
        with chaos(client, lost=1.0), pytest.raises(http.InDoubt):
            orders(Orders.place, Order(1))


def test_other_services_of_the_client_are_left_alone() -> None:
    client = blocking_client()
    orders = client.connect(Orders)
    with chaos(orders, error=1.0) as trouble:
        assert client.get("http://other:80/x").status == 200
        assert trouble.attempts == 0
    with chaos(client, error=1.0):
        assert client.get("http://other:80/x").status == 503


@pytest.mark.parametrize(
    ("text", "median"),
    [
        ("20ms", 0.02),
        ("1.5s", 1.5),
        ("0.25", 0.25),
        ("constant(300us)", 0.0003),
        ("uniform(10ms, 30ms)", 0.02),
        ("normal(20ms,2ms)", 0.02),
        ("lognormal(20ms,0.5)", 0.02),
        ("exponential(20ms)", 0.02 * 0.693),
        ("exponential(0)", 0.0),
    ],
)
def test_latencies_have_the_median_they_say(text: str, median: float) -> None:
    draw, rng = distribution(text), random.Random(1)
    drawn = [draw(rng) for _ in range(2001)]
    assert min(drawn) >= 0.0
    assert statistics.median(drawn) == pytest.approx(median, rel=0.1)


@given(text=st.text(max_size=20) | st.from_regex(r"[a-z]{0,12}\([0-9a-z,.-]{0,10}\)", fullmatch=True))
def test_any_text_is_a_latency_or_an_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert distribution(text)(random.Random(1)) >= 0.0


@pytest.mark.parametrize(
    "options", [{"error": -0.1}, {"lost": 1.1}, {"latency": "soon"}, {"latency": "uniform(1)"}]
)
def test_what_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        chaos(blocking_client(), **options)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(UsageError, match="is not connected"):
        chaos(object())


def test_an_unknown_address_has_the_block_s_trouble() -> None:
    client = blocking_client()
    instance = Instance(app="orders", instance_id="i", host="h", ip="h")
    trouble: Chaos = chaos(client, error=1.0)
    assert trouble.fate(client.service("orders"), (*instance.address, False)).failed
