"""Exactly once with real clients: a consume-transform-produce program that is killed, on a broker that is.

The output, read committed, has every input once and in order per key. The program is written for
confluent-kafka (transformer.py) and for the Java client (Transformer.java), and Kafka's own
TransactionalMessageCopier is a third; the control is the same on Apache Kafka. `TXN_SECONDS` says how long
(seconds; a few by default); from a minute on Apache Kafka is killed as well: its starts take seconds.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.engines.fetch import Engines
from tests.engines.kafka import ApacheKafka, JavaProcess, java_command
from tests.integration.broker.test_confluent_kafka import create
from tests.support.broker import ROOT, BrokerProcess

SECONDS = float(os.environ.get("TXN_SECONDS", "6"))
PARTITIONS = 2
KEYS = 7
SETTLE = 60.0

log = logging.getLogger(__name__)


class Program:
    """The transformer in a process of its own; `start` after `kill` goes on where it was."""

    pause = (0.5, 1.5)
    partitions = PARTITIONS

    def __init__(self, bootstrap: str, source: str, target: str) -> None:
        self.given = (bootstrap, source, target, f"move-{target}")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.integration.broker.transformer", *self.given]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def revive(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            self.start()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)


class JavaTransformer(Program):
    """The transformer on the Java client."""

    pause = (3.0, 6.0)  # a JVM needs a second or two to begin

    def __init__(self, engines: Engines, folder: Path, *given: str) -> None:
        super().__init__(*given)
        javac = shutil.which("javac")
        if javac is None:
            pytest.skip("needs javac, of a JDK 17 or newer")
        folder.mkdir()
        self.log = folder / "program.log"
        source = Path(__file__).with_name("Transformer.java")
        subprocess.run([javac, "-cp", engines.class_path, "-d", folder, source], check=True)
        command = java_command(engines, "tool")
        command[-1] += os.pathsep + str(folder)
        self.command = [*command, "Transformer", *given, f"move-{given[-1]}"]

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output)


class JavaCopier(Program):
    """Kafka's own program for this purpose; it copies what there is of one partition, and ends."""

    pause = (2.0, 4.0)
    partitions = 1

    def __init__(self, engines: Engines, folder: Path, *given: str) -> None:
        super().__init__(*given)
        self.java = JavaProcess(engines, folder)

    def start(self) -> None:
        bootstrap, source, target, name = self.given
        self.java.launch(
            "org.apache.kafka.tools.TransactionalMessageCopier",
            *("--broker-list", bootstrap, "--input-topic", source, "--output-topic", target),
            *("--transactional-id", name, "--consumer-group", name, "--transaction-size", "40"),
            *("--input-partition", "0"),
        )
        self.process = self.java.process


