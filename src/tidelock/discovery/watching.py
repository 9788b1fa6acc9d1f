"""Keeps a client's stream to a registry open, and says when there is none, so that the client polls.

One stream per client carries the news of all applications; the client's own instances hang on it, so that the
registry notices at once when the process dies. A registry that does not push (Netflix's, Spring's) is asked
again only every `ASK_AGAIN` seconds, silently. May import `events` and `transport`. Invariant: `is_live` is
True only while a stream is open that has brought everything up to its own start.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlencode

from tidelock.discovery.events import Event, NoPushError, listen
from tidelock.discovery.lease import LeaseKey
from tidelock.discovery.transport import Connection
from tidelock.errors import TidelockError

ASK_AGAIN = 300.0
"""Seconds until a registry that does not push is asked again: it may have been replaced by one that does."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Listener:
    """What the client does with its stream.

    Args:
        connections: the registries, the preferred one first.
        instances: the client's own, which hang on the stream.
        wants_news: False keeps the stream for the instances' sake only.
        take: applies an event; False means that something was missed and everything must be sent again.
    """

    connections: Callable[[], Sequence[Connection]]
    instances: Callable[[], Sequence[LeaseKey]]
    wants_news: bool
    take: Callable[[Event], Awaitable[bool]]


class Watching:
    """The stream of one client.

    Args:
        listener: the client.
        connect_timeout: seconds.
        rng: spreads the reconnections of many clients.
    """

    def __init__(self, listener: Listener, *, connect_timeout: float, rng: random.Random) -> None:
        self.is_live = False
        self.watcher = secrets.token_hex(8)
        self._listener = listener
        self._connect_timeout = connect_timeout
        self._rng = rng
        self._position = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep a stream open from now on; does nothing when one is kept already."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="discovery watch")

    async def stop(self) -> None:
        """Close the stream."""
        task, self._task = self._task, None
        self.is_live = False
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        failures = 0
        while True:
            pushes, began = await self._try_all()
            failures = 0 if began else failures + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10)) if pushes else ASK_AGAIN
            await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))

    async def _try_all(self) -> tuple[bool, bool]:
        """Listen to the first registry that can be reached, until that ends.

        Returns:
            Whether it may push, and whether it did.
        """
        for connection in tuple(self._listener.connections()):
            try:
                return True, await self._listen(connection)
            except NoPushError:
                return False, False
            except TidelockError:  # the polls say so, once
                continue
        return True, False

    async def _listen(self, connection: Connection) -> bool:
        """Returns whether the stream brought anything; it has ended when this returns."""
        brought = is_open = False
        timeout = self._connect_timeout
        stream = listen(connection.target, self._path(), connect_timeout=timeout)
        # of its own: on the client's connection a drain of ours may be waiting for this very answer
        acks = Connection(connection.target, connect_timeout=timeout, read_timeout=timeout)
        try:
            # the generator must be closed here, not by the garbage collector, so that its socket is
            async with aclosing(cast("AsyncGenerator[Event | None, None]", stream)) as events:
                async for event in events:
                    if event is None:
                        is_open = True
                        self.is_live = bool(self._position)
                        continue
                    self._position = await self._apply(event, acks)
                    if not self._position:
                        break
                    brought = self.is_live = True
        except TidelockError:
            if not is_open:
                raise
        finally:
            self.is_live = False
            acks.close()
        return brought

    async def _apply(self, event: Event, acks: Connection) -> str:
        """Returns where the client is then; empty when everything must be sent again."""
        try:
            if not await self._listener.take(event):
                return ""
        except TidelockError:  # not what a registry sends; the polls say so if they meet the same
            return ""
        if event.asks_ack:
            query = urlencode({"watcher": self.watcher, "at": event.id})
            await acks.exchange("POST", f"watch/ack?{query}")
        return event.id

    def _path(self) -> str:
        query: list[tuple[str, str]] = [("watcher", self.watcher)]
        if self._position:
            query.append(("since", self._position))
        if not self._listener.wants_news:
            query.append(("apps", ""))
        for app, instance_id in self._listener.instances():
            query.append(("instance", f"{quote(app, safe='')}/{instance_id}"))
        return f"watch?{urlencode(query)}"
