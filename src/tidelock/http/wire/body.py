"""The body of an answer that is read while it arrives, under asyncio.

The connection puts pieces in, the caller takes them out; when more than `FULL` bytes wait, the connection
reads no further until they are taken. A body that is given up ends its connection. Invariant: once ended,
nothing is put in, and every further `read` says the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidelock.http.exchange import Failure

FULL = 256 * 1024
"""Bytes that may wait for the caller; then the other side waits."""


class Flow(Protocol):
    """What the body needs of its transport."""

    def pause_reading(self) -> None:
        """Read no further."""

    def resume_reading(self) -> None:
        """Read on."""


class Body:
    """Pieces of a body; one reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flow: Flow, give_up: Callable[[], None]) -> None:
        self._loop = loop
        self._flow = flow
        self._give_up = give_up
        self._pieces: list[bytes] = []
        self._size = 0
        self._paused = False
        self._ended = False
        self._failure: Failure | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes | Failure:
        """Return what has arrived, b"" at the end, or why there is no end."""
        while not self._pieces and not self._ended:
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._pieces:
            data, self._pieces, self._size = b"".join(self._pieces), [], 0
            if self._paused and not self._ended:
                self._paused = False
                self._flow.resume_reading()
            return data
        return self._failure or b""

    def close(self) -> None:
        """Give up what has not arrived yet; harmless after the end."""
        if not self._ended:
            self._ended = True
            self._give_up()

    # what the connection calls

    def put(self, data: bytes) -> None:
        """A piece has arrived."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > FULL and not self._paused:
            self._paused = True
            self._flow.pause_reading()
        self._wake()

    def end(self, failure: Failure | None) -> None:
        """It is complete, or will never be."""
        self._ended = True
        self._failure = failure
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
