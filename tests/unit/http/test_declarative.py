"""The interface: what the decorators note, where parameters go, what is refused and how it is said."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.http.shop import Order, Orders, OutOfStock
from tidelock import http
from tidelock.errors import UsageError
from tidelock.http import api, get, post
from tidelock.http.declarative import Operation, Place, api_of, operations


def operation(name: str, interface: type = Orders) -> Operation:
    return next(each for each in operations(interface) if each.name == name)


def test_the_class_keeps_its_plain_methods() -> None:
    assert api_of(Orders).service == "order-service"
    assert Orders.get.__name__ == "get"
    assert set(api_of(Orders).routes) >= {"get", "search", "place"}


def test_parameters_find_their_place() -> None:
    places = {item.name: (item.place, item.wire) for item in operation("search").parameters}
    assert places == {
        "customer": (Place.QUERY, "customer"),
        "page": (Place.QUERY, "page"),
        "tags": (Place.QUERY, "tags"),
        "since": (Place.QUERY, "since"),
        "tenant": (Place.HEADER, "tenant"),
        "trace": (Place.HEADER, "x-trace"),
    }
    bodies = {
        name: [item.name for item in operation(name).parameters if item.place is Place.BODY]
        for name in ("place", "add", "customer", "patch_ids")
    }
    assert bodies == {"place": ["order"], "add": ["lines"], "customer": ["customer"], "patch_ids": ["ids"]}


def test_what_an_operation_knows() -> None:
    get = operation("get")
    assert (get.label, get.result, get.optional) == ("GET /orders/{id}", Order, True)
    assert (get.idempotent, get.keyed, get.timeout) == (True, False, 2.0)
    place = operation("place")
    assert (place.idempotent, place.keyed, place.timeout, set(place.errors)) == (True, True, 9.0, {409, 410})
    assert not operation("add").idempotent
    assert operation("cancel").idempotent
    assert operation("get").errors == {409: OutOfStock}


def test_a_method_named_like_a_verb_does_not_hide_the_decorator() -> None:
    @api("s")
    class Things:
        @get("/{id}")
        async def get(self, id: int) -> int:
            raise NotImplementedError

        @get("/all")  # type: ignore[call-arg,operator,arg-type]  # a type checker sees the method, and objects
        async def every(self) -> int:
            raise NotImplementedError

        @post()
        async def post(self) -> None:
            raise NotImplementedError

    assert [each.label for each in operations(Things)] == ["GET /{id}", "GET /all", "POST /"]


def test_an_interface_can_be_extended() -> None:
    @http.api("order-service-2", path="/v2")
    class More(Orders):
        @http.get("/count")
        async def count(self) -> int:
            raise NotImplementedError

    labels = {each.name: each.label for each in operations(More)}
    assert labels["count"] == "GET /v2/count"
    assert labels["get"] == "GET /v2/{id}"


async def many(self: object, *ids: int) -> None: ...
async def untyped(self: object, id) -> None: ...  # type: ignore[no-untyped-def]  # that is the test
async def two_bodies(self: object, a: Order, b: Order) -> None: ...
async def body_of_get(self: object, a: Order) -> None: ...
async def silent(self: object): ...  # type: ignore[no-untyped-def]  # that is the test
def blocking(self: object) -> None: ...
async def unknown(self: object, a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821  that is the test


@pytest.mark.parametrize(
    ("function", "verb", "path", "complaint"),
    [
        (many, "post", "", r"takes \*ids"),
        (untyped, "post", "", "'id' of .* has no type"),
        (two_bodies, "post", "", "more than one body: a, b"),
        (body_of_get, "get", "", "sends GET, which has no body"),
        (silent, "post", "", "does not say what it returns"),
        (blocking, "post", "", "is not async"),
        (unknown, "post", "", "'Missing' is not defined"),
        (body_of_get, "post", "/{id}", "names 'id', which is no parameter"),
    ],
)
def test_what_cannot_be_a_call_is_refused_with_the_reason(
    function: object, verb: str, path: str, complaint: str
) -> None:
    decorated = getattr(http, verb)(path)(function)
    interface = http.api("s")(type("Things", (), {"method": decorated}))
    with pytest.raises(UsageError, match=complaint):
        operations(interface)


def test_misuse_of_the_decorators() -> None:
    with pytest.raises(UsageError, match="does not begin with a slash"):
        http.get("orders")
    with pytest.raises(UsageError, match="does not begin with a slash"):
        http.api("s", path="orders")
    with pytest.raises(UsageError, match="no method with @get"):
        http.api("s")(type("Empty", (), {}))
    with pytest.raises(UsageError, match="is not an interface"):
        operations(dict)

    class Bare:
        @http.get("/{id}")
        async def find(self, id: int) -> int:
            raise NotImplementedError

    with pytest.raises(UsageError, match="class that is not decorated"):
        Bare().find(1)  # type: ignore[call-arg,unused-coroutine]  # not bound yet


def test_a_struct_is_a_body_and_a_scalar_is_not() -> None:
    from tidelock.http.codec import is_structured

    class Inner(msgspec.Struct):
        a: int

    assert all(is_structured(kind) for kind in (Inner, dict[str, int], list[Inner], Inner | None, bytes))
    assert not any(is_structured(kind) for kind in (int, str, list[int], str | None, tuple[int, ...]))
