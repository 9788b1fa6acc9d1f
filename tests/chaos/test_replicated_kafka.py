"""Our clients and the relay's log on a replicated Apache Kafka: a broker is killed, and nobody notices.

Three brokers, replication.factor 3, min.insync.replicas 2. What is killed leads a partition. It takes 20 s:
run with `--kafka both` or `--kafka apache` only.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engines.fetch import Engines
from tests.engines.kafka_cluster import ApacheCluster
from tests.support.kafka import chosen
from tests.support.waiting import eventually
from tidelock.client import Admin, Consumer, Outgoing, Producer, TopicPartition
from tidelock.sync.kafka_log import KafkaLog
from tidelock.sync.rules import OutboxRow

pytestmark = [pytest.mark.needs_kafka, pytest.mark.timeout(300)]
PARTITIONS, KEYS, BATCH = 3, 6, 300
PATIENCE = 90.0


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[ApacheCluster]:
    if chosen(request.config) not in ("both", "apache"):
        pytest.skip("takes 20 s: --kafka both")
    engines: Engines = request.getfixturevalue("engines")
    folder: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    with ApacheCluster(engines, folder.mktemp("cluster")) as made:
        yield made


def leader(admin: Admin, topic: str) -> int | None:
    return admin.describe_topic(topic).partitions[0].leader


def key_of(number: int) -> bytes:
    return b"k%d" % (number % KEYS)


def send(producer: Producer, numbers: Iterable[int]) -> None:
    for number in numbers:
        producer.send("t", Outgoing(key_of(number), b"%d" % number))
    producer.flush(PATIENCE)


def test_a_broker_is_killed_under_producer_group_and_relay(cluster: ApacheCluster) -> None:
    admin = Admin(cluster.bootstrap)
    admin.create_topic("t", PARTITIONS, configs={"min.insync.replicas": "2"}, replicas=3)
    admin.create_topic("orders", PARTITIONS, replicas=3)
    rows = [OutboxRow(number, "orders", key_of(number), b"v", {}, 0) for number in range(2 * BATCH)]
    relay = KafkaLog(cluster.bootstrap)
    assert sum(relay.append(rows[:BATCH], "mine", go_on=lambda: True).values()) == BATCH
    victim = cluster.node(eventually(lambda: leader(admin, "t"), PATIENCE) or 0)
    process = victim.process
    assert process is not None
    seen: list[tuple[bytes, int]] = []
    with (
        ThreadPoolExecutor(1) as pool,
        Producer(cluster.bootstrap) as producer,
        Consumer(
            {"bootstrap.servers": cluster.bootstrap, "session.timeout.ms": "6000"}, group="g"
        ) as consumer,
    ):
        consumer.subscribe(["t"])
        send(producer, range(BATCH))
        killed = pool.submit(victim.kill)
        send(producer, range(BATCH, 2 * BATCH))
        killed.result(PATIENCE)
        assert process.returncode == -signal.SIGKILL

        def all_read() -> bool:
            seen.extend((one.key() or b"", int(one.value() or b"-1")) for one in consumer.poll(500, 0.5))
            return len(seen) >= 2 * BATCH

        eventually(all_read, PATIENCE)
        ends = consumer.end_offsets([TopicPartition("t", number) for number in range(PARTITIONS)])
        consumer.commit(ends)
    with Consumer(cluster.bootstrap, group="g") as another:
        assert another.committed(ends) == ends
    assert sorted(number for _, number in seen) == list(range(2 * BATCH))
    for key in {key for key, _ in seen}:
        mine = [number for name, number in seen if name == key]
        assert mine == sorted(mine)
    relay.append(rows[BATCH:], "mine", go_on=lambda: True)
    ends = eventually(lambda: relay.ends("orders", is_known=True), PATIENCE).ends
    assert sum(ends.values()) == 2 * BATCH
    starts = {("orders", partition): 0 for partition in ends}
    assert relay.sequences(starts, "mine") == set(range(2 * BATCH))
    relay.close()
    assert leader(admin, "t") != victim.number
    victim.start()
    eventually(lambda: len(admin.describe_topic("t").partitions[0].in_sync) == 3, PATIENCE)
