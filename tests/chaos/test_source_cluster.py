"""An exactly-once source on several workers: what a read_committed consumer sees, whatever happens to them.

Tasks count up in source partitions that are divided anew when tasks.max changes. Meanwhile workers are killed
and come back, are paused until the group has given their tasks to others and then go on as zombies, with or
without the processes of their tasks, tasks are killed, and the number of tasks changes. In the end every
number of every partition is in the topic once, in order.

    TIDELOCK_CLUSTER_EVENTS    how many events; by default a zombie and one of the others
    TIDELOCK_CLUSTER_SEED      draws them again

With events given it also runs on Apache Kafka.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.engines.connect_distributed import distributed_properties
from tests.engines.fetch import Engines
from tests.engines.kafka import ApacheKafka
from tests.integration.connect_cluster import get, request, states
from tests.support.broker import BrokerProcess
from tests.support.connect import DistributedProcess
from tests.support.waiting import eventually
from tidelock.client import Admin

EVENTS = int(os.environ.get("TIDELOCK_CLUSTER_EVENTS", "0"))
SEED = int(os.environ.get("TIDELOCK_CLUSTER_SEED", "0")) or random.randrange(1 << 30)
PARTS, STEP = 4, 60
SESSION = 2.0
STRING = "org.apache.kafka.connect.storage.StringConverter"
PATIENCE = 180.0

pytestmark = pytest.mark.timeout(600 + EVENTS * 60)


def properties(bootstrap: str, group: str) -> dict[str, str]:
    return {
        **distributed_properties(bootstrap, group),
        "key.converter": STRING,
        "value.converter": STRING,
        "exactly.once.source.support": "enabled",
        "session.timeout.ms": str(int(SESSION * 1000)),
        "scheduled.rebalance.max.delay.ms": "200",
        "task.shutdown.graceful.timeout.ms": "1000",
    }


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


class Story:
    """The cluster, its connector, and what is in the topic."""

    def __init__(self, folder: Path, bootstrap: str, draw: random.Random) -> None:
        name = f"numbers-{uuid.uuid4().hex[:8]}"
        self.name, self.bootstrap, self.draw = name, bootstrap, draw
        self.limits = folder / "limit"
        self.limit, self.tasks = 0, 2
        self.told: list[str] = []
        keys = properties(bootstrap, name)
        self.workers = [DistributedProcess(folder / f"worker-{one}.log", keys) for one in range(2)]
        Admin(bootstrap).create_topic(name, 1)
        self.more()

    def more(self) -> None:
        self.limit += STEP
        part = self.limits.with_suffix(".part")
        part.write_text(str(self.limit))
        part.rename(self.limits)

    def configure(self, own_topic: str | None = None) -> None:
        config = {
            "connector.class": "tests.support.connectors:NumbersSource",
            "tasks.max": str(self.tasks),
            "parts": str(PARTS),
            "limits": str(self.limits),
            "topic": self.name,
            "exactly.once.support": "required",
            "errors.restart.delay.ms": "20",
            "errors.restart.delay.max.ms": "200",
            **({} if own_topic is None else {"offsets.storage.topic": own_topic}),
        }
        worker = self.draw.choice(self.workers)
        status, body = request(worker.url, "PUT", f"/connectors/{self.name}/config", config)
        assert status in (200, 201), body

    # Events

    def kill(self) -> None:
        """A worker dies and comes back at once."""
        worker = self.draw.choice(self.workers)
        worker.kill()
        time.sleep(self.draw.random() * 0.5)  # a random moment, not a wait for something
        worker.start()

    def resize(self) -> None:
        """The work is divided among another number of tasks."""
        self.tasks = self.draw.choice([one for one in range(1, PARTS + 1) if one != self.tasks])
        self.configure()

    def pause(self) -> None:
        """A worker sleeps, with its tasks, until others have them; then it goes on."""
        self._asleep(tree)

    def pause_alone(self) -> None:
        """A worker sleeps and its tasks go on, also when others have begun to run them."""
        self._asleep(lambda pid: [pid])

    def kill_task(self) -> None:
        """Some process of a task dies."""
        worker = self.draw.choice(self.workers)
        found = tree(worker.pid)[2:]  # after the worker itself and its fork server
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.draw.choice(found), signal.SIGKILL)

    def _asleep(self, which: object) -> None:
        sleeper = self.draw.choice(self.workers)
        (other,) = [one for one in self.workers if one is not sleeper]
        pids = which(sleeper.pid)  # type: ignore[operator]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.more()
            eventually(lambda: self.runs_on(other.url, {other.worker_id}), PATIENCE, interval=0.1)
            if self.draw.random() < 0.5:
                eventually(self.is_whole, PATIENCE, interval=0.1)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    # What is to be seen

    def runs_on(self, url: str, workers: set[str]) -> bool:
        found = states(url, self.name)
        return [state for state, _ in found] == ["RUNNING"] * (self.tasks + 1) and {
            worker for _, worker in found
        } <= workers

    def is_whole(self) -> bool:
        return len(self.seen()) >= PARTS * self.limit

    def seen(self) -> list[str]:
        """Everything in the topic, as a read_committed consumer has it."""
        keys = {
            "bootstrap.servers": self.bootstrap,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
        consumer = Consumer(keys, logger=logging.getLogger("tests"))
        try:
            consumer.assign([TopicPartition(self.name, 0, 0)])
            found: list[str] = []
            while True:
                for one in consumer.consume(500, 5):
                    if one.error() is not None:
                        return found
                    found.append((one.value() or b"").decode())
        finally:
            consumer.close()

    def check(self) -> None:
        try:
            eventually(self.is_whole, PATIENCE, interval=0.2)
        except AssertionError:
            status = [get(one.url, f"/connectors/{self.name}/status") for one in self.workers]
            raise AssertionError(f"seed {SEED}: after {self.told} there is only a part: {status}") from None
        found = self.seen()
        for part in range(PARTS):
            numbers = [int(one.partition(":")[2]) for one in found if one.startswith(f"{part}:")]
            assert numbers == list(range(self.limit)), f"seed {SEED}: {self.told}"


@pytest.fixture(params=["tidelock", pytest.param("apache", marks=pytest.mark.needs_kafka)])
def impatient_kafka(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApacheKafka | BrokerProcess]:
    """A Kafka that lets group members be silent for a shorter time than it usually does."""
    keys = {"group.min.session.timeout.ms": "500"}
    if request.param == "tidelock":
        with BrokerProcess(tmp_path / "broker", keys) as broker:
            yield broker
        return
    if not EVENTS:
        pytest.skip("on Apache Kafka with TIDELOCK_CLUSTER_EVENTS")
    found: Engines = request.getfixturevalue("engines")
    with ApacheKafka(found, tmp_path / "kafka", properties=keys) as node:
        yield node


def test_every_number_is_seen_once_whatever_happens_to_the_workers(
    impatient_kafka: ApacheKafka | BrokerProcess, tmp_path: Path
) -> None:
    draw = random.Random(SEED)
    story = Story(tmp_path, impatient_kafka.bootstrap, draw)
    zombies, others = [story.pause, story.pause_alone], [story.kill, story.resize, story.kill_task]
    with contextlib.ExitStack() as stack:
        for worker in story.workers:
            stack.enter_context(worker)
        story.configure(own_topic=draw.choice([None, f"{story.name}-own"]))
        events = [draw.choice(zombies), draw.choice(others)]
        if EVENTS:
            events = draw.choices([*zombies, *others], k=EVENTS)
        for event in events:
            story.told.append(event.__name__)
            event()
            story.more()
            time.sleep(draw.random() * 0.5)  # a random moment, not a wait for something
        story.check()
