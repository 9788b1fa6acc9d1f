"""The broker beside Apache Kafka, where fetched, and librdkafka's mock broker (C, in memory), in one run.

    python -m bench.broker [--seconds 2] [--rounds 3] [--only fetch] [--uvloop] [--json]

Every broker runs in a process of its own, the load in another; all share the machine's cores. So the peers
take turns, row by row and round by round, and the table has the median of the rounds; look at the ratios,
and at the broker's own CPU time, which other work on the machine disturbs least. Each row begins with a round
that does not count: a JVM compiles what it runs often.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.engines.fetch import Unavailable, find

from bench import lives
from bench.load import FetchLoad, Load, MetadataLoad, ProduceLoad, fill, settle
from bench.peers import Peer, start_peers

ROOT = Path(__file__).resolve().parents[1]
# A row ends early when it has moved this much: all of it is in the page cache, none waits for the disk.
MOST_BYTES = 512 << 20
WARM_SECONDS = 0.7
WALKED_BATCHES = 256  # of 16 KB: the mock keeps no more of a partition
REFERENCE = "Apache Kafka"

Figures = dict[str, float]
Row = Callable[[Peer, float], Figures]


def raw(make: Callable[[str], Load]) -> Row:
    """Drive raw sockets from another process: throughput and the broker's CPU time.

    What is only read is made once per peer; what is written gets a new topic each time, and goes afterwards.
    """
    prepared: dict[str, Load] = {}

    def measure(peer: Peer, seconds: float) -> Figures:
        load = prepared.get(peer.bootstrap) or prepare(make, peer)
        writes = isinstance(load, ProduceLoad)
        if not writes:
            prepared[peer.bootstrap] = load
        most = MOST_BYTES // len(load.request()) if writes else 1 << 40
        cpu = peer.cpu_seconds()
        found = child("bench.load", peer.bootstrap, json.dumps(load.arguments()), f"{seconds:g}", str(most))
        spent = peer.cpu_seconds() - cpu
        if writes:
            peer.delete(load.topic)
        megabytes = found["bytes"] / 1e6
        figures = {"k requests/s": found["requests"] / found["seconds"] / 1e3}
        if load.partitions == 1 and megabytes / found["requests"] > 0.005:  # what the row is about
            figures = {"MB/s": megabytes / found["seconds"], "broker CPU s/GB": spent / megabytes * 1e3}
        else:
            figures["broker CPU us/request"] = spent / found["requests"] * 1e6
        return {**figures, "load cores": found["load cores"]}

    return measure


def prepare(make: Callable[[str], Load], peer: Peer) -> Load:
    """Make the topic that a load needs."""
    load = make(f"raw-{uuid.uuid4().hex[:8]}")
    peer.create(load.topic, load.partitions)
    settle(load, peer.bootstrap)
    if isinstance(load, FetchLoad):
        fill(load.topic, peer.bootstrap, load.walk or 2 * load.max_bytes // 16_000)
    return load


def latency(peer: Peer, seconds: float) -> Figures:
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    peer.create(topic)
    settle(FetchLoad(topic, 1, 1 << 14), peer.bootstrap)
    wakes = peer.process is None  # the mock's fetches end by time only
    found = child("bench.latency", peer.bootstrap, topic, f"{seconds:g}", *([] if wakes else ["ack"]))
    peer.delete(topic)
    return {f"{name} us": value for name, value in found.items()}


def child(*arguments: str) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed: {done.stderr[-2000:]}")
    found: Figures = json.loads(done.stdout)
    return found


def client_produce(size: int) -> Row:
    """Produce through confluent-kafka from Python, whose calls are then the limit."""

    def measure(peer: Peer, seconds: float) -> Figures:
        from confluent_kafka import Producer

        topic = f"client-{uuid.uuid4().hex[:8]}"
        peer.create(topic)
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
        elapsed, spent = time.perf_counter() - start, peer.cpu_seconds() - cpu
        peer.delete(topic)
        megabytes = count * size / 1e6
        return {"MB/s": megabytes / elapsed, "broker CPU s/GB": spent / megabytes * 1e3}

    return measure


ROWS: dict[str, Row] = {
    "produce, 1 MB batches of 100 B, 4 connections": raw(lambda topic: ProduceLoad(topic, 4, 9000, 100)),
    "produce, 1 MB batches of 1 KB, 4 connections": raw(lambda topic: ProduceLoad(topic, 4, 900, 1024)),
    "produce, 16 KB batches of 1 KB, 10 connections": raw(lambda topic: ProduceLoad(topic, 10, 16, 1024)),
    "produce, 1 record of 100 B, 50 connections": raw(lambda topic: ProduceLoad(topic, 50, 1, 100)),
    "produce, 100 partitions x 1 record, 4 connections": raw(
        lambda topic: ProduceLoad(topic, 4, 1, 100, partitions=100)
    ),
    "consume 16 KB batches, 1 MB fetches, 2 connections": raw(
        lambda topic: FetchLoad(topic, 2, 1 << 20, walk=WALKED_BATCHES)
    ),
    "fetch 16 KB, 10 connections": raw(lambda topic: FetchLoad(topic, 10, 1 << 14)),
    "fetch 1 MB, 2 connections": raw(lambda topic: FetchLoad(topic, 2, 1 << 20)),
    "metadata of 1,000 partitions, 10 connections": raw(lambda topic: MetadataLoad(topic, 10, 1000)),
    "metadata of 1 partition, 10 connections": raw(lambda topic: MetadataLoad(topic, 10)),
    "one record at a time": latency,
    "confluent-kafka from Python, produce 100 B": client_produce(100),
    "confluent-kafka from Python, produce 1 KB": client_produce(1024),
}
HIGHER_IS_BETTER = ("MB/s", "k requests/s")

Results = dict[str, dict[str, Figures]]


def run(options: argparse.Namespace) -> Results:
    """Run what contains `only` in its name; row -> peer -> figure -> value."""
    found: Results = {}
    chosen = {name: row for name, row in ROWS.items() if options.only in name}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        peers = start_peers(stack, Path(folder), uvloop=options.uvloop) if chosen else []
        for name, row in chosen.items():
            found[name] = measure(row, peers, options)
            report(name, found[name])
    if options.only in "lives":
        found["lives"] = run_lives(options.rounds)
        report("lives", found["lives"])
    return found


def measure(row: Row, peers: list[Peer], options: argparse.Namespace) -> dict[str, Figures]:
    rounds: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    for number in range(options.rounds + 1):
        for peer in peers:
            figures = row(peer, options.seconds if number else WARM_SECONDS)
            if number:
                rounds[peer.name].append(figures)
    return {
        name: {key: statistics.median(one[key] for one in figures) for key in figures[0]}
        for name, figures in rounds.items()
    }


def run_lives(repeats: int) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    makers = {"tidelock os": lives.ours("os"), "tidelock group": lives.ours("group"), REFERENCE: lives.kafka}
    try:
        find()
    except Unavailable:
        del makers[REFERENCE]
    for name, make in makers.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = lives.live(make, Path(folder), repeats)
    found["librdkafka mock"] = lives.mock()
    return found


def report(name: str, peers: dict[str, Figures]) -> None:
    """Say on standard error how far it is."""
    print(name, file=sys.stderr)
    for peer, figures in peers.items():
        shown = (f"{value:,.4g} {unit}" for unit, value in figures.items())
        print(f"  {peer:20} {'   '.join(shown)}", file=sys.stderr, flush=True)


def markdown(found: Results) -> str:
    """The table: one line per figure; the ratio is how many times better ours is, in any unit."""
    columns = list(next(iter(found.values())))
    lines = [
        " | ".join(["| row", *columns, f"ours (os) to {REFERENCE} |"]),
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, peers in found.items():
        for unit in peers[columns[0]]:
            if unit == "load cores":
                continue
            cells = [cell(peers.get(column, {}).get(unit)) for column in columns]
            title = unit if name == "lives" else f"{name}: {unit}"
            lines.append(" | ".join([f"| {title}", *cells, f"{ratio(peers, columns[0], unit)} |"]))
    return "\n".join(lines)


def cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(peers: dict[str, Figures], ours: str, unit: str) -> str:
    theirs = peers.get(REFERENCE, {}).get(unit)
    if not theirs:
        return "-"
    mine = peers[ours][unit]
    return f"{mine / theirs if unit in HIGHER_IS_BETTER else theirs / mine:.2g}x"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument(
        "--only", default="", help="run the rows whose name contains this; `lives`: the starts"
    )
    parser.add_argument("--uvloop", action="store_true", help="ours on uvloop as well")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON, not as a table")
    options = parser.parse_args()
    found = run(options)
    print(json.dumps(found, indent=2) if options.json else markdown(found))


if __name__ == "__main__":
    main()
