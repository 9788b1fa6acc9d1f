"""The relay with real databases and real brokers: nothing lost, nothing twice, no key out of order."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from sqlalchemy.engine import URL, Connection, Engine

from tests.support.databases import Databases
from tests.support.kafka import Kafka, NewKafka
from tests.support.waiting import eventually
from tidelock.sql import open_engine
from tidelock.sync import Outbox, Relay, RelaySettings

QUICK = RelaySettings(poll=0.02, first_pause=0.05, longest_pause=0.2)
KEYS = 20


def records(bootstrap: str, topic: str) -> list[tuple[str, dict[str, int]]]:
    """Everything in a topic, partition after partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "x", "enable.partition.eof": True})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    found, ends = [], 0
    while ends < len(partitions):
        message = consumer.poll(10)
        assert message is not None
        if message.error() is not None:
            ends += 1
        else:
            found.append((message.key().decode(), json.loads(message.value())))
    consumer.close()
    return found


def prepare(engine: Engine) -> None:
    with engine.begin() as tx:
        Outbox().create_table(tx)
        tx.exec_driver_sql("CREATE TABLE account (id VARCHAR(20) PRIMARY KEY, n INTEGER NOT NULL)")
        tx.exec_driver_sql("CREATE TABLE early (id VARCHAR(40) PRIMARY KEY)")
        tx.execute(
            sa.text("INSERT INTO account VALUES (:id, 0)"), [{"id": f"k{number}"} for number in range(KEYS)]
        )


@dataclass
class Load:
    """Writers that count up accounts and tell each count in the outbox; some commit late."""

    engine: Engine
    topic: str
    written: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    threads: list[threading.Thread] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, writers: int) -> None:
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(writers)]
        for thread in self.threads:
            thread.start()

    def finish(self) -> int:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return sum(self.written.values())

    def write(self, number: int) -> None:
        draw, outbox, counts, round_ = random.Random(number), Outbox(), defaultdict(int), 0
        while not self.stop.is_set():
            key, round_ = f"k{draw.randrange(KEYS)}", round_ + 1
            with self.engine.begin() as tx:
                if draw.random() < 0.3:  # its transaction id is older than its place in the key's order
                    tx.execute(sa.text("INSERT INTO early VALUES (:id)"), {"id": f"{number}-{round_}"})
                    self.stop.wait(draw.random() * 0.005)
                self.count(tx, outbox, key)
                if draw.random() < 0.05:
                    self.stop.wait(draw.random() * 0.02)
            counts[key] += 1
        with self.lock:
            for key, count in counts.items():
                self.written[key] += count

    def count(self, tx: Connection, outbox: Outbox, key: str) -> None:
        tx.execute(sa.text("UPDATE account SET n = n + 1 WHERE id = :id"), {"id": key})
        n = tx.execute(sa.text("SELECT n FROM account WHERE id = :id"), {"id": key}).scalar_one()
        outbox.add(tx, topic=self.topic, key=key, value={"n": n})


