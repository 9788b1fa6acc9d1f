"""An interface served by Starlette and by FastAPI, asked in memory."""

from __future__ import annotations

import asyncio
import urllib.parse
import uuid
from typing import Any

import fastapi
import msgspec
import pytest
from starlette.applications import Starlette

from tests.unit.http.shop import Customer, Gone, Kind, Line, Order, Orders, OutOfStock
from tidelock import http
from tidelock.errors import UsageError
from tidelock.http.exchange import Request, Response
from tidelock.http.serve import mount
from tidelock.web import Message


class OrdersHere(Orders):
    async def get(self, id: int) -> Order | None:
        return Order(id, "ann") if id else None

    async def search(
        self,
        customer: str,
        page: int = 0,
        tags: list[str] | None = None,
        since: Any = None,
        *,
        tenant: str = "eu",
        trace: str | None = None,
    ) -> list[Order]:
        return [Order(page, f"{customer} {tags} {since} {tenant} {trace}")]

    async def place(self, order: Order) -> Order:
        if order.id == 409:
            raise OutOfStock("none left")
        if order.id == 410:
            raise Gone(410, b"bye")
        return order

    async def add(self, id: int, lines: list[Line]) -> None:
        assert all(isinstance(line, Line) for line in lines)

    async def customer(self, id: uuid.UUID, customer: Customer, kind: Kind = Kind.BOOK) -> Customer:
        return Customer(name=f"{id.int} {customer.name} {kind.name}", age=customer.age)

    async def label(self, id: str) -> bytes:
        return id.encode()

    async def cancel(self, id: int, idempotency_key: str | None = None) -> Response:
        return Response(202, [(b"content-type", b"text/x")], (idempotency_key or "").encode())

    async def patch_ids(self, ids: list[int]) -> dict[str, int]:
        return {str(each): each for each in ids}


def starlette() -> Starlette:
    app = Starlette()
    mount(app, OrdersHere())
    return app


def fast() -> Starlette:
    app = fastapi.FastAPI()
    mount(app, OrdersHere())
    return app


def send(app: Starlette, request: Request) -> Response:
    path, _, query = request.target.partition("?")
    lines = [line.split(b": ", 1) for line in request.head.split(b"\r\n") if line]
    scope = {
        "type": "http",
        "method": request.method,
        "path": urllib.parse.unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower(), value) for name, value in lines],
        "http_version": "1.1",
    }
    answer = Response(0, [], b"")

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body or b"", "more_body": False}

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.raw_headers = message["status"], list(message["headers"])
        else:
            answer.body += message.get("body", b"")

    asyncio.run(app(scope, receive, sent))
    return answer


class InMemory(http.Client):
    """A client whose calls end in an application."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(http.StaticSource({}))
        self._app = app

    async def call(self, service: Any, request: Request, seconds: Any = None, pinned: Any = None) -> Response:
        return await asyncio.to_thread(send, self._app, request)


@pytest.fixture(params=[starlette, fast])
def app(request: pytest.FixtureRequest) -> Starlette:
    made: Starlette = request.param()
    return made


def ask(app: Starlette, method: str, target: str, body: Any = None, **headers: str) -> Response:
    raw = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return send(app, Request(method, target, head, raw, "", "", False))


def test_what_the_client_writes_the_server_reads(app: Starlette) -> None:
    async def run() -> None:
        orders = InMemory(app).connect(Orders)
        assert await orders.get(7) == Order(7, "ann")
        assert await orders.get(0) is None
        assert await orders.search("a b", 3, ["x", "y"], tenant="us") == [
            Order(3, "a b ['x', 'y'] None us None")
        ]
        assert await orders.search("c", trace="t") == [Order(0, "c None None eu t")]
        assert await orders.place(Order(1, "bob", 2.5)) == Order(1, "bob", 2.5)
        assert await orders.add(1, [Line("a", 2)]) is None  # type: ignore[func-returns-value]  # that is the test
        made = await orders.customer(uuid.UUID(int=7), Customer(name="c", age=3), Kind.TOY)
        assert made == Customer(name="7 c TOY", age=3)
        assert await orders.label("a+b ü") == "a+b ü".encode()
        cancelled = await orders.cancel(1, "key")
        assert (cancelled.status, cancelled.body, cancelled.header("content-type")) == (202, b"key", "text/x")
        assert await orders.patch_ids([1, 2]) == {"1": 1, "2": 2}
        with pytest.raises(OutOfStock, match="none left"):
            await orders.place(Order(409, ""))
        with pytest.raises(Gone):
            await orders.place(Order(410, ""))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/orders/x", None, 422),
        ("GET", "/orders", None, 422),  # the customer is missing
        ("GET", "/orders?customer=a&page=x", None, 422),
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", {"id": "x"}, 422),
        ("POST", "/orders", b"", 400),
        ("POST", "/orders/1/lines", [{"sku": 1}], 422),
        ("PUT", "/orders/00000000-0000-0000-0000-000000000007/customer", {"name": "c", "age": -1}, 422),
        ("PUT", "/orders/nonsense/customer", {"name": "c", "age": 1}, 422),
        ("GET", "/elsewhere", None, 404),
        ("DELETE", "/orders", None, 405),
    ],
)
def test_bad_requests(app: Starlette, method: str, target: str, body: Any, status: int) -> None:
    assert ask(app, method, target, body).status == status


def test_an_error_says_what_is_wrong() -> None:
    app = starlette()
    assert ask(app, "GET", "/orders").json() == {"detail": "the query parameter 'customer' is missing"}
    assert ask(app, "GET", "/orders/x").json() == {
        "detail": "the path parameter 'id': Expected `int`, got `str`"
    }
    assert ask(app, "POST", "/orders", {"id": "x"}).json() == {
        "detail": "order: Expected `int`, got `str` - at `$.id`"
    }
    large = ask(app, "POST", "/orders", b" " * (9 * 1024 * 1024))
    assert (large.status, large.json()) == (413, {"detail": "the request body is larger than 8388608 bytes"})


def test_fastapi_documents_what_it_can() -> None:
    app = fast()
    assert isinstance(app, fastapi.FastAPI)
    paths = app.openapi()["paths"]
    assert set(paths["/orders/{id}/customer"]) == {"put"}
    assert set(paths["/orders/{id}/lines"]) == {"post"}
    assert paths["/orders/{id}/customer"]["put"]["requestBody"]["required"]


def test_a_static_path_is_not_taken_for_a_parameter() -> None:
    @http.api("s")
    class Things:
        @http.get("/{name}")
        async def named(self, name: str) -> str:
            raise NotImplementedError

        @http.get("/count")
        async def count(self) -> int:
            raise NotImplementedError

    class Here(Things):
        async def named(self, name: str) -> str:
            return name

        async def count(self) -> int:
            return 3

    app = Starlette()
    mount(app, Here())
    assert ask(app, "GET", "/count").json() == 3
    assert ask(app, "GET", "/x").json() == "x"


def test_an_incomplete_implementation_fails_at_mount() -> None:
    class Partly(Orders):
        async def get(self, number: int) -> Order | None:  # type: ignore[override]  # that is the test
            return None

        def place(self, order: Order) -> Order:  # type: ignore[override]  # that is the test
            return order

    with pytest.raises(UsageError) as caught:
        mount(Starlette(), Partly())
    text = str(caught.value)
    assert "get takes ['number'] instead of ['id']" in text
    assert "place is not async" in text
    assert "search is missing" in text
