"""The first four acts. Each drives the world, prints its lines, and says whether it showed what it promises.

1 two instances, two databases, no queue: the answers flip.     2 a queue and a Connect sink: they agree.
3 an instance is killed under load.    4 broker and sink are killed under load.    (5 is module `proof`.)

An act's `ok` is a check of what was seen, never a constant: the run passes when all five hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from tidelock.cli.demo.kills import kill_broker, kill_instance, kill_sinks
from tidelock.cli.demo.orders import Order
from tidelock.cli.demo.sink import CONFIG_FILE, CONNECTOR, create_sinks
from tidelock.cli.demo.stage import Stage, caught_up, finish, under_load
from tidelock.cli.demo.world import ORDER_SERVICES, USER_SERVICE, World

ASK_TIMES = 6


async def act_one(stage: Stage, customer: int | None, first: Sequence[Order]) -> None:
    """Show the problem: each instance knows only what it was told itself."""
    act = stage.begin(1, "Two order-service instances, two databases, no message queue")
    whose = "" if customer is None else f" of user {customer}"
    question = "how many orders are there?" if customer is None else f"how many orders has user {customer}?"
    await stage.load.run(first, in_flight=1)
    stage.narrator.line(act, f"POST {len(first)} orders{whose} through user-service (round robin)")
    answers = await ask_counts(stage.world, customer)
    shown = "   ".join(f"{who.removeprefix('order-service-')}: {count}" for who, count in answers)
    stage.narrator.line(act, f'GET "{question}", {len(answers)} times, by instance:')
    stage.narrator.line(act, shown)
    stage.narrator.line(act, "each instance knows only its own orders: the answer depends on whom you ask")
    counts, by_instance = [count for _, count in answers], dict(answers)
    act.figures = {"orders": len(first), "answers": counts, "by_instance": by_instance}
    act.ok = (
        stage.load.tally.failed == 0
        and len(by_instance) == len(ORDER_SERVICES)
        and sum(by_instance.values()) == len(first)
        and set(counts) != {len(first)}
    )
    finish(stage, act, essential=True)


async def act_two(stage: Stage, customer: int | None) -> None:
    """Show the fix: outbox, topic, a Connect sink into one database; every instance reads that."""
    world = stage.world
    act = stage.begin(2, "Same services, orders sent to topic `orders`, a Connect sink writes ONE database")
    running_after = await create_sinks(world)
    config = json.loads((world.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    stage.narrator.line(
        act,
        f"PUT /connectors/{CONNECTOR}/config  ({len(config)} lines: {CONFIG_FILE})"
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
    before, answered_before, began = await world.figures(), load.tally.answered, world.elapsed

    async def without_instance() -> None:
        await load.until_answered(answered_before + len(orders) // 3)
        await kill_instance(stage, act, victim)

    await under_load(stage, orders, without_instance)
    after, seconds = await world.figures(), world.elapsed - began
    used = {name: after[name] - before[name] for name in after}
    stage.narrator.line(
        act,
        f"{used['retried']} calls went to the other instance,"
        f" {used['in_doubt']} were in doubt and settled with {victim} when it was back",
    )
    tell_load(stage, len(orders), seconds)
    act.figures |= {"orders": len(orders), "failed": load.tally.failed, "seconds": round(seconds, 2), **used}
    act.ok = load.tally.failed == 0 and used["in_doubt"] == used["settled"] and "evicted_after" in act.figures
    finish(stage, act)


async def act_four(stage: Stage, orders: Sequence[Order]) -> None:
    """Kill the broker and the sink's task under load; the outboxes hold, everything arrives."""
    world, load = stage.world, stage.load
    act = stage.begin(4, f"kill -9 the broker, then the sinks, while {len(orders):,} orders flow")
    answered_before, began = load.tally.answered, world.elapsed

    async def without_broker() -> None:
        await load.until_answered(answered_before + len(orders) // 4)
        await kill_broker(stage, act)

    async def without_sinks() -> None:
        await load.until_answered(answered_before + len(orders) * 6 // 10)
        await kill_sinks(stage, act)

    await under_load(stage, orders, without_broker, without_sinks)
    posted = world.elapsed - began
    lag = load.tally.accepted - await asyncio.to_thread(world.common.distinct)
    seconds = await caught_up(stage)
    tell_load(stage, len(orders), posted)
    stage.narrator.line(act, f"lag {lag:,} orders when the last was posted, 0 after {seconds:.1f} s")
    act.figures |= {
        "orders": len(orders),
        "failed": load.tally.failed,
        "seconds": round(posted, 2),
        "lag": lag,
        "caught_up_after": round(seconds, 2),
    }
    act.ok = load.tally.failed == 0 and {"broker_back_after", "sinks_back_after"} <= act.figures.keys()
    finish(stage, act)


def tell_load(stage: Stage, orders: int, seconds: float) -> None:
    """Say how fast orders were accepted, and how many were not."""
    tally = stage.load.tally
    reasons = (
        f" ({', '.join(f'{count} x {why}' for why, count in tally.reasons.items())})" if tally.failed else ""
    )
    rate = orders / seconds
    stage.narrator.line(
        stage.record.acts[-1],
        f"{orders:,} orders in {seconds:.1f} s ({rate:,.0f}/s), failed for the user: {tally.failed}{reasons}",
    )


async def ask_counts(world: World, customer: int | None) -> list[tuple[str, int]]:
    """Ask user-service several times how many orders there are: (instance, count) each.

    Asked again where the registry is just without one of the instances: then the answers would show nothing.
    """
    path = "/orders/count" if customer is None else f"/users/{customer}/orders"
    found: list[tuple[str, int]] = []

    async def from_both() -> bool:
        found.clear()
        for _ in range(ASK_TIMES):
            answer = await world.ask(f"{world.url(USER_SERVICE)}{path}")
            found.append((answer["instance"], answer["orders"]))
        return len(dict(found)) == len(ORDER_SERVICES)

    await world.until("both instances answer", from_both, *world.services.values())
    return found
