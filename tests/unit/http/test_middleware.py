"""The caller's deadline at the server."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from tidelock.http.deadlines import current_deadline
from tidelock.http.middleware import DeadlineMiddleware
from tidelock.runtime import ManualClock
from tidelock.web import AsgiApp, Message, Receive, Scope, Send, send_reply


def ask(app: AsgiApp, *headers: tuple[bytes, bytes], kind: str = "http") -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await DeadlineMiddleware(app, ManualClock())({"type": kind, "headers": headers}, receive, send)

    asyncio.run(run())
    return sent


def answering(seen: list[float], work: Any = None) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(current_deadline())
        if work is not None:
            await work(send)
        await send_reply(send, 200, b"ok")

    return app


def granted(milliseconds: int) -> tuple[bytes, bytes]:
    return (b"x-envoy-expected-rq-timeout-ms", b"%d" % milliseconds)


def test_the_application_inherits_what_is_left() -> None:
    seen: list[float] = []
    assert ask(answering(seen), granted(1500))[0]["status"] == 200
    ask(answering(seen))
    ask(answering(seen), granted(1500), kind="websocket")
    assert seen == [1.5, math.inf, math.inf]


def test_an_expired_request_is_not_begun() -> None:
    seen: list[float] = []
    assert ask(answering(seen), granted(0))[0]["status"] == 504
    assert seen == []


def test_work_is_cancelled_when_its_time_is_up() -> None:
    ended: list[str] = []

    async def forever(send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    assert ask(answering([], forever), granted(1))[0]["status"] == 504
    assert ended == ["cancelled"]


def test_an_answer_already_begun_is_not_answered_twice() -> None:
    async def begun(send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    assert [message["type"] for message in ask(answering([], begun), granted(1))] == ["http.response.start"]


def test_the_applications_own_timeout_is_its_own() -> None:
    async def fails(send: Send) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        ask(answering([], fails), granted(10_000))
