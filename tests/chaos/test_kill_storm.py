"""A broker is killed again and again under load; nothing that it acknowledged may be lost, doubled or moved.

Six idempotent producers and a group of four consumers work on while the broker dies by SIGKILL at random
moments. Between two starts its files suffer what the flush policy has to stand: with `group`, whatever a
power loss can do to bytes that were not synced; with `os`, a write that the death cut short. At the end a
bit of what had been synced is flipped, in copies of the folder: that may cost the record, never go unnoticed.

A storm is a function of its seed, but for the clients' timing. `CHAOS_KILLS` (5), `CHAOS_FLIPS` (2) and
`CHAOS_SEED` say how long and which one; the log tells the figures.
"""

from __future__ import annotations

import logging
import os
import shutil
import statistics
import time
from pathlib import Path
from random import Random

import pytest

from tests.chaos.clients import PARTITIONS, TOPIC, Place, Reader, Writer, create, read_all
from tests.chaos.damage import flip_one, lose_power, repeat_last_batch
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually

KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
FLIPS = int(os.environ.get("CHAOS_FLIPS", "2"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
WRITERS, READERS = 6, 4
SETTINGS = {
    "log.segment.bytes": str(1 << 20),
    "group.initial.rebalance.delay.ms": "100",
}

log = logging.getLogger(__name__)


class Storm:
    """One broker, its clients, and what they were told."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.damage = lose_power if policy == "group" else repeat_last_batch
        self.broker = BrokerProcess(folder, {**SETTINGS, "tidelock.flush.policy": policy}, ["--synced"])
        self.chance = Random(f"{SEED} {policy}")
        self.seen: dict[Place, bytes] = {}
        self.writers: list[Writer] = []
        self.readers: list[Reader] = []
        self.starts: list[float] = []
        self.history: list[str] = []

    def begin(self) -> None:
        bootstrap = self.broker.start().bootstrap
        create(bootstrap)
        self.writers = [Writer(bootstrap, f"w{number}") for number in range(WRITERS)]
        self.readers = [Reader(bootstrap, f"r{number}", self.seen) for number in range(READERS)]
        self.readers[0].start_at_zero()
        for reader in self.readers:
            reader.consumer.subscribe([TOPIC])
        for client in (*self.writers, *self.readers):
            client.start()

    def strike(self) -> None:
        """Let work go on for a while, kill, damage, start."""
        before = self.acknowledged_count
        eventually(lambda: self.acknowledged_count > before, 30.0)
        time.sleep(self.chance.uniform(0.0, 0.8))  # the storm's pace
        self.broker.kill()
        self.history += self.damage(self.broker.folder, self.chance)
        begun = time.monotonic()
        self.broker.start()
        self.starts.append(time.monotonic() - begun)

    @property
    def acknowledged_count(self) -> int:
        return sum(len(writer.acknowledged) for writer in self.writers)

    def calm(self) -> dict[Place, bytes]:
        """Let every client finish; returns the whole log."""
        for writer in self.writers:
            writer.end()
        eventually(lambda: len(self.seen) >= self.count or self.problems, 60.0)
        for reader in self.readers:
            reader.end()
        found, bad = read_all(self.broker.bootstrap)
        assert bad == []
        return found

    @property
    def count(self) -> int:
        return sum(writer.count for writer in self.writers)

    @property
    def problems(self) -> list[str]:
        return [problem for client in (*self.writers, *self.readers) for problem in client.problems]

    def tell(self, policy: str) -> None:
        size = sum(path.stat().st_size for path in self.broker.folder.glob("*/*.log"))
        log.info(
            "%s: %d kills, %d records, %d damages, %d MB of log, %d cuts; start %.2f s median, %.2f s most",
            *(policy, len(self.starts), self.count, len(self.history), size >> 20),
            *(self.broker.errors().count("was cut"), statistics.median(self.starts), max(self.starts)),
        )


def check(storm: Storm, found: dict[Place, bytes]) -> None:
    """Nothing lost, nothing twice, in order per key, and nobody saw what is not there."""
    assert storm.problems == []
    told: dict[bytes, Place] = {}
    for writer in storm.writers:
        told |= writer.acknowledged
    assert {place: value for value, place in told.items()} == found
    assert storm.seen == found
    for writer in storm.writers:
        for partition in range(PARTITIONS):
            mine = [
                int(value.partition(b":")[2])
                for (index, _), value in sorted(found.items())
                if index == partition and value.startswith(writer.name.encode() + b":")
            ]
            assert mine == sorted(mine)


@pytest.mark.timeout(600 + 10 * KILLS)
@pytest.mark.parametrize(("policy", "kills"), [("group", KILLS - KILLS // 3), ("os", KILLS // 3)])
def test_nothing_acknowledged_is_lost_in_a_storm_of_kills(tmp_path: Path, policy: str, kills: int) -> None:
    storm = Storm(tmp_path / "data", policy)
    try:
        storm.begin()
        for _ in range(kills):
            storm.strike()
        check(storm, storm.calm())
        assert "offline" not in storm.broker.errors()
        storm.tell(policy)
        storm.broker.kill()
        if policy == "group":
            check_flips(storm, tmp_path)
    finally:
        for client in (*storm.writers, *storm.readers):
            client.stopping.set()
        storm.broker.kill()


def check_flips(storm: Storm, folder: Path) -> None:
    """A flipped bit ends the log before it or keeps the partition closed; what is served is right.

    Without recovery checkpoints, that is: what lies before one is not read at a start.
    """
    for number in range(FLIPS):
        copy = folder / f"copy{number}"
        shutil.copytree(storm.broker.folder, copy)
        shutil.copy(folder / "data.synced", folder / f"{copy.name}.synced")
        for checkpoint in copy.glob("*/recovery-checkpoint"):
            checkpoint.unlink()
        partition, position = flip_one(copy, TOPIC, storm.chance)
        with BrokerProcess(copy, storm.broker.settings) as broker:
            errors = broker.errors()
            offline = {index for index in range(PARTITIONS) if f"{TOPIC}-{index} is offline" in errors}
            found, bad = read_all(broker.bootstrap, lambda index, closed=offline: index not in closed)
        what = f"seed {SEED}: bit flipped in partition {partition} at byte {position}: {errors}{bad}"
        wrong = {place: value for place, value in found.items() if storm.seen.get(place) != value}
        missing = {place for place in storm.seen if place not in found}
        assert not wrong, what
        assert {index for index, _ in missing} <= {partition}, what
        assert not missing or f"{TOPIC}-{partition} " in errors, what
        assert bad == [], what
        served = sorted(offset for index, offset in found if index == partition)
        assert served == list(range(len(served))), what
        shutil.rmtree(copy)