class Feeder:
    """Writes 0, 1, 2 ... until told to stop."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "log_level": 0}
        )
        self.topic = topic
        self.count = 0

    def feed(self, records: int) -> None:
        for _ in range(records):
            self.producer.produce(self.topic, str(self.count).encode(), str(self.count % KEYS).encode())
            self.count += 1
        self.producer.poll(0)


def run(bootstrap: str, topics: tuple[str, str], program: Program, kill_broker: Callable[[], bool]) -> int:
    """Feed, transform and kill for a while; returns how many records were fed."""
    chance, deaths = random.Random(11), [0, 0]
    feeder = Feeder(bootstrap, topics[0])
    program.start()
    end = time.monotonic() + SECONDS
    program_dies = time.monotonic() + chance.uniform(*program.pause)
    broker_dies = time.monotonic() + chance.uniform(1.0, 3.0)
    while (now := time.monotonic()) < end:
        feeder.feed(20)
        program.revive()
        if now > program_dies:
            program.kill()
            program.start()
            deaths[0] += 1
            program_dies = now + chance.uniform(*program.pause)
        if now > broker_dies:
            deaths[1] += kill_broker()
            broker_dies = time.monotonic() + chance.uniform(1.0, 3.0)
        time.sleep(0.02)  # the pace of the feeding
    assert feeder.producer.flush(30) == 0
    log.info("%d records fed; %d times the program was killed, %d times the broker", feeder.count, *deaths)
    return feeder.count


def committed(bootstrap: str, topic: str, count: int, program: Program) -> list[tuple[bytes, int]]:
    """Read what is committed until `count` records came, and then whether more do; a standstill ends it."""
    found: list[tuple[bytes, int]] = []
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(topic, index, 0) for index in range(PARTITIONS)])
    deadline = time.monotonic() + SETTLE
    quiet_until = 0.0
    while time.monotonic() < deadline:
        program.revive()
        good = [one for one in consumer.consume(500, 0.2) if one.error() is None]
        found += [(one.key() or b"", int(one.value() or b"-1")) for one in good]
        if good:
            deadline = time.monotonic() + SETTLE
        if len(found) < count:
            continue
        quiet_until = quiet_until or time.monotonic() + 1.0
        if time.monotonic() > quiet_until:
            break
    consumer.close()
    return found


def check(bootstrap: str, topics: tuple[str, str], program: Program, kill_broker: Callable[[], bool]) -> None:
    create(bootstrap, topics[0], program.partitions)
    create(bootstrap, topics[1], PARTITIONS)
    try:
        count = run(bootstrap, topics, program, kill_broker)
        found = committed(bootstrap, topics[1], count, program)
    finally:
        program.kill()
    assert count > 0
    assert sorted(value for _, value in found) == list(range(count))
    for key in range(KEYS):
        mine = [value for name, value in found if name == str(key).encode()]
        assert mine == sorted(mine)


@pytest.mark.needs_tidelock("Apache Kafka is the control, below")
@pytest.mark.parametrize("policy", ["os", "group"])
def test_exactly_once_while_program_and_broker_are_killed(tmp_path: Path, policy: str) -> None:
    with BrokerProcess(tmp_path / "data", {"tidelock.flush.policy": policy}) as broker:

        def kill() -> bool:
            broker.kill()
            broker.start()
            return True

        check(broker.bootstrap, ("in", "out"), Program(broker.bootstrap, "in", "out"), kill)


@pytest.mark.needs_tidelock("Apache Kafka is the control, below")
@pytest.mark.needs_kafka
def test_exactly_once_with_kafkas_own_program(tmp_path: Path, engines: Engines) -> None:
    with BrokerProcess(tmp_path / "data") as broker:

        def kill() -> bool:
            broker.kill()
            broker.start()
            return True

        program = JavaCopier(engines, tmp_path / "java", broker.bootstrap, "in", "out")
        check(broker.bootstrap, ("in", "out"), program, kill)


@pytest.mark.needs_tidelock("Apache Kafka is the control, below")
@pytest.mark.needs_kafka
def test_exactly_once_with_the_java_client(tmp_path: Path, engines: Engines) -> None:
    with BrokerProcess(tmp_path / "data") as broker:

        def kill() -> bool:
            broker.kill()
            broker.start()
            return True

        program = JavaTransformer(engines, tmp_path / "java", broker.bootstrap, "in", "out")
        check(broker.bootstrap, ("in", "out"), program, kill)


@pytest.mark.needs_kafka
@pytest.mark.parametrize("client", ["confluent-kafka", "java"])
def test_the_control_on_apache_kafka(engines: Engines, tmp_path: Path, client: str) -> None:
    with ApacheKafka(engines, tmp_path / "kafka") as broker:

        def kill() -> bool:
            if SECONDS >= 60:
                broker.kill()
                broker.start()
            return SECONDS >= 60

        if client == "java":
            program: Program = JavaTransformer(engines, tmp_path / "java", broker.bootstrap, "in", "out")
        else:
            program = Program(broker.bootstrap, "in", "out")
        check(broker.bootstrap, ("in", "out"), program, kill)
