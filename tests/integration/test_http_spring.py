"""A Spring Boot service and ours find and call each other, through our registry or Spring's alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import fastapi
import msgspec
import pytest

from tests.engines import eureka
from tests.engines.fetch import Unavailable
from tests.engines.kafka import free_port
from tests.engines.spring import SERVICE
from tests.integration.test_discovery_client import registry
from tests.integration.test_http_registration import served
from tests.support.waiting import eventually_async
from tidelock import http
from tidelock.http.local import LocalFirst
from tidelock.runtime import SystemClock, bind_loopback

pytestmark = pytest.mark.needs_spring

PATIENCE = 60.0


class Order(msgspec.Struct):
    """What travels; a record there."""

    id: int
    customer: str
    total: float


def orders_at(service: str, path: str) -> Any:
    """Return the interface that both sides implement, of one service below one path."""

    @http.api(service, path=path, timeout=PATIENCE)
    class Orders:
        @http.get("/find")
        async def find(self, customer: str, limit: int) -> list[Order]:
            raise NotImplementedError

        @http.get("/{id}")
        async def get(self, id: int) -> Order | None:
            raise NotImplementedError

        @http.post()
        async def place(self, order: Order, *, tenant: http.Header[str]) -> Order:
            raise NotImplementedError

    return Orders


SPRING = orders_at("spring-orders", "/orders")
RELAY = orders_at("spring-orders", "/relay")
"""The same service in Java, which asks python-orders through OpenFeign."""


class OrdersHere(orders_at("python-orders", "/orders")):  # type: ignore[misc]  # made by a function
    """What ours answers."""

    async def find(self, customer: str, limit: int) -> list[Order]:
        return [Order(number, customer, 0.25) for number in range(limit)]

    async def get(self, id: int) -> Order | None:
        return Order(id, "주문 & Köln", id / 4)

    async def place(self, order: Order, *, tenant: http.Header[str]) -> Order:
        return msgspec.structs.replace(order, customer=f"{order.customer} of {tenant}")


@pytest.fixture(scope="module", autouse=True)
def jars() -> None:
    try:
        eureka.find()
        SERVICE.find()
    except Unavailable as why:
        pytest.skip(str(why))


@contextlib.asynccontextmanager
async def java(manager: Any) -> AsyncIterator[None]:
    """Start and stop a Java process without holding the loop."""
    await asyncio.to_thread(manager.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def a_registry(kind: str) -> AsyncIterator[str]:
    if kind == "ours":
        async with registry(eviction_interval_ms=50) as server:
            yield f"{server.url}/eureka/"
        return
    port = free_port()
    async with java(eureka.server(port, cache_ms=500)):
        yield f"http://127.0.0.1:{port}/eureka/"


@contextlib.asynccontextmanager
async def python_orders(url: str) -> AsyncIterator[None]:
    sock = bind_loopback(0)
    app = fastapi.FastAPI()
    http.mount(app, OrdersHere())
    async with served(http.register(app, "python-orders", port=sock.getsockname()[1], registry=url), sock):
        yield


async def is_answered(call: Any) -> bool:
    """Whether a call works by now: Java's registry and its callers look at copies of some seconds."""
    try:
        await call()
    except http.CallError:
        return False
    return True


@pytest.mark.parametrize("kind", ["ours", "spring"])
def test_python_and_spring_call_each_other(kind: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_registry(kind) as url, python_orders(url):
            port = free_port()
            source = LocalFirst(SystemClock(), {"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": url})
            async with java(SERVICE.started(port, {"EUREKA": url})), http.Client(source) as client:
                theirs, through = client.connect(SPRING), client.connect(RELAY)
                await eventually_async(lambda: is_answered(lambda: theirs.get(1)), PATIENCE, interval=0.2)
                assert await theirs.get(3) == Order(3, "spring", 4.5)
                assert await theirs.get(404) is None
                assert await theirs.find("ann", 2) == [Order(0, "ann", 0.5), Order(1, "ann", 0.5)]
                assert await theirs.place(Order(1, "bob", 2.5), tenant="eu") == Order(2, "bob@eu", 2.5)
                await eventually_async(lambda: is_answered(lambda: through.get(1)), PATIENCE, interval=0.2)
                assert await through.get(3) == Order(3, "주문 & Köln", 0.75)
                assert await through.find("a b&c", 2) == [Order(0, "a b&c", 0.25), Order(1, "a b&c", 0.25)]
                assert await through.place(Order(1, "bob", 2.5), tenant="eu") == Order(1, "bob of eu", 2.5)
            await source.close()

    asyncio.run(scenario())
