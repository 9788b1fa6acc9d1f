"""The registry's connections: what comes all the time is answered at once, the rest by uvicorn.

`Front` is uvicorn's protocol with a look at the bytes first: between two messages, a whole request that
`quick` knows is answered without a task and without ASGI. Everything else, and every byte while a message or
an answer is under way, goes to uvicorn: pipelining, bodies, 100-continue, what is malformed. Imported when a
server starts (uvicorn: 60 ms). May import `push` and `quick`. Invariants: answers leave in the order of their
requests; a connection that is silent between two requests is closed after `KEEP_ALIVE`, one on which a
request does not end within `REQUEST_TIMEOUT` too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidelock.discovery.push import moment
from tidelock.discovery.quick import Quick
from tidelock.runtime import Clock

KEEP_ALIVE = 5.0
"""Seconds of silence between two requests; uvicorn's own number."""

REQUEST_TIMEOUT = 30.0
"""Seconds from a request's first byte to its last; from the start, for a connection without a request."""


class Front(HttpToolsProtocol):
    """One connection.

    Args:
        quick: answers what it knows.
        clock: read once per request.
        given: what uvicorn gives its protocols.
    """

    def __init__(self, *, quick: Quick, clock: Clock, **given: Any) -> None:
        super().__init__(**given)
        self._quick = quick
        self._clock = clock
        self._is_between = True
        self._is_quick = False
        self._heard = self.loop.time()
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        """See asyncio."""
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._looking = self.loop.call_later(KEEP_ALIVE, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer at once, or let uvicorn read it."""
        cycle: Any = self.cycle  # None before the first request of uvicorn's
        if self._is_between and (cycle is None or cycle.response_complete):
            self._heard = self.loop.time()
            answer = None if self.flow.write_paused else self._quick(data, moment(self._clock))
            if answer is not None:
                self._is_quick = True
                self._unset_keepalive_if_required()
                head, body = answer
                self.transport.write(head + body if body else head)
                return
        self._is_quick = False
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The first byte of a message was read."""
        self._is_between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The last one was."""
        self._is_between = True
        super().on_message_complete()

    def _look(self) -> None:
        """Close the connection if it has been silent for too long; look again when it could be."""
        silence = self.loop.time() - self._heard
        left = KEEP_ALIVE
        cycle: Any = self.cycle
        if self._is_quick:
            left = KEEP_ALIVE - silence
        elif not self._is_between or cycle is None:
            left = REQUEST_TIMEOUT - silence
        if left <= 0:
            self.transport.close()
        else:
            self._looking = self.loop.call_later(left, self._look)
