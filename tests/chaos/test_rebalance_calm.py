"""Five workers and many connectors: whose tasks stop when a worker bounces, and when its work moves.

A task that stops and starts again has another process. The group itself is simulated with 1,000 connectors in
tests/unit/connect/distributed/test_assignor.py; this is the same with everything real, so it runs only when
TIDELOCK_CALM says how many connectors there are: TIDELOCK_CALM=50 pytest tests/chaos/test_rebalance_calm.py
"""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engines.connect_distributed import distributed_properties
from tests.integration.connect_cluster import get, request
from tests.support.connect import DistributedProcess
from tests.support.kafka import Kafka
from tests.support.waiting import eventually

CONNECTORS = int(os.environ.get("TIDELOCK_CALM", "0"))
WORKERS, DELAY, PATIENCE = 5, 20.0, 240.0
AT_ONCE = 4 * WORKERS

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not CONNECTORS, reason="takes minutes: set TIDELOCK_CALM to a number of connectors"),
]


def pids(workers: list[DistributedProcess]) -> set[int]:
    """The processes of all tasks that run on these workers: their fork servers' children."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    servers = [server for worker in workers for server in parents.get(worker.pid, ())]
    return {task for server in servers for task in parents.get(server, ())}


def make_all(workers: list[DistributedProcess], names: list[str], folder: Path) -> None:
    """Make the connectors, several at a time, as one does who has so many: a round takes in all that wait."""

    def make(number: int, name: str) -> None:
        path = folder / f"{name}.txt"
        path.touch()
        config = {"connector.class": "FileStreamSource", "file": str(path), "topic": "calm"}
        url = workers[number % WORKERS].url
        assert request(url, "PUT", f"/connectors/{name}/config", config)[0] == 201

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(make, range(len(names)), names))


def test_a_bounce_stops_nobody_and_a_death_moves_work_after_the_delay_only(
    tidelock_broker: Kafka, tmp_path: Path
) -> None:
    keys = {
        **distributed_properties(tidelock_broker.bootstrap, f"calm-{os.getpid()}"),
        "session.timeout.ms": str(10_000 + 20 * CONNECTORS),  # they share the cores with their tasks
        "scheduled.rebalance.max.delay.ms": str(int(DELAY * 1000)),
    }
    workers = [DistributedProcess(tmp_path / f"{number}.log", keys) for number in range(WORKERS)]
    names = [f"c{number}" for number in range(CONNECTORS)]
    try:
        for worker in workers:
            worker.start()
        make_all(workers, names, tmp_path)

        def is_whole() -> bool:
            found = get(workers[0].url, "/connectors?expand=status")
            states = [
                part["state"]
                for one in found.values()
                for part in (one["status"]["connector"], *one["status"]["tasks"])
            ]
            return states == ["RUNNING"] * 2 * CONNECTORS

        eventually(is_whole, PATIENCE, interval=1.0)
        eventually(lambda: len(pids(workers)) == CONNECTORS, PATIENCE, interval=1.0)
        time.sleep(DELAY / 4)  # rounds that balance may follow; whatever moves after this is looked at

        *others, bouncing = workers
        before = pids(others)
        bouncing.stop()
        bouncing.start()
        eventually(lambda: len(pids(workers)) == CONNECTORS, PATIENCE, interval=1.0)
        assert pids(others) == before, "a bounce within the delay stops nobody else's task"

        died_at = time.monotonic()
        bouncing.kill()
        while time.monotonic() < died_at + DELAY / 2:
            assert pids(others) == before, "lost work waits"
            time.sleep(1)
        eventually(lambda: len(pids(others)) == CONNECTORS, PATIENCE, interval=1.0)
        assert time.monotonic() - died_at >= DELAY
        after = pids(others)
        assert before <= after, "no other task stops"
    finally:
        for worker in workers:
            worker.stop()
