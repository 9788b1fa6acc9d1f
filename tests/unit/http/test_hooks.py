"""Hooks: order, what they may change, both flavours."""

from __future__ import annotations

import asyncio

import pytest

from tidelock.errors import LocalProtocolError, UsageError
from tidelock.http.exchange import Request, Response
from tidelock.http.hooks import Hooks, with_headers

GET = Request("GET", "/", b"accept: */*\r\nx-a: 1\r\n", None, "GET /", "GET /", True)


def first(request: Request) -> Request:
    return with_headers(request, {"X-A": "2", "x-b": "3"})


def second(request: Request) -> Request:
    return with_headers(request, {"X-B": "4"})


async def later(request: Request) -> Request:
    await asyncio.sleep(0)
    return with_headers(request, {"authorization": "Bearer t"})


def shout(request: Request, response: Response) -> Response:
    return Response(response.status, [], response.body.upper())


def test_hooks_run_in_order_and_headers_replace_those_of_the_same_name() -> None:
    assert Hooks(before=(first, second)).outgoing(GET).head == b"accept: */*\r\nx-a: 2\r\nx-b: 4\r\n"
    assert Hooks(after=(shout, shout)).incoming(GET, Response(200, [], b"ok")).body == b"OK"


def test_coroutine_functions_are_awaited() -> None:
    hooks = Hooks(before=(first, later), after=(shout,))
    assert asyncio.run(hooks.outgoing_async(GET)).head.endswith(b"x-b: 3\r\nauthorization: Bearer t\r\n")
    assert asyncio.run(hooks.incoming_async(GET, Response(200, [], b"ok"))).body == b"OK"


def test_blocking_code_refuses_them() -> None:
    with pytest.raises(UsageError, match="the hook later is asynchronous"):
        Hooks(before=(later,)).outgoing(GET)


def test_a_value_cannot_break_out_of_its_line() -> None:
    with pytest.raises(LocalProtocolError):
        with_headers(GET, {"x": "1\r\ny: 2"})
