"""What every act works with: the stage, the load that flows while something happens, and how an act ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.cli.demo.database import events_committed
from tidelock.cli.demo.load import Load
from tidelock.cli.demo.narrate import Narrator
from tidelock.cli.demo.orders import Order, OrderBook
from tidelock.cli.demo.record import ActResult, Event, RunRecord, Sample
from tidelock.cli.demo.sink import SINKS
from tidelock.cli.demo.world import World
from tidelock.errors import TidelockError

FIRST_ORDERS = 6
SAMPLE_EVERY = 0.25
SHOW_EVERY = 0.1
CATCH_UP_TIMEOUT = 300.0

Disturbance = Callable[[], Coroutine[Any, Any, None]]


class BrokenStoryError(TidelockError):
    """An act that all others build on failed."""

    code = "TID-716"


@dataclass(slots=True)
class Stage:
    """What every act needs."""

    world: World
    book: OrderBook
    record: RunRecord
    narrator: Narrator
    load: Load
    act: int = 0

    def begin(self, number: int, title: str) -> ActResult:
        """Open an act."""
        self.act = number
        result = ActResult(number, title, started=self.world.elapsed)
        self.record.acts.append(result)
        self.narrator.headline(number, title)
        return result

    def mark(self, label: str, *, is_kill: bool = False) -> None:
        """Put a moment on the timeline."""
        self.record.events.append(Event(self.world.elapsed, label, is_kill))

    async def sample(self) -> None:
        """Take samples and watch memory until cancelled."""
        while True:
            stored = await asyncio.to_thread(self.world.common.count)
            self.record.samples.append(Sample(self.world.elapsed, self.load.tally.accepted, stored, self.act))
            await asyncio.to_thread(self.world.look_at_memory)
            await asyncio.sleep(SAMPLE_EVERY)


def split(book: OrderBook) -> tuple[int | None, list[Order], list[Order], list[Order]]:
    """Divide the orders: a customer (None: everybody) and the first few, then two halves of the rest."""
    customer, first = book.opening(FIRST_ORDERS)
    chosen = {order.invoice_no for order in first}
    rest = [order for order in book.orders if order.invoice_no not in chosen]
    middle = len(rest) // 2
    return customer, first, rest[:middle], rest[middle:]


async def under_load(stage: Stage, orders: Sequence[Order], *disturbances: Disturbance) -> None:
    """Post all orders while the disturbances run; returns when all of them have come to an end.

    Raises:
        TidelockError: the first failure among them; the others are cancelled.
    """
    tally = stage.load.tally
    done_before = tally.answered

    async def show() -> None:
        while True:
            note = f"failed {tally.failed}" if tally.failed else ""
            stage.narrator.progress("orders", tally.answered - done_before, len(orders), note)
            await asyncio.sleep(SHOW_EVERY)

    shown = asyncio.create_task(show())
    tasks = [
        asyncio.create_task(stage.load.run(orders)),
        *(asyncio.create_task(one()) for one in disturbances),
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in (shown, *tasks):
            task.cancel()
        await asyncio.gather(shown, *tasks, return_exceptions=True)


async def caught_up(stage: Stage) -> float:
    """Wait until every sink has every event of the outboxes; returns the seconds it took."""
    world = stage.world

    def done() -> tuple[int, int]:
        ledger = world.common.ledger()
        return min(ledger.get(name, 0) for name in SINKS), events_committed(world.source_files)

    async def equal() -> bool:
        taken, committed = await asyncio.to_thread(done)
        stage.narrator.progress("events in the database", taken, committed)
        return taken >= committed and await drained_outbox(world)

    return await world.until("everything arrives", equal, world.platform, within=CATCH_UP_TIMEOUT)


async def drained_outbox(world: World) -> bool:
    """Whether no running instance holds an event back."""
    return await world.outbox_backlog() == 0


def finish(stage: Stage, act: ActResult, *, essential: bool = False) -> None:
    """Close an act.

    Raises:
        BrokenStoryError: an essential act did not show what it promises, so the rest would prove nothing.
    """
    act.ended = stage.world.elapsed
    if not act.ok:
        stage.narrator.line(act, "NOT AS PROMISED: " + json.dumps(act.figures, default=str))
    stage.narrator.result(act)
    if essential and not act.ok:
        raise BrokenStoryError(
            f"act {act.act} did not show what it promises",
            where=str(stage.world.folder / "logs"),
            hint="read the logs",
        )
