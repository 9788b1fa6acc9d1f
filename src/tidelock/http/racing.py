"""Attempts side by side for the asyncio driver: the first to end is told, the others go on or are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidelock.http.around import Exchanger
from tidelock.http.flow import Finished, Race, Send
from tidelock.http.wire.head import outgoing
from tidelock.http.wire.idle import Outcome


class Racers:
    """The attempts of one call that are under way."""

    def __init__(self, pools: Exchanger) -> None:
        self._pools = pools
        self._running: dict[asyncio.Task[Outcome], Send] = {}

    async def run(self, race: Race, now: Callable[[], float]) -> Finished | float:
        """Start what the race asks for, and wait for the first to end; the time if none does."""
        if race.starting is not None:
            self._running[asyncio.ensure_future(self._exchange(race.starting))] = race.starting
        # a deadline is the exchange's own business; only an earlier patience ends the wait
        patience = (
            race.until - now() if any(race.until < each.deadline for each in self._running.values()) else None
        )
        done, _ = await asyncio.wait(self._running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            return Finished(self._running.pop(task), task.result())
        return now()

    def close(self) -> None:
        """Give up what is still under way."""
        for task in self._running:
            task.cancel()

    async def _exchange(self, send: Send) -> Outcome:
        peer, request = send.peer, send.request
        data = outgoing(request, peer.prefix, peer.authority, send.deadline - send.sent_at, send.attempt)
        return await self._pools.exchange(
            peer.address, data, send.deadline, send.sent_at, peer.connect_timeout
        )
