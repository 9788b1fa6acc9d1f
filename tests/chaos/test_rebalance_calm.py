"""Five workers and many connectors: whose tasks stop when a worker bounces, and when its work moves.

A task that stops and starts again has another process. The group itself is simulated with 1,000 connectors in
tests/unit/connect/distributed/test_assignor.py; this is the same with everything real, so it runs only when
TIDELOCK_CALM says how many connectors there are: TIDELOCK_CALM=50 pytest tests/chaos/test_rebalance_calm.py
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engines.connect_distributed import distributed_properties
from tests.integration.connect_cluster import get, request, states
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


def pids(workers: list[DistributedProcess], names: list[str]) -> dict[str, int]:
    """The process of each task that runs on these workers."""

    def on(worker: DistributedProcess) -> dict[str, int]:
        found = {name: get(worker.url, f"/connectors/{name}/progress")["tasks"] for name in names}
        return {name: task["pid"] for name, tasks in found.items() for task in tasks if task["pid"]}

    with ThreadPoolExecutor(len(workers)) as pool:
        return {name: pid for one in pool.map(on, workers) for name, pid in one.items()}


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
        "session.timeout.ms": "10000",
        "scheduled.rebalance.max.delay.ms": str(int(DELAY * 1000)),
    }
    workers = [DistributedProcess(tmp_path / f"{number}.log", keys) for number in range(WORKERS)]
    names = [f"c{number}" for number in range(CONNECTORS)]
    try:
        for worker in workers:
            worker.start()
        make_all(workers, names, tmp_path)

        def is_whole() -> bool:
            found = [states(workers[0].url, name) for name in names]
            return all([state for state, _ in one] == ["RUNNING"] * 2 for one in found)

        eventually(is_whole, PATIENCE, interval=1.0)
        eventually(lambda: len(pids(workers, names)) == CONNECTORS, PATIENCE, interval=1.0)
        time.sleep(DELAY / 4)  # rounds that balance may follow; whatever moves after this is looked at

        *others, bouncing = workers
        before = pids(others, names)
        bouncing.stop()
        bouncing.start()
        eventually(lambda: len(pids(workers, names)) == CONNECTORS, PATIENCE, interval=1.0)
        assert pids(others, names) == before, "a bounce within the delay stops nobody else's task"

        died_at = time.monotonic()
        bouncing.kill()
        while time.monotonic() < died_at + DELAY / 2:
            assert pids(others, names) == before, "lost work waits"
            time.sleep(1)
        eventually(lambda: len(pids(others, names)) == CONNECTORS, PATIENCE, interval=1.0)
        assert time.monotonic() - died_at >= DELAY
        after = pids(others, names)
        assert {name: after[name] for name in before} == before, "no other task stops"
    finally:
        for worker in workers:
            worker.stop()
