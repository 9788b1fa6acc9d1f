"""Streams, long polls, acknowledgements and reports, spoken to without a socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.unit.discovery.making import an_instance
from tidelock.discovery.app import RegistryApp
from tidelock.discovery.codec import json
from tidelock.discovery.events import Event, EventReader
from tidelock.discovery.push import moment
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import ManualClock, SystemClock


class Watcher:
    """One open stream."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.status = 0
        self._reader = EventReader()
        self._came = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.events += self._reader.feed(message["body"])
        self._came.set()

    async def next(self, count: int) -> Event:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self._came.clear()
                await self._came.wait()
        return self.events[count - 1]


class Talk:
    """A registry and those who talk to it."""

    def __init__(self) -> None:
        self.app = RegistryApp(RegistrySettings(), SystemClock())

    async def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes, dict[str, str]]:
        sent: list[Any] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope(method, target), receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], sent[1]["body"], headers

    async def register(self, **changes: Any) -> None:
        instance = an_instance(**changes)
        watcher = f"?watcher={instance.metadata['w']}" if "w" in instance.metadata else ""
        body = json.write_instance(instance)
        assert (await self.ask("POST", f"/eureka/apps/{instance.app}{watcher}", body))[0] == 204

    @contextlib.asynccontextmanager
    async def watching(self, query: str = "") -> AsyncIterator[Watcher]:
        watcher = Watcher()
        task = asyncio.create_task(
            self.app(scope("GET", f"/eureka/watch?{query}"), watcher.receive, watcher.send)
        )
        try:
            yield watcher
        finally:
            watcher.gone.set()
            await task


def scope(method: str, target: str) -> dict[str, Any]:
    path, _, query = target.partition("?")
    headers = [(b"accept", b"application/json"), (b"content-type", b"application/json")]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": headers,
    }


def run(scenario: Callable[[Talk], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario(Talk())

    asyncio.run(whole())


def test_a_watcher_is_told_everything_then_each_change_and_can_resume() -> None:
    async def scenario(talk: Talk) -> None:
        async with talk.watching() as watcher:
            first = await watcher.next(1)
            assert (watcher.status, first.kind) == (200, "full")
            await talk.register()
            second = await watcher.next(2)
            assert second.kind == "delta"
            assert list(json.read_applications(second.data).instances) == ["ORDERS"]
        async with talk.watching(f"since={first.id}") as resumed:
            assert (await resumed.next(1)).data == second.data
        assert len(talk.app.push.streams) == 0

    run(scenario)


def test_a_filtered_watcher_hears_only_of_its_applications() -> None:
    async def scenario(talk: Talk) -> None:
        async with talk.watching("apps=users") as watcher:
            await watcher.next(1)
            await talk.register()
            await talk.register(app="users")
            assert list(json.read_applications((await watcher.next(2)).data).instances) == ["USERS"]

    run(scenario)


def test_stopping_ends_streams_and_suspects_nobody() -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        async with talk.watching("instance=orders/h:orders:80") as watcher:
            await watcher.next(1)
            await talk.app.push.stop()
        assert talk.app.registry.holds(("ORDERS", "h:orders:80"))

    run(scenario)


def test_a_long_poll_returns_at_a_change_or_when_its_time_is_over() -> None:
    async def scenario(talk: Talk) -> None:
        status, body, headers = await talk.ask("GET", "/eureka/apps/delta?since=x:1&wait=9")
        assert (status, headers["x-tidelock-document"]) == (200, "full")
        since = headers["x-tidelock-position"]
        poll = asyncio.create_task(talk.ask("GET", f"/eureka/apps/delta?since={since}&wait=9"))
        await asyncio.sleep(0)
        await talk.register()
        _, body, headers = await poll
        assert headers["x-tidelock-document"] == "delta"
        assert list(json.read_applications(body).instances) == ["ORDERS"]
        _, body, headers = await talk.ask("GET", "/eureka/apps/delta?wait=nan")
        assert json.read_applications(body).instances == {}
        assert json.read_applications(body).hashcode == "UP_1_"

    run(scenario)


def test_a_drain_returns_when_the_watchers_have_applied_it() -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        drain = "/eureka/apps/orders/h:orders:80/status?value=OUT_OF_SERVICE&wait=5"
        async with talk.watching("watcher=w1") as one, talk.watching() as other:
            await one.next(1)
            await other.next(1)
            draining = asyncio.create_task(talk.ask("PUT", drain))
            event = await one.next(2)
            assert event.asks_ack
            assert not (await other.next(2)).asks_ack
            assert not draining.done()
            assert (await talk.ask("POST", f"/eureka/watch/ack?watcher=w1&at={event.id}"))[0] == 200
            status, body, _ = await draining
            assert (status, msgspec.json.decode(body)) == (200, {"acknowledged": 2, "watchers": 2})
        assert (await talk.ask("POST", f"/eureka/watch/ack?watcher=w1&at={event.id}"))[0] == 404
        assert (await talk.ask("POST", "/eureka/watch/ack?watcher=w1&at=x:1"))[0] == 404

    run(scenario)


def test_a_drain_does_not_wait_for_a_watcher_that_is_silent() -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        async with talk.watching("watcher=w1") as watcher:
            await watcher.next(1)
            path = "/eureka/apps/orders/h:orders:80/status?value=DOWN&wait=0.01"
            assert msgspec.json.decode((await talk.ask("PUT", path))[1]) == {"acknowledged": 0, "watchers": 1}

    run(scenario)


@pytest.mark.parametrize("wait", ["", "-1", "x", "nan"])
def test_a_wait_that_is_no_number_is_none(wait: str) -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        path = f"/eureka/apps/orders/h:orders:80/status?value=DOWN&wait={wait}"
        assert msgspec.json.decode((await talk.ask("PUT", path))[1]) == {"acknowledged": 0, "watchers": 0}

    run(scenario)


def test_reports_are_taken_for_known_instances_only() -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        assert (await talk.ask("POST", "/eureka/suspect?app=orders&id=x"))[0] == 404
        assert (await talk.ask("POST", "/eureka/suspect?app=orders&id=h:orders:80"))[0] == 202
        await talk.app.push.stop()

    run(scenario)


def test_wait_and_watcher_are_ordinary_names_of_metadata() -> None:
    async def scenario(talk: Talk) -> None:
        await talk.register()
        path = "/eureka/apps/orders/h:orders:80/metadata?wait=5&watcher=w"
        assert (await talk.ask("PUT", path))[:2] == (200, b"")
        (instance,) = talk.app.registry.application("orders")
        assert instance.metadata == {"wait": "5", "watcher": "w"}

    run(scenario)


def test_a_moment_reads_both_clocks() -> None:
    clock = ManualClock(wall=10.0)
    clock.advance(2.0)
    assert moment(clock) == (2.0, 12.0)
