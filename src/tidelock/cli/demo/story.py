"""One run from claimed folder to report: start the world, play the acts, stop the world, write the page.

Nothing is started before the orders are read and checked, the folder is claimed and the common database has
answered. Whatever happens afterwards, also Ctrl-C, every process is stopped before this returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import URL

from tidelock.cli.demo import acts, proof
from tidelock.cli.demo.folder import DemoFolder
from tidelock.cli.demo.load import Load
from tidelock.cli.demo.narrate import Narrator
from tidelock.cli.demo.orders import OrderBook
from tidelock.cli.demo.record import RunRecord
from tidelock.cli.demo.report import render
from tidelock.cli.demo.stage import Stage, split
from tidelock.cli.demo.world import World
from tidelock.runtime import Clock

TITLE = "The order story"


class InterruptedStoryError(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; everything has been stopped."""


@dataclass(slots=True)
class Plan:
    """Everything that was checked before the first process starts."""

    book: OrderBook
    folder: DemoFolder
    common: URL
    clock: Clock


def run(plan: Plan, narrator: Narrator) -> bool:
    """Play the whole story; returns whether the proof holds.

    Raises:
        InterruptedStoryError: somebody asked to stop.
        TidelockError: the story cannot go on.
    """
    record = RunRecord(plan.book.source, len(plan.book.orders), plan.book.line_count)
    try:
        asyncio.run(_interruptible(plan, narrator, record))
    except asyncio.CancelledError:
        raise InterruptedStoryError from None
    finally:
        if record.samples:
            write_report(plan, record, narrator)
    return record.ok


def write_report(plan: Plan, record: RunRecord, narrator: Narrator) -> None:
    """Write report.html into the folder, or say why it is not there."""
    written = datetime.fromtimestamp(plan.clock.wall(), UTC).strftime("%Y-%m-%d %H:%M UTC")
    path = plan.folder.path / "report.html"
    try:
        path.write_text(render(record, title=TITLE, written=written), encoding="utf-8")
    except OSError as error:
        narrator.say(f"report.html could not be written: {error.strerror}")


async def _interruptible(plan: Plan, narrator: Narrator, record: RunRecord) -> None:
    story = asyncio.current_task()
    assert story is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, story.cancel)
    world = World(plan.folder.path, plan.common, plan.clock)
    stage = Stage(world, plan.book, record, narrator, Load(world.post_order))
    try:
        await _play(stage)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: None)  # stopping takes a moment and must not be cut short
        await world.close()


async def _play(stage: Stage) -> None:
    world, narrator = stage.world, stage.narrator
    customer, first, half, rest = split(stage.book)
    narrator.say(
        f"{len(stage.book.orders):,} orders with {stage.book.line_count:,} lines, {stage.book.source}"
    )
    await world.start()
    narrator.say(
        f"registry {world.addresses['registry']} · broker {world.addresses['broker']}"
        f" · Connect {world.addresses['connect']} · after {world.elapsed:.1f} s"
    )
    sampling = asyncio.create_task(stage.sample())
    try:
        await acts.act_one(stage, customer, first)
        await acts.act_two(stage, customer)
        await acts.act_three(stage, half)
        await acts.act_four(stage, rest)
        await proof.act_five(stage)
    finally:
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling
        stage.record.peak_memory = dict(sorted(world.memory.peaks.items()))
