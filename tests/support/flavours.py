"""The two flavours of the client under one suite: the blocking one is awaited, each call in a thread."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self, TypeVar, cast

from tidelock import http
from tidelock.http.services import CALLER_ATTRIBUTE, caller_of

T = TypeVar("T")
R = TypeVar("R")


def _threaded(function: Callable[..., R]) -> Callable[..., Awaitable[R]]:
    async def call(*args: Any, **kwargs: Any) -> R:
        return await asyncio.to_thread(function, *args, **kwargs)

    return call


class Threaded:
    """A `http.Blocking` whose methods are awaited; stands in for the interface."""

    def __init__(self, blocking: http.Blocking[Any]) -> None:
        self._blocking = blocking
        setattr(self, CALLER_ATTRIBUTE, caller_of(blocking))

    def __getattr__(self, name: str) -> Any:
        return _threaded(getattr(self._blocking, name))


class ThreadedClient:
    """A `http.BlockingClient` whose methods are awaited."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._client = http.BlockingClient(*args, **kwargs)
        self.service = self._client.service
        self.connections = self._client.connections

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)

    def connect(self, interface: type[T], **options: Any) -> T:
        return cast("T", Threaded(self._client.connect(interface, **options)))

    def __getattr__(self, name: str) -> Any:
        return _threaded(getattr(self._client, name))


class Flavour:
    """One kind of client, and the event loop that a test runs on: asyncio, uvloop or blocking."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_blocking(self) -> bool:
        return self.name == "blocking"

    def client(
        self,
        source: http.Source | None = None,
        *,
        policy: http.Policy | None = None,
        ssl: tls.SSLContext | None = None,
        **options: Any,
    ) -> http.Client:
        kind: Any = ThreadedClient if self.is_blocking else http.Client
        return cast("http.Client", kind(source, policy=policy, ssl=ssl, **options))

    def __call__(self, main: Coroutine[Any, Any, R]) -> R:
        factory = None
        if self.name == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)


def pinned(connected: T, instance: str) -> T:
    """`http.at` for both flavours."""
    if isinstance(connected, Threaded):
        return cast("T", Threaded(http.at(connected._blocking, instance)))
    return http.at(connected, instance)