class NaiveRelay:
    """The relay that most people write, as a negative control: `id > last`."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seen, self.last = engine, 0, 0

    def poll(self) -> None:
        query = sa.text("SELECT id FROM tidelock_outbox WHERE id > :last ORDER BY id LIMIT 1000")
        with self.engine.connect() as connection:
            ids = connection.execute(query, {"last": self.last}).scalars().all()
        if ids:
            self.seen, self.last = self.seen + len(ids), ids[-1]

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(0.005):
            self.poll()


def check_order(found: list[tuple[str, dict[str, int]]], written: dict[str, int]) -> None:
    by_key: dict[str, list[int]] = defaultdict(list)
    for key, value in found:
        by_key[key].append(value["n"])
    for key, count in written.items():
        assert by_key[key] == list(range(1, count + 1)), key
    assert sum(map(len, by_key.values())) == sum(written.values())


def seconds(duration: float) -> None:
    threading.Event().wait(duration)


@pytest.mark.needs_db
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_eight_writers_with_late_commits_lose_nothing(
    kind: str, database_url: Databases, any_kafka: Kafka
) -> None:
    engine = open_engine(database_url(kind), pool_size=10)
    prepare(engine)
    topic = f"dual-{kind}"
    load = Load(engine, topic)
    relay = Relay(engine, any_kafka.bootstrap, settings=QUICK)
    relay.start()
    load.start(8)
    eventually(lambda: relay.status.published > 500, 60)
    total = load.finish()
    assert relay.until_caught_up(20)
    relay.stop()
    assert relay.status.published == total
    check_order(records(any_kafka.bootstrap, topic), load.written)
    engine.dispose()


@pytest.mark.needs_db
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_the_naive_relay_loses_under_the_same_load(kind: str, database_url: Databases) -> None:
    engine = open_engine(database_url(kind), pool_size=10)
    prepare(engine)
    load, control, stop = Load(engine, "t"), NaiveRelay(engine), threading.Event()
    thread = threading.Thread(target=control.run, args=(stop,))
    thread.start()
    load.start(8)
    seconds(2)
    total = load.finish()
    stop.set()
    thread.join()
    control.poll()
    engine.dispose()
    assert control.seen < total, f"the control saw all {total}: the load does not show the hazard"


def fill(engine: Engine, topic: str, first: int, count: int) -> None:
    outbox = Outbox()
    with engine.begin() as tx:
        for number in range(first, first + count):
            outbox.add(tx, topic=topic, key=f"k{number % KEYS}", value={"n": number // KEYS + 1})


def expect(bootstrap: str, topic: str, count: int) -> None:
    written = {f"k{key}": len(range(key, count, KEYS)) for key in range(KEYS)}
    check_order(records(bootstrap, topic), written)


def relay_process(url: URL, bootstrap: str) -> subprocess.Popen[bytes]:
    text = url.render_as_string(hide_password=False)
    program = (
        "import threading; from tidelock.sync import Relay, RelaySettings;"
        f"Relay({text!r}, {bootstrap!r}, settings=RelaySettings(batch_size=200, poll=0.01)).start();"
        "threading.Event().wait()"
    )
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)


@pytest.mark.timeout(180)
def test_a_killed_relay_repeats_and_loses_nothing(any_database: URL, kafka: Kafka) -> None:
    """kill -9 at random moments under load, another producer writing to the same topic."""
    engine, draw, total = open_engine(any_database), random.Random(3), 0
    prepare(engine)
    topic = f"killed-{os.getpid()}-{engine.dialect.name}"
    for _ in range(3):
        process = relay_process(any_database, kafka.bootstrap)
        fill(engine, topic, total, 1000)
        total += 1000
        outbox = Relay(engine, kafka.bootstrap)
        left = draw.randrange(200, 1000)
        eventually(lambda: outbox.lag() < left, 20, interval=0.002)  # noqa: B023  # called at once
        process.send_signal(signal.SIGKILL)
        process.wait()
        outbox.stop()
    relay = Relay(engine, kafka.bootstrap, settings=QUICK)
    relay.start()
    assert relay.until_caught_up(30)
    relay.stop()
    expect(kafka.bootstrap, topic, total)
    engine.dispose()


def test_a_broker_that_is_away_is_waited_for(any_database: URL, any_kafka: Kafka) -> None:
    engine = open_engine(any_database)
    prepare(engine)
    topic = f"away-{engine.dialect.name}"
    fill(engine, topic, 0, 100)
    relay = Relay(engine, "127.0.0.1:1", settings=QUICK)
    relay.start()
    assert not relay.until_caught_up(0.5)
    assert relay.status.state in ("stopped", "retrying")
    relay.stop()
    assert relay.lag() == 100
    relay = Relay(engine, any_kafka.bootstrap, settings=QUICK)
    relay.start()
    assert relay.until_caught_up(15)
    relay.stop()
    expect(any_kafka.bootstrap, topic, 100)
    engine.dispose()


def test_one_relay_at_a_time(any_database: URL, any_kafka: Kafka) -> None:
    engine = open_engine(any_database)
    prepare(engine)
    first, second = (Relay(engine, any_kafka.bootstrap, settings=QUICK) for _ in range(2))
    first.start()
    eventually(lambda: first.status.state == "running")
    second.start()
    eventually(lambda: second.status.state == "waiting")
    first.stop()
    eventually(lambda: second.status.state == "running")
    topic = f"turns-{engine.dialect.name}"
    fill(engine, topic, 0, 40)
    assert second.until_caught_up(10)
    second.stop()
    expect(any_kafka.bootstrap, topic, 40)
    engine.dispose()


@pytest.mark.timeout(180)
def test_a_killed_broker_is_caught_up_with(database_url: Databases, new_kafka: NewKafka) -> None:
    """kill -9 of the broker while batches are on the way; it comes back with its data on the same port."""
    engine = open_engine(database_url("sqlite"))
    prepare(engine)
    with new_kafka() as broker:
        relay = Relay(engine, broker.bootstrap, settings=QUICK)
        relay.start()
        total = 0
        for _ in range(3):
            fill(engine, "orders", total, 2000)
            eventually(lambda: relay.lag() < 1500, 30, interval=0.002)
            broker.kill()
            fill(engine, "orders", total + 2000, 1000)
            total += 3000
            broker.start()
            eventually(lambda: relay.lag() < 500, 60)
        assert relay.until_caught_up(60)
        relay.stop()
        expect(broker.bootstrap, "orders", total)
    engine.dispose()
