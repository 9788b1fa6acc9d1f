"""The five acts. Each drives the world, prints its lines, and returns whether it showed what it promises.

1 two instances, two databases, no queue: the answers flip.     2 a queue and a Connect sink: they agree.
3 an instance is killed under load.    4 broker and sink are killed under load.    5 the proof (module `proof`).

An act's `ok` is a check of what was seen, never a constant: the run passes when all five hold.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tidelock.cli.demo.load import IN_FLIGHT, Load
from tidelock.cli.demo.narrate import Narrator
from tidelock.cli.demo.orders import Order, OrderBook
from tidelock.cli.demo.record import ActResult, Event, RunRecord, Sample
from tidelock.cli.demo.world import CONNECTOR, ORDER_SERVICES, USER_SERVICE, World
from tidelock.errors import TidelockError

FIRST_ORDERS = 6
ASK_TIMES = 6
SAMPLE_EVERY = 0.25
CATCH_UP_TIMEOUT = 300.0
EVICTION_TIMEOUT = 15.0


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


def split(book: OrderBook) -> tuple[int, list[Order], list[Order], list[Order]]:
    """Divide the orders: a customer and his first six, then two halves of the rest in their own order.

    Raises:
        TidelockError: there are not enough orders to tell the story.
    """
    found = book.busiest_customer(FIRST_ORDERS)
    if found is None:
        raise TidelockError(
            f"no customer has {FIRST_ORDERS} orders, and the story needs one", where=book.source
        )
    customer, first = found
    chosen = {order.invoice_no for order in first}
    rest = [order for order in book.orders if order.invoice_no not in chosen]
    middle = len(rest) // 2
    return customer, first, rest[:middle], rest[middle:]


async def act_one(stage: Stage, customer: int, first: Sequence[Order]) -> None:
    """Show the problem: each instance knows only what it was told itself."""
    act = stage.begin(1, "Two order-service instances, two databases, no message queue")
    await stage.load.run(first, in_flight=1)
    stage.narrator.line(
        act, f"POST {len(first)} orders of user {customer} through user-service (round robin)"
    )
    answers = await ask_counts(stage.world, customer)
    shown = "   ".join(f"{who.removeprefix('order-service-')}: {count}" for who, count in answers)
    stage.narrator.line(
        act, f'GET "how many orders has user {customer}?", {len(answers)} times, by instance:'
    )
    stage.narrator.line(act, shown)
    stage.narrator.line(act, "each instance knows only its own orders: the answer depends on whom you ask")
    counts = [count for _, count in answers]
    by_instance = dict(answers)
    act.figures = {"orders": len(first), "answers": counts, "by_instance": by_instance}
    act.ok = (
        stage.load.tally.failed == 0
        and len(by_instance) == len(ORDER_SERVICES)
        and sum(by_instance.values()) == len(first)
        and max(counts) < len(first)
    )
    finish(stage, act, essential=True)


async def act_two(stage: Stage, customer: int) -> None:
    """Show the fix: outbox, topic, a Connect sink into one database; every instance reads that."""
    world = stage.world
    act = stage.begin(2, "Same services, orders sent to topic `orders`, a Connect sink writes ONE database")
    running_after = await create_sink(world)
    config = json.loads((world.folder / "orders-sink.json").read_text(encoding="utf-8"))
    stage.narrator.line(
        act,
        f"PUT /connectors/{CONNECTOR}/config  ({len(config)} lines: orders-sink.json)"
        f"  RUNNING after {running_after:.1f} s",
    )
    await world.connect_the_queue()
    seconds = await caught_up(stage)
    stage.mark("queue and sink connected")
    stage.narrator.line(act, f"the {stage.load.tally.accepted} orders of act 1 arrived after {seconds:.1f} s")
    answers = await ask_counts(world, customer)
    counts = [count for _, count in answers]
    stage.narrator.line(
        act, "the same question, " + str(len(answers)) + " times: " + " ".join(map(str, counts))
    )
    act.figures = {"answers": counts, "sink_running_after": running_after, "carried_after": seconds}
    act.ok = set(counts) == {stage.load.tally.accepted} and len(dict(answers)) == len(ORDER_SERVICES)
    finish(stage, act, essential=True)


async def act_three(stage: Stage, orders: Sequence[Order]) -> None:
    """Kill an instance under load; nobody who posts an order may notice."""
    world, load = stage.world, stage.load
    victim = ORDER_SERVICES[1]
    act = stage.begin(3, f"kill -9 {victim} while {len(orders):,} orders flow")
    before, accepted_before = await world.figures(), load.tally.accepted
    began = world.elapsed

    async def disturb() -> None:
        await passed(stage, accepted_before + len(orders) // 3)
        world.services[victim].kill()
        killed_at = load.tally.accepted
        stage.mark(f"kill -9 {victim}", is_kill=True)
        evicted = await world.until(
            "the registry drops it", lambda: gone(world, victim), timeout=EVICTION_TIMEOUT
        )
        stage.mark(f"{victim} evicted")
        stage.narrator.line(
            act,
            f"killed after {killed_at - accepted_before:,} orders; out of the registry {evicted:.1f} s later",
        )
        act.figures["evicted_after"] = round(evicted, 2)
        world.services[victim].start()
        await world.until_healthy(victim)
        stage.mark(f"{victim} back")

    await under_load(stage, orders, [disturb])
    after = await world.figures()
    seconds = world.elapsed - began
    used = {name: after[name] - before[name] for name in after}
    stage.narrator.line(
        act,
        f"{used['retried']} calls went to the other instance, {used['in_doubt']} were in doubt and"
        f" settled with {victim} when it was back",
    )
    stage.narrator.line(
        act,
        f"{len(orders):,} orders in {seconds:.1f} s ({len(orders) / seconds:,.0f}/s),"
        f" failed for the user: {load.tally.failed}",
    )
    act.figures |= {"orders": len(orders), "failed": load.tally.failed, "seconds": round(seconds, 2), **used}
    act.ok = load.tally.failed == 0 and used["in_doubt"] == used["settled"] and "evicted_after" in act.figures
    finish(stage, act)


async def act_four(stage: Stage, orders: Sequence[Order]) -> None:
    """Kill the broker, then the sink's task, under load; the outboxes hold, everything arrives."""
    world, load = stage.world, stage.load
    act = stage.begin(4, f"kill -9 the broker, then the sink in mid-batch, while {len(orders):,} orders flow")
    accepted_before, began = load.tally.accepted, world.elapsed

    async def without_broker() -> None:
        await passed(stage, accepted_before + len(orders) // 4)
        await kill_broker(stage, act)

    async def without_sink() -> None:
        await passed(stage, accepted_before + len(orders) * 6 // 10)
        await kill_sink(stage, act)

    await under_load(stage, orders, [without_broker, without_sink])
    posted = world.elapsed - began
    lag = stage.load.tally.accepted - await asyncio.to_thread(world.common.count)
    seconds = await caught_up(stage)
    stage.narrator.line(
        act,
        f"{len(orders):,} orders in {posted:.1f} s ({len(orders) / posted:,.0f}/s),"
        f" failed for the user: {load.tally.failed}",
    )
    stage.narrator.line(act, f"lag {lag:,} orders when the last was posted, 0 after {seconds:.1f} s")
    act.figures |= {
        "orders": len(orders),
        "failed": load.tally.failed,
        "seconds": round(posted, 2),
        "lag": lag,
        "caught_up_after": round(seconds, 2),
    }
    act.ok = (
        load.tally.failed == 0
        and act.figures.get("sink_killed", False)
        and "broker_back_after" in act.figures
    )
    finish(stage, act)


async def kill_broker(stage: Stage, act: ActResult) -> None:
    """SIGKILL the broker and wait until `tidelock up` has it back on the same port and data."""
    world = stage.world
    old = world.platform_pids()["broker"]
    os.kill(old, signal.SIGKILL)
    stage.mark("kill -9 broker", is_kill=True)
    held = 0

    async def back() -> bool:
        nonlocal held
        held = max(held, await world.outbox_backlog())
        return world.platform_pids().get("broker", old) != old

    seconds = await world.until("the broker is back", back, world.platform)
    stage.mark("broker back")
    in_step = await world.until(
        "the relays are in step", lambda: in_step_again(world), timeout=CATCH_UP_TIMEOUT
    )
    stage.narrator.line(
        act,
        f"broker (pid {old}) back after {seconds:.1f} s; the outboxes held up to {held:,} events"
        f" and were in step again {in_step:.1f} s later",
    )
    act.figures |= {
        "broker_back_after": round(seconds, 2),
        "outbox_held": held,
        "in_step_after": round(in_step, 2),
    }


async def in_step_again(world: World) -> bool:
    """Whether the outboxes hold no more than what is just on its way."""
    return await world.outbox_backlog() <= 2 * IN_FLIGHT


async def kill_sink(stage: Stage, act: ActResult) -> None:
    """SIGKILL the process of the sink's task and wait until Connect runs it again."""
    world = stage.world
    pid = world.sink_pid()
    if not pid:
        stage.narrator.line(act, "the sink's process cannot be found on this system: it is not killed")
        return
    stored = await asyncio.to_thread(world.common.count)
    os.kill(pid, signal.SIGKILL)
    stage.mark("kill -9 sink task", is_kill=True)

    async def goes_on() -> bool:
        if world.sink_pid() in (0, pid):
            return False
        now = await asyncio.to_thread(world.common.count)
        return now > stored or now >= stage.load.tally.accepted

    seconds = await world.until("the sink goes on", goes_on, world.platform)
    stage.mark("sink back")
    stage.narrator.line(
        act, f"sink task (pid {pid}) killed at {stored:,} rows; writing again after {seconds:.1f} s"
    )
    act.figures |= {"sink_killed": True, "sink_back_after": round(seconds, 2)}


async def under_load(
    stage: Stage, orders: Sequence[Order], disturbances: list[Callable[[], Awaitable[None]]]
) -> None:
    """Post all orders while the disturbances run; both must come to an end."""
    done_before = stage.load.tally.accepted + stage.load.tally.failed

    async def show() -> None:
        while True:
            tally = stage.load.tally
            note = f"failed {tally.failed}" if tally.failed else ""
            stage.narrator.progress("orders", tally.accepted + tally.failed - done_before, len(orders), note)
            await asyncio.sleep(0.1)

    shown = asyncio.create_task(show())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.load.run(orders))
            for disturbance in disturbances:
                group.create_task(_as_coroutine(disturbance))
    finally:
        shown.cancel()


async def _as_coroutine(disturbance: Callable[[], Awaitable[None]]) -> None:
    await disturbance()


async def passed(stage: Stage, accepted: int) -> None:
    """Wait until that many orders of the whole run have been answered."""
    while stage.load.tally.accepted + stage.load.tally.failed < accepted:
        await asyncio.sleep(0.01)


async def caught_up(stage: Stage) -> float:
    """Wait until every accepted order is in the common database; returns the seconds it took."""
    world = stage.world

    async def equal() -> bool:
        stored = await asyncio.to_thread(world.common.distinct)
        stage.narrator.progress("in the database", stored, stage.load.tally.accepted)
        return stored >= stage.load.tally.accepted and await drained_outbox(world)

    return await world.until("everything arrives", equal, world.platform, timeout=CATCH_UP_TIMEOUT)


async def drained_outbox(world: World) -> bool:
    """Whether no running instance holds an event back."""
    return await world.outbox_backlog() == 0


async def ask_counts(world: World, customer: int) -> list[tuple[str, int]]:
    """Ask user-service several times how many orders a customer has: (instance, count) each."""
    found = []
    for _ in range(ASK_TIMES):
        answer = await world.ask(f"{world.url(USER_SERVICE)}/users/{customer}/orders")
        found.append((answer["instance"], answer["orders"]))
    return found


async def gone(world: World, name: str) -> bool:
    """Whether the registry no longer lists an instance."""
    registry = world.addresses["registry"].rstrip("/").removesuffix("/eureka")
    response = await world.client.get(
        f"{registry}/eureka/apps/ORDER-SERVICE", headers={"Accept": "application/json"}, timeout=5.0
    )
    if response.status == 404:
        return True
    listed = json.loads(response.body)["application"]["instance"]
    return not any(name in instance["instanceId"] for instance in listed)


async def create_sink(world: World) -> float:
    """Create the sink through Connect's REST interface; returns the seconds until it runs."""
    config: dict[str, Any] = json.loads((world.folder / "orders-sink.json").read_text(encoding="utf-8"))
    config["connection.url"] = world.common_url.render_as_string(hide_password=False)
    url = f"{world.addresses['connect']}/connectors/{CONNECTOR}/config"
    headers = {"Content-Type": "application/json"}
    response = await world.client.put(url, content=json.dumps(config).encode(), headers=headers, timeout=30.0)
    if response.status not in (200, 201):
        raise TidelockError(f"Connect refuses the sink: {response.body.decode(errors='replace')}", where=url)

    async def running() -> bool:
        status = await sink_status(world)
        states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
        return len(states) > 1 and set(states) == {"RUNNING"}

    return round(await world.until("the sink runs", running, world.platform), 2)


async def sink_status(world: World) -> Any:
    """Return Connect's status document of the sink."""
    return await world.ask(f"{world.addresses['connect']}/connectors/{CONNECTOR}/status")


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


def chunks(orders: Sequence[Order], size: int) -> Iterator[list[Order]]:
    """Yield the orders in lists of at most `size`."""
    rest = iter(orders)
    while part := list(islice(rest, size)):
        yield part
