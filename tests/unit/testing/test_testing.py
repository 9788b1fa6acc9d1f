"""Doubles, applications in memory, and the contract test: it passes what is right and finds what is not."""

from __future__ import annotations

import asyncio
import datetime
import random
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pydantic
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.frameworks import FRAMEWORKS, application
from tidelock import http
from tidelock.errors import UsageError
from tidelock.testing import Call, connect, contract, fake
from tidelock.testing.values import value_of


class Order(msgspec.Struct):
    id: int
    customer: str = "ann"


class OutOfStock(Exception):
    """409."""


@http.api("orders", path="/orders", errors={409: OutOfStock})
class Orders:
    @http.get("/{id}")
    async def get(self, id: int, tags: http.Csv[list[str]] = []) -> Order | None:  # noqa: B006
        raise NotImplementedError

    @http.post(idempotent=True)
    async def place(self, order: Order) -> Order:
        raise NotImplementedError

    @http.get()
    def all(self, cursor: str | None = None) -> http.Page[Order]:
        raise NotImplementedError

    @http.get("/events")
    def events(self) -> http.Stream[Order]:
        raise NotImplementedError


class Here(Orders):
    async def get(self, id: int, tags: list[str] = []) -> Order | None:  # noqa: B006
        return Order(id) if id else None

    async def place(self, order: Order) -> Order:
        if order.id % 5 == 0:
            raise OutOfStock("none left")
        return order

    def all(self, cursor: str | None = None) -> http.Page[Order]:
        return http.page([Order(1), Order(2)], None if cursor else "next")

    def events(self) -> http.Stream[Order]:
        async def made() -> Any:
            yield Order(1)

        return http.stream(made())


def test_a_double_answers_what_it_was_told_and_remembers_calls() -> None:
    orders = fake(Orders)
    orders.on(Orders.get).returns(Order(1), None)
    orders.on(Orders.place).raises(OutOfStock("none")).answers(lambda order: Order(order.id + 1))
    orders.on(Orders.all).returns([Order(1), Order(2)])

    async def run() -> None:
        assert await orders.api.get(7, ["a", "b"]) == Order(1)
        assert [await orders.api.get(8) for _ in range(2)] == [None, None]  # the last for ever
        with pytest.raises(OutOfStock):
            await orders.api.place(Order(3))
        assert await orders.api.place(Order(3)) == Order(4)
        assert [each.id async for each in orders.api.all()] == [1, 2]

    asyncio.run(run())
    assert orders.calls[0] == Call("get", {"id": 7, "tags": ["a", "b"]})
    assert orders.calls[3] == Call("place", {"order": Order(3)})
    assert orders.blocking(Orders.get, 9) is None
    assert [each.id for each in orders.blocking(Orders.all)] == [1, 2]


def test_a_double_refuses_what_a_service_would_not_understand() -> None:
    orders = fake(Orders)
    with pytest.raises(TypeError, match="get does not return"):
        orders.on(Orders.get).returns("order")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match=r"place returns .*not None"):
        orders.on(Orders.place).returns(None)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(UsageError, match="nothing is scripted"):
        orders.blocking.get(1)
    orders.on(Orders.get).returns(Order(1))
    with pytest.raises(TypeError, match="Expected `int`"):
        orders.blocking.get("x")
    with pytest.raises(TypeError):
        orders.blocking.get()
    with pytest.raises(UsageError, match="is a stream"):
        orders.on(Orders.events)  # type: ignore[call-overload]  # that is the test


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_application_is_called_in_memory(framework: str) -> None:
    async def run() -> None:
        orders = connect(Orders, application(framework, Here()))
        assert await orders.get(7) == Order(7)
        assert await orders.get(0) is None
        assert await orders.place(Order(1, "bob")) == Order(1, "bob")
        with pytest.raises(OutOfStock, match="none left"):
            await orders.place(Order(5))
        assert [each.id async for each in orders.all()] == [1, 2, 1, 2]
        assert [each.id async for each in orders.events()] == [1]

    asyncio.run(run())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_mounted_keeps_its_contract(framework: str) -> None:
    assert asyncio.run(contract(Orders, application(framework, Here()))) > 50


def foreign(**replaced: Any) -> Starlette:
    """An application written by hand that keeps the contract, but for what is replaced."""

    async def get(request: Request) -> Response:
        return JSONResponse({"id": 1, "customer": "a", "more": True})

    async def place(request: Request) -> Response:
        try:
            return JSONResponse(msgspec.to_builtins(msgspec.json.decode(await request.body(), type=Order)))
        except msgspec.DecodeError:
            return Response(status_code=400)

    async def all_of_them(request: Request) -> Response:
        return JSONResponse([])

    handlers = {"get": get, "place": place, "all": all_of_them, **replaced}
    return Starlette(
        routes=[
            Route("/orders/{id}", handlers["get"]),
            Route("/orders", handlers["place"], methods=["POST"]),
            Route("/orders", handlers["all"]),
        ]
    )


def answering(*statuses: int, body: Any = None) -> Any:
    left = list(statuses)

    async def handler(request: Request) -> Response:
        return JSONResponse(body, left.pop(0) if len(left) > 1 else left[0])

    return handler


async def strict(request: Request) -> Response:
    document = await request.body()
    status = 200 if document.startswith(b"{") and b"Tomorrow" not in document and len(document) > 1 else 400
    return JSONResponse({"id": 1}, status)


@pytest.mark.parametrize(
    ("replaced", "finding"),
    [
        ({}, None),
        ({"get": answering(404)}, None),
        ({"get": answering(418)}, "GET /orders/{id}: status 418, which the interface does not name"),
        ({"get": answering(200, body={"id": "x"})}, "GET /orders/{id}: the answer is not Order"),
        ({"place": answering(200, body={"id": 1})}, "POST /orders: a body that is no JSON gives 200"),
        ({"place": answering(200, 409, body={"id": 1})}, "said twice, it answers 200, then 409"),
        ({"place": strict}, "a field that it does not know gives 400"),
        (
            {"all": answering(200, body={"total": 3})},
            "GET /orders: the answer is not Order: a page has a list",
        ),
    ],
)
def test_the_contract_finds_what_is_not_kept(replaced: dict[str, Any], finding: str | None) -> None:
    if finding is None:
        asyncio.run(contract(Orders, foreign(**replaced)))
        return
    with pytest.raises(AssertionError) as caught:
        asyncio.run(contract(Orders, foreign(**replaced)))
    assert finding in str(caught.value)


@dataclass
class Nested:
    when: datetime.datetime
    choice: Literal["a", "b"]
    orders: list[Order] | None
    pairs: dict[str, tuple[int, bool]]


class Ruled(pydantic.BaseModel):
    age: int = pydantic.Field(ge=0)
    key: uuid.UUID
    name: str = pydantic.Field(alias="theName")


def test_made_up_values_are_of_their_type_and_come_from_the_seed() -> None:
    for kind in (Nested, Order, Ruled, frozenset[int], Order | None):
        made = [value_of(kind, random.Random(seed)) for seed in range(30)]
        assert made == [value_of(kind, random.Random(seed)) for seed in range(30)]
        assert len({repr(each) for each in made}) > 1
        if kind is not Ruled:
            for each in made:
                assert msgspec.convert(msgspec.to_builtins(each), kind) == each
    with pytest.raises(UsageError, match="can be made up"):
        value_of(object, random.Random(0))
