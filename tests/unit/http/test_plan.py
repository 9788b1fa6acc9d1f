"""Arguments to requests, answers to values."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import msgspec
import pytest

from tests.unit.http.shop import Customer, Gone, Kind, Line, Order, Orders, OutOfStock
from tidelock.errors import LocalProtocolError, UsageError
from tidelock.http.declarative import operations
from tidelock.http.errors import DecodeFailed, InDoubt, StatusError
from tidelock.http.exchange import Request, Response
from tidelock.http.plan import Plan
from tidelock.http.wire.codings import accepted

PLANS = {each.name: Plan(each, "order-service") for each in operations(Orders)}


def request(method: str, *args: Any, **kwargs: Any) -> Request:
    return PLANS[method].request(args, kwargs, lambda: "key-1")


def answer(method: str, status: int, body: bytes = b"") -> Any:
    return PLANS[method].result(Response(status, [], body))


def test_a_path_parameter() -> None:
    made = request("get", 42)
    assert (made.method, made.target, made.body, made.idempotent) == ("GET", "/orders/42", None, True)
    assert made == request("get", id=42)
    assert f"accept: application/json\r\naccept-encoding: {accepted()}\r\n".encode() in made.head


def test_text_in_a_path_is_quoted_and_cannot_climb() -> None:
    assert request("label", "a/b c?ü").target == "/orders/a%2Fb%20c%3F%C3%BC/label.pdf"
    for climbing in ("..", ".", ""):
        with pytest.raises(UsageError, match="segment"):
            request("label", climbing)


def test_query_and_headers() -> None:
    made = request("search", "a&b", tags=["x", "y z"], since=datetime.date(2026, 1, 2), trace="t-1")
    assert made.target == "/orders?customer=a%26b&page=0&tags=x&tags=y%20z&since=2026-01-02"
    assert b"tenant: eu\r\nx-trace: t-1\r\n" in made.head
    assert b"x-trace" not in request("search", "a").head
    with pytest.raises(LocalProtocolError):
        request("search", "a", tenant="eu\r\nx: y")


def test_bodies_of_each_kind() -> None:
    assert request("place", Order(1, "ann")).body == b'{"id":1,"customer":"ann","total":0.0}'
    assert request("add", 1, [Line("a", 2)]).body == b'[{"sku":"a","quantity":2}]'
    made = request("customer", uuid.UUID(int=7), Customer(name="ann", age=3), Kind.TOY)
    assert made.body == b'{"name":"ann","age":3}'
    assert made.target == "/orders/00000000-0000-0000-0000-000000000007/customer?kind=toy"
    assert request("patch_ids", [1, 2]).body == b"[1,2]"
    assert b"content-type: application/json\r\n" in made.head


def test_an_idempotent_post_carries_a_key() -> None:
    made = request("place", Order(1, "ann"))
    assert made.idempotent
    assert made.head.endswith(b"idempotency-key: key-1\r\n")
    assert not request("add", 1, []).idempotent
    assert b"idempotency-key" not in request("add", 1, []).head
    assert b"idempotency-key: mine\r\n" in request("cancel", 1, "mine").head


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2), {}), ((1,), {"id": 1}), ((), {"other": 1}), ((1,), {"other": 1})],
)
def test_arguments_that_do_not_fit_are_a_type_error_as_for_any_function(
    args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    with pytest.raises(TypeError):
        request("get", *args, **kwargs)


def test_a_keyword_only_parameter_is_not_taken_by_position() -> None:
    with pytest.raises(TypeError):
        request("search", "a", 0, None, None, "us")


def test_results_of_each_kind() -> None:
    assert answer("get", 200, b'{"id":1,"customer":"ann"}') == Order(1, "ann")
    assert answer("get", 404) is None
    assert answer("add", 204) is None
    assert answer("label", 200, b"%PDF") == b"%PDF"
    assert answer("cancel", 202, b"x").status == 202
    assert answer("customer", 200, b'{"name":"ann","age":3}') == Customer(name="ann", age=3)
    assert answer("search", 200, b"[]") == []


@pytest.mark.parametrize(
    ("method", "body", "where"),
    [
        ("get", b'{"id":"1","customer":"ann"}', r"\$\.id"),
        ("get", b"<html>", "malformed"),
        ("search", b'[{"id":1}]', r"\$\[0\]"),
        ("customer", b'{"name":"ann","age":-3}', "greater than or equal"),
        ("place", b"", "truncated"),
    ],
)
def test_a_body_of_another_type_says_where_it_differs(method: str, body: bytes, where: str) -> None:
    with pytest.raises(DecodeFailed, match=where) as caught:
        answer(method, 200, body)
    assert caught.value.service == "order-service"
    assert isinstance(caught.value.__cause__, ValueError)


def test_statuses_become_exceptions() -> None:
    with pytest.raises(OutOfStock, match="none left") as mapped:
        answer("place", 409, b'{"detail":"none left"}')
    assert isinstance(mapped.value.__cause__, StatusError)
    with pytest.raises(Gone) as gone:
        answer("place", 410, b"bye")
    assert (gone.value.status, gone.value.body) == (410, b"bye")
    with pytest.raises(StatusError, match="answered 404"):
        answer("place", 404)
    with pytest.raises(StatusError, match="302"):
        answer("get", 302)


def test_a_gateway_that_gave_up_leaves_a_post_in_doubt() -> None:
    for status in (502, 504):
        with pytest.raises(InDoubt, match="may or may not") as caught:
            answer("add", status)
        assert isinstance(caught.value.__cause__, StatusError)
    with pytest.raises(StatusError):
        answer("add", 503)
    with pytest.raises(StatusError):
        answer("place", 504)  # idempotent


def test_the_message_of_other_frameworks_is_understood() -> None:
    for body, text in [
        (b'{"message":"m"}', "m"),
        (b'{"error":"e"}', "e"),
        (b"plain", "plain"),
        (b"[1]", r"\[1\]"),
    ]:
        with pytest.raises(OutOfStock, match=text):
            answer("get", 409, body)


def test_values_without_a_text_are_refused() -> None:
    with pytest.raises(UsageError, match="no text"):
        request("search", {"a": 1})
    assert msgspec.json.decode(request("add", 1, [Line("a", 1)]).body or b"") == [{"sku": "a", "quantity": 1}]
