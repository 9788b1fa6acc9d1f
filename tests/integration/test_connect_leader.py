"""What only the leader may write, on real brokers: in transactions, until another has taken its place."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.engines.connect_distributed import distributed_properties
from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess
from tidelock.client import Outgoing
from tidelock.client.transactional import TransactionalProducer
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.backing import Backing
from tidelock.connect.distributed.config_state import connector_record, task_records
from tidelock.connect.distributed.leading import LeaderReplaced, Leading
from tidelock.connect.distributed.settings import DistributedSettings
from tidelock.connect.runtime.exactly_once_task import transactional_id_of
from tidelock.protocol.error_codes import ProducerFenced
from tidelock.runtime import SystemClock


@asynccontextmanager
async def leader(bootstrap: str, group: str) -> AsyncIterator[tuple[Leading, Backing]]:
    """A worker's memory, and its right to write the leader's part of it."""
    clock, cluster = SystemClock(), Cluster(bootstrap, "test")
    settings = DistributedSettings.parse(distributed_properties(bootstrap, group))
    backing = Backing(settings, cluster, clock, lambda changed: None)
    await backing.start()
    try:
        yield Leading(backing, cluster, group, clock, transactional=True), backing
    finally:
        await backing.stop()
        await cluster.close()


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_a_leader_that_was_replaced_writes_nothing_and_may_lead_again(
    kafka: ApacheKafka | BrokerProcess,
) -> None:
    group = f"leaders-{uuid.uuid4().hex[:8]}"

    async def story() -> None:
        async with leader(kafka.bootstrap, group) as (one, known), leader(kafka.bootstrap, group) as (two, _):
            await one.claim()
            await one.write(
                [connector_record("a", {"name": "a"}), *task_records("a", [{"n": "0"}, {"n": "1"}])]
            )
            assert known.config.count("a") == 2, "whoever writes sees what it wrote"
            await two.claim()
            await two.write([connector_record("b", {"name": "b"})])
            with pytest.raises(LeaderReplaced):
                await one.write([connector_record("c", {"name": "c"})])
            await one.claim()
            assert list(known.config.connectors) == ["a", "b"]
            await one.write([connector_record("d", {"name": "d"})])
            assert list(known.config.connectors) == ["a", "b", "d"]
            with pytest.raises(LeaderReplaced):
                await two.write([connector_record("e", {"name": "e"})])

    run(story())


def test_tasks_of_a_former_set_are_shut_out_before_the_next_may_write(
    kafka: ApacheKafka | BrokerProcess,
) -> None:
    group = f"leaders-{uuid.uuid4().hex[:8]}"
    zombies = [
        TransactionalProducer(kafka.bootstrap, transactional_id_of(group, "a", number)) for number in range(2)
    ]

    async def story() -> None:
        async with leader(kafka.bootstrap, group) as (one, known):
            await one.claim()
            await one.write([connector_record("a", {"name": "a"}), *task_records("a", [{}, {}])])
            await one.fence("a")
            assert known.config.fencing == {"a": 2}
            for zombie in zombies:
                await asyncio.to_thread(zombie.init)
                zombie.begin()
                zombie.send(f"{group}-data", Outgoing(b"k", b"v"))
            await one.fence("a")
            await asyncio.to_thread(zombies[0].commit)  # nothing has changed: it is no zombie yet
            zombies[0].begin()
            zombies[0].send(f"{group}-data", Outgoing(b"k", b"w"))
            await one.write(task_records("a", [{}]))
            await asyncio.gather(one.fence("a"), one.fence("a"))
            assert known.config.fencing == {"a": 1}
            for zombie in zombies:
                with pytest.raises(ProducerFenced):
                    await asyncio.to_thread(zombie.commit)

    run(story())
