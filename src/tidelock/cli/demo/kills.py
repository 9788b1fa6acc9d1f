"""The kills of acts 3 and 4, each with what is seen until the killed one is back.

Every kill is SIGKILL to a process that `tidelock up` or the demo runs. What brings it back is what would do
so in anybody's house: the supervisor of `up`, Connect's restart of a task, a service started again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal

from tidelock.cli.demo.load import IN_FLIGHT
from tidelock.cli.demo.record import ActResult
from tidelock.cli.demo.sink import SINKS, task_pid
from tidelock.cli.demo.stage import CATCH_UP_TIMEOUT, Stage
from tidelock.cli.demo.world import World

EVICTION_TIMEOUT = 15.0


async def kill_instance(stage: Stage, act: ActResult, victim: str) -> None:
    """SIGKILL an order-service, wait until the registry has dropped it, and start it again."""
    world, tally = stage.world, stage.load.tally
    world.services[victim].kill()
    killed_at = tally.answered
    stage.mark(f"kill -9 {victim}", is_kill=True)
    evicted = await world.until("the registry drops it", lambda: gone(world, victim), within=EVICTION_TIMEOUT)
    stage.mark(f"{victim} evicted")
    stage.narrator.line(act, f"killed after {killed_at:,} orders; out of the registry {evicted:.1f} s later")
    act.figures["evicted_after"] = round(evicted, 2)
    world.services[victim].start()
    await world.until_healthy(victim)
    stage.mark(f"{victim} back")


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
        "the relays are in step", lambda: in_step_again(world), within=CATCH_UP_TIMEOUT
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


async def kill_sinks(stage: Stage, act: ActResult) -> None:
    """SIGKILL the processes of both sinks' tasks and wait until Connect runs them again and they write."""
    world, common = stage.world, stage.world.common
    pids = {name: await running_pid(world, name) for name in SINKS}
    rows, events = await asyncio.to_thread(common.count), await asyncio.to_thread(common.count_events)
    lag = stage.load.tally.accepted - rows
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    stage.mark("kill -9 sink tasks", is_kill=True)

    async def go_on() -> bool:
        if any([await task_pid(world, name) in (0, pid) for name, pid in pids.items()]):
            return False
        now, now_events = await asyncio.to_thread(common.count), await asyncio.to_thread(common.count_events)
        return (now > rows and now_events > events) or now >= stage.load.tally.accepted

    seconds = await world.until("the sinks go on", go_on, world.platform)
    stage.mark("sinks back")
    stage.narrator.line(
        act,
        f"sink tasks (pids {', '.join(map(str, pids.values()))}) killed at {rows:,} rows,"
        f" {lag:,} orders behind; writing again after {seconds:.1f} s",
    )
    act.figures |= {"rows_at_kill": rows, "lag_at_kill": lag, "sinks_back_after": round(seconds, 2)}


async def running_pid(world: World, name: str) -> int:
    """Return the process id of a sink's task, waiting for it where it is just being started."""
    found = 0

    async def known() -> bool:
        nonlocal found
        found = await task_pid(world, name)
        return found > 0

    await world.until(f"the task of {name} has a process", known, world.platform)
    return found
