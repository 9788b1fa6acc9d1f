"""The broker beside librdkafka's mock broker (C, in memory) and, where fetched, Apache Kafka, in one run.

    python -m bench.broker [--seconds 3] [--only fetch] [--json]

Every broker runs in a process of its own, the load in another; all share the machine's cores, so look at the
ratios, and at the broker's own CPU time per request, which the load generator does not limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.fetch import Unavailable, find
from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess

from bench.load import FetchLoad, Load, MetadataLoad, ProduceLoad

ROOT = Path(__file__).resolve().parents[1]
MOCK = """
import sys
from confluent_kafka import Producer
owner = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(owner.list_topics(timeout=10).brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running broker."""

    name: str
    bootstrap: str
    pid: int

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))

    def resident_megabytes(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096 / 1e6


@contextmanager
def mock_broker() -> Iterator[Peer]:
    """Librdkafka's own mock cluster in a process of its own; keeps 5 MB per partition in memory."""
    process = subprocess.Popen(
        [sys.executable, "-c", MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield Peer("librdkafka mock", process.stdout.readline().strip(), process.pid)
    finally:
        process.stdin.close()
        process.wait()


def start_peers(stack: ExitStack, folder: Path) -> list[Peer]:
    """Ours first."""
    ours = stack.enter_context(BrokerProcess(folder / "tidelock"))
    faster = stack.enter_context(BrokerProcess(folder / "uvloop", flags=["--uvloop"]))
    peers = [
        Peer("tidelock", ours.bootstrap, ours.pid),
        Peer("tidelock, uvloop", faster.bootstrap, faster.pid),
        stack.enter_context(mock_broker()),
    ]
    try:
        kafka = stack.enter_context(ApacheKafka(find(), folder / "apache", quick=False))
    except Unavailable as why:
        print(f"without Apache Kafka: {why}", file=sys.stderr)
    else:
        peers.append(Peer("Apache Kafka", kafka.bootstrap, kafka.pid))
    return peers


def create_topic(peer: Peer, topic: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": peer.bootstrap, "log_level": 0})
    if peer.name.endswith("mock"):
        admin.list_topics(topic, timeout=10)  # it knows no CreateTopics, but creates what is asked for
    else:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


def client_produce(peer: Peer, size: int, seconds: float) -> dict[str, float]:
    """Produce through confluent-kafka for a while: MB/s and the broker's share of a core."""
    from confluent_kafka import Producer

    topic = f"client{size}"
    create_topic(peer, topic)
    producer = Producer(
        {
            "bootstrap.servers": peer.bootstrap,
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 400_000,
            "log_level": 0,
        }
    )
    value, count, cpu, start = b"x" * size, 0, peer.cpu_seconds(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(1000):
            try:
                producer.produce(topic, value, partition=0)
            except BufferError:
                producer.poll(0.01)
            else:
                count += 1
    assert producer.flush(60) == 0
    return _rates(count, size, time.perf_counter() - start, peer.cpu_seconds() - cpu)


def client_consume(peer: Peer, size: int, seconds: float) -> dict[str, float]:
    """Consume what `client_produce` left, from the beginning, for a while."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": peer.bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    topic = TopicPartition(f"client{size}", 0, 0)
    first, last = consumer.get_watermark_offsets(topic, timeout=10)
    topic.offset = first
    consumer.assign([topic])
    count, cpu, start = 0, peer.cpu_seconds(), time.perf_counter()
    while count < last - first and time.perf_counter() - start < seconds:
        count += len(consumer.consume(10_000, 0.5))
    found = _rates(count, size, time.perf_counter() - start, peer.cpu_seconds() - cpu)
    consumer.close()
    return found


def raw(make: Callable[[str], Load], peer: Peer, seconds: float) -> dict[str, float]:
    """Drive raw sockets from another process: requests/s, MB/s and the broker's CPU time per request."""
    load = make(f"raw-{uuid.uuid4().hex[:8]}")
    create_topic(peer, load.topic)
    load.prepare(peer.bootstrap)
    cpu = peer.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", peer.bootstrap, json.dumps(load.arguments()), str(seconds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    spent = peer.cpu_seconds() - cpu
    return {
        "requests/s": found["requests"] / found["seconds"],
        "MB/s": found["bytes"] / found["seconds"] / 1e6,
        "broker us/request": spent / found["requests"] * 1e6,
    }


def _rates(count: int, size: int, seconds: float, cpu: float) -> dict[str, float]:
    return {
        "MB/s": count * size / seconds / 1e6,
        "records/s": count / seconds,
        "broker cores": cpu / seconds,
    }


BENCHMARKS: dict[str, Callable[[Peer, float], dict[str, float]]] = {
    "produce 100 B, confluent-kafka": lambda peer, s: client_produce(peer, 100, s),
    "consume 100 B, confluent-kafka": lambda peer, s: client_consume(peer, 100, s),
    "produce 1 KB, confluent-kafka": lambda peer, s: client_produce(peer, 1024, s),
    "consume 1 KB, confluent-kafka": lambda peer, s: client_consume(peer, 1024, s),
    "produce 1 x 100 B, 50 connections": lambda peer, s: raw(
        lambda topic: ProduceLoad(topic, connections=50, records=1, size=100), peer, s
    ),
    "produce 16 x 1 KB, 10 connections": lambda peer, s: raw(
        lambda topic: ProduceLoad(topic, connections=10, records=16, size=1024), peer, s
    ),
    "fetch 16 KB, 10 connections": lambda peer, s: raw(
        lambda topic: FetchLoad(topic, connections=10, max_bytes=1 << 14), peer, s
    ),
    "metadata of one topic, 10 connections": lambda peer, s: raw(
        lambda topic: MetadataLoad(topic, connections=10), peer, s
    ),
    "fetch 1 MB, 2 connections": lambda peer, s: raw(
        lambda topic: FetchLoad(topic, connections=2, max_bytes=1 << 20), peer, s
    ),
}


def run(seconds: float, only: str = "") -> dict[str, Any]:
    """Run what contains `only` in its name; name -> peer -> figure -> value."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        peers = start_peers(stack, Path(folder))
        for name, benchmark in BENCHMARKS.items():
            if only not in name:
                continue
            found[name] = {peer.name: benchmark(peer, seconds) for peer in peers}
            print_benchmark(name, found[name])
        found["memory"] = {peer.name: {"MB": peer.resident_megabytes()} for peer in peers}
        print_benchmark("memory", found["memory"])
    return found


def print_benchmark(name: str, peers: dict[str, dict[str, float]]) -> None:
    """Print each peer's figures, and ours as a ratio to them."""
    ours = peers["tidelock"]
    print(name, file=sys.stderr)
    for peer, figures in peers.items():
        shown = [
            f"{value:,.4g} {unit} ({ours[unit] / value:.2f}x)" for unit, value in figures.items() if value
        ]
        print(f"  {peer:16} {'   '.join(shown)}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--only", default="", help="run the benchmarks whose name contains this")
    parser.add_argument("--json", action="store_true", help="print the figures on standard output")
    options = parser.parse_args()
    found = run(options.seconds, options.only)
    if options.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
