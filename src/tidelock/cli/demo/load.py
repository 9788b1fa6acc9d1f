"""Posting orders to user-service: a bounded number at a time, each counted once as accepted or failed.

The driver never posts an order twice: what fails here failed for the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tidelock.cli.demo.orders import Order

IN_FLIGHT = 24
"""Orders under way at once: enough to keep two instances busy, few enough to wait for each politely."""


@dataclass(slots=True)
class Tally:
    """What became of the orders that were posted."""

    accepted: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Orders that have their answer, good or bad."""
        return self.accepted + self.failed


class Load:
    """Posts orders and keeps the tally of the whole run.

    Args:
        post: sends one order's JSON text; returns None when it was accepted, else the reason.
    """

    def __init__(self, post: Callable[[bytes], Awaitable[str | None]]) -> None:
        self._post = post
        self.tally = Tally()
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def run(self, orders: Iterable[Order], *, in_flight: int = IN_FLIGHT) -> None:
        """Post all orders; returns when each has its answer."""
        queue = iter(orders)
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._work(queue))

    async def until_answered(self, count: int) -> None:
        """Wait until that many orders of the whole run have their answer."""
        if self.tally.answered < count:
            event = asyncio.Event()
            self._waiting.append((count, event))
            await event.wait()

    async def _work(self, queue: Iterator[Order]) -> None:
        for order in queue:
            reason = await self._post(order.body)
            if reason is None:
                self.tally.accepted += 1
            else:
                self.tally.failed += 1
                self.tally.reasons[reason] = self.tally.reasons.get(reason, 0) + 1
            for count, event in self._waiting:
                if self.tally.answered >= count:
                    event.set()
