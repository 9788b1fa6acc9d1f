"""Calls cancelled at each of their awaits, whatever they do there: nothing is in flight or half read."""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Coroutine, Generator
from typing import Any, cast

import pytest

from tests.integration.test_http_wire import OK, read_request, server
from tests.support.flavours import Flavour
from tests.support.waiting import eventually_async
from tidelock import http
from tidelock.http.hedging import HedgeSettings
from tidelock.http.policy import BulkheadSettings
from tidelock.http.retry import RetrySettings


@http.api("s")
class Bytes:
    @http.get("/")
    def all(self) -> http.Stream[bytes]:
        raise NotImplementedError


SITUATIONS = ("fresh", "reused", "repeated", "hedged", "streamed")


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("flavour", ["asyncio", "uvloop"])  # a thread cannot be cancelled
def test_a_call_cancelled_at_each_of_its_awaits_leaks_nothing(flavour: str, situation: str) -> None:
    """Cancelled at its first await, its second, ... until there are no more: nothing stays in flight."""
    loop = Flavour(flavour)
    busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            again = b"x-envoy-attempt-count" in await read_request(reader)
            if situation == "repeated" and not again:
                writer.write(busy)
                continue
            await asyncio.sleep(0.002)
            writer.write(OK[:-1])
            await asyncio.sleep(0.002)
            writer.write(OK[-1:])

    policy = http.Policy(
        hedge=HedgeSettings(enabled=situation == "hedged", delay=0.001),
        retry=RetrySettings(budget_floor=1000.0, base_delay=0.002),
        bulkhead=BulkheadSettings(max_concurrent_calls=2),
    )

    async def called(client: http.Client, url: str) -> bytes:
        if situation != "streamed":
            return (await client.get("http://s/")).body
        async with client.connect(Bytes).all() as pieces:
            return b"".join([piece async for piece in pieces])

    async def run() -> int:
        async with server(serve) as one, server(serve) as two:
            source = http.StaticSource({"s": [one, two]})
            number, answer = 0, b""
            while not answer:
                async with loop.client(source, policy=policy) as client:
                    state = client.service("s")
                    if situation == "reused":
                        await client.get("http://s/")
                    with contextlib.suppress(asyncio.CancelledError):
                        answer = await asyncio.create_task(cancelled_at(called(client, one), number))
                    await eventually_async(lambda: resting(client), 10.0, interval=0.001)
                    assert [peer.in_flight for peer in state.peers] in ([], [0, 0])
                    assert state.in_flight == 0
                    assert (await client.get("http://s/")).body == b"ok"
                number += 1
            assert answer == b"ok"
            return number

    async def resting(client: http.Client) -> bool:
        return client.connections.busy == 0  # the loser of a race ends one turn of the loop later

    assert loop(run()) >= 2


@types.coroutine
def cancelled_at(work: Coroutine[Any, Any, bytes], number: int) -> Generator[Any, Any, bytes]:
    """Carry out a coroutine as the running task would; cancel the task while it waits for the n-th time."""
    task = asyncio.current_task()
    assert task is not None
    waits, sent, raised = 0, None, None
    while True:
        try:
            waiting = work.send(sent) if raised is None else work.throw(raised)
        except StopIteration as done:
            return cast("bytes", done.value)
        if waits == number:
            task.cancel()
        waits += 1
        sent = raised = None
        try:
            sent = yield waiting
        except BaseException as error:  # noqa: BLE001  handed on to the coroutine
            raised = error
