"""ASGI middleware: a request's deadline and trace hold for the calls made for it.

The caller's deadline becomes this service's, and ends what it asked for in vain.

A request whose time is up before it begins is answered 504 without running the application; one whose time
runs out is cancelled and answered 504. Calls made meanwhile inherit what is left (`deadlines`). May import
web's types.
"""

from __future__ import annotations

import asyncio

from tidelock.http.deadlines import deadline_at, remaining_from
from tidelock.http.tracing import trace, trace_from
from tidelock.runtime import Clock, SystemClock
from tidelock.web import AsgiApp, Message, Receive, Scope, Send, send_reply

JSON = (b"content-type", b"application/json")
EXPIRED = b'{"detail":"the caller\'s deadline has passed"}'


class DeadlineMiddleware:
    """Wraps any ASGI application.

    Args:
        app: the application.
        clock: the machine's unless a test brings its own.
    """

    def __init__(self, app: AsgiApp, clock: Clock | None = None) -> None:
        self.app = app
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        seconds = remaining_from(scope["headers"]) if scope["type"] == "http" else None
        if seconds is None:
            await self.app(scope, receive, send)
        elif seconds <= 0.0:
            await send_reply(send, 504, EXPIRED, [JSON])
        else:
            await self._bounded(seconds, scope, receive, send)

    async def _bounded(self, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watching(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                with deadline_at(self._clock.monotonic() + seconds):
                    await self.app(scope, receive, watching)
        except TimeoutError:
            if not limit.expired():
                raise  # the application's own
            if not begun:
                await send_reply(send, 504, EXPIRED, [JSON])


class TraceMiddleware:
    """Wraps any ASGI application: calls made for a request carry its W3C trace context on.

    Args:
        app: the application.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        context = trace_from(scope["headers"]) if scope["type"] == "http" else None
        if context is None:
            await self.app(scope, receive, send)
            return
        with trace(context):
            await self.app(scope, receive, send)
