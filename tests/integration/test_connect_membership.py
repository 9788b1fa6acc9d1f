"""Connect's group protocol against real brokers: workers join, share, bounce and leave; no task twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.kafka import Kafka, MortalKafka, NewKafka
from tidelock.client.group import GroupMember, GroupTimes
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.group_protocol import (
    EAGER,
    NOTHING,
    SESSIONED,
    ConnectorsAndTasks,
)
from tidelock.connect.distributed.membership import Membership, Snapshot
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import RebalanceInProgress
from tidelock.runtime import SystemClock

TIMES = GroupTimes(session=6.0, rebalance=6.0, heartbeat=0.1)
WORK = ConnectorsAndTasks.of({"a", "b", "c"}, {(name, task) for name in "abc" for task in range(2)})
PATIENCE = 30.0


class ModelWorker:
    """Joins again whenever the group wants it, and notes what it runs."""

    def __init__(self, bootstrap: str, group: str, name: str, version: int) -> None:
        clock = SystemClock()
        self.cluster = Cluster(bootstrap, name)
        self.member = GroupMember(self.cluster, group, "connect", times=TIMES, clock=clock)
        self.membership = Membership(
            self.member,
            url=f"http://{name}:1/",
            version=version,
            max_delay=0.3,
            snapshot=self.snapshot,
            clock=clock,
        )
        self.running = NOTHING
        self.stopped = NOTHING
        self.again = asyncio.Event()

    async def snapshot(self, at_least: int) -> Snapshot:
        return Snapshot(max(1, at_least), WORK)

    async def stop(self, work: ConnectorsAndTasks) -> None:
        self.running -= work
        self.stopped |= work

    async def run(self) -> None:
        while True:
            try:
                assignment = await self.membership.join(self.stop)
            except TidelockError as error:
                if not error.retriable and not isinstance(error, RebalanceInProgress):
                    raise
                await asyncio.sleep(0.05)
                continue
            self.running = assignment.assigned
            if assignment.revoked:
                continue
            delay = assignment.delay / 1000 if assignment.delay else None
            ended = asyncio.ensure_future(self.member.ended())
            await asyncio.wait((ended,), timeout=delay)
            ended.cancel()


@asynccontextmanager
async def worker(
    bootstrap: str, group: str, name: str, version: int = SESSIONED
) -> AsyncIterator[ModelWorker]:
    made = ModelWorker(bootstrap, group, name, version)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await made.member.leave()
        await made.cluster.close()
    if not running.cancelled() and (error := running.exception()):
        raise error


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not check():  # noqa: ASYNC110  # what is awaited is another task's state
            await asyncio.sleep(0.02)


def is_shared(*workers: ModelWorker) -> bool:
    """Whether everything runs, once, and evenly."""
    everything = NOTHING
    for one in workers:
        everything |= one.running
    sizes = [len(one.running.tasks) for one in workers]
    return (
        everything == WORK
        and sum(len(one.running) for one in workers) == len(WORK)
        and max(sizes) - min(sizes) <= 1
    )


async def join_share_and_leave(bootstrap: str, version: int) -> None:
    group = f"connect-{version}"
    async with worker(bootstrap, group, "one", version) as one:
        await until(lambda: one.running == WORK)
        async with worker(bootstrap, group, "two", version) as two:
            await until(lambda: is_shared(one, two))
            assert [one.membership.is_leader, two.membership.is_leader].count(True) == 1
            assert one.membership.leader_url == two.membership.leader_url
        await until(lambda: one.running == WORK)


@pytest.mark.parametrize("version", [EAGER, SESSIONED])
def test_workers_share_the_work_and_take_over_what_is_left(kafka: Kafka, version: int) -> None:
    asyncio.run(join_share_and_leave(kafka.bootstrap, version))


def test_workers_of_two_ages_meet_at_the_older_protocol(any_kafka: Kafka) -> None:
    async def story(bootstrap: str) -> None:
        async with worker(bootstrap, "ages", "new") as new, worker(bootstrap, "ages", "old", EAGER) as old:
            await until(lambda: is_shared(new, old))
            assert new.membership.version == EAGER

    asyncio.run(story(any_kafka.bootstrap))


def test_a_broker_that_bounces_costs_no_membership(new_kafka: NewKafka) -> None:
    async def story(broker: MortalKafka) -> None:
        async with worker(broker.bootstrap, "bounce", "one") as one:
            await until(lambda: one.running == WORK)
            generation = one.membership.generation
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            heard = one.member.heard_at
            await until(lambda: one.member.heard_at > heard)
            assert one.membership.generation == generation
            assert not one.stopped

    with new_kafka() as broker:
        asyncio.run(story(broker))
