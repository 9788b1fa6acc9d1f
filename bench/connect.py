"""Connect beside Apache Kafka's worker, in one run: the same bytes, the same tables, the same broker.

    python -m bench.connect [--rounds 3] [--only TEXT] [--records 200000] [--alone] [--json]

Both workers run all the time and take turns, row by row and round by round; each row begins with a round that
does not count, for the JVM compiles what it runs often. A rate is that of the stream: the clock starts when
the first records are seen at the other end. CPU time is that of all the worker's processes between the same
two moments; other work on the machine disturbs it least. The SQL rows need the servers, and Debezium's sink
(`python -m tests.engines.debezium`) for the JVM; what is not there is left out and named.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy
from tests.engines import debezium
from tests.engines.fetch import Engines, Unavailable, find
from tests.support.broker import BrokerProcess
from tests.support.databases import mariadb_server, postgres_server
from tests.support.waiting import eventually

from bench import converting
from bench.records import TABLE, line, orders
from bench.timing import table
from bench.workers import JVM, OURS, Peer, jvm_sink, jvm_worker, our_sink, our_worker
from tidelock.client import Admin, OutgoingBatch, Producer, TopicPartition

LOOK = 0.02  # seconds between looks at the other end
PATIENCE = 300.0
UNREAD = 4000  # lines at the end of a file that does not grow, which the original leaves unread
IDLE_TASKS = 100
RATE, COST, MEMORY = "k records/s", "CPU us/record", "private MB"

Figures = dict[str, float]
Row = Callable[["Bench", Peer], Figures]


@dataclass
class Bench:
    """What the rows share."""

    bootstrap: str
    admin: Admin
    folder: Path
    records: int
    engines: Engines | None
    databases: dict[str, sqlalchemy.Engine] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)

    def end(self, topic: str) -> int:
        partition = TopicPartition(topic, 0)
        return self.admin.end_offsets([partition])[partition]

    def topic(self, name: str) -> str:
        if name not in self.filled:
            self.admin.create_topic(name, 1)
            self.filled.add(name)
        return name

    def fill(self, name: str, columns: Callable[[], Iterator[tuple[bytes | None, bytes]]]) -> str:
        """Make a topic with these keys and values, once."""
        if name not in self.filled:
            self.topic(name)
            with Producer(self.bootstrap) as producer:
                keys, values = zip(*columns(), strict=True)
                for start in range(0, len(values), 5000):
                    part = slice(start, start + 5000)
                    producer.send_many(name, OutgoingBatch(values[part], keys[part], partition=0))
                    producer.serve(0)
        return name


def stream(peer: Peer, arrived: Callable[[], int], all_of_it: int) -> Figures:
    """Watch records arrive, from the first that are seen to the last."""
    first = eventually(arrived, PATIENCE, interval=LOOK)
    start, cpu = time.perf_counter(), peer.cpu_seconds()
    last = eventually(lambda: seen if (seen := arrived()) >= all_of_it else 0, PATIENCE, interval=LOOK)
    took, after = time.perf_counter() - start, peer.cpu_seconds()
    moved = last - first
    assert moved > 0, "everything was there at the first look: give more --records"
    spent = sum(after[pid] - cpu.get(pid, 0.0) for pid in after)
    figures = {RATE: moved / took / 1e3, COST: spent / moved * 1e6}
    return {**figures, MEMORY: peer.private_megabytes()}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def file_source(bench: Bench, peer: Peer) -> Figures:
    path = bench.folder / "lines.txt"
    if not path.exists():
        path.write_text("".join(f"{line(number)}\n" for number in range(bench.records)))
    name = bench.topic(unique("source"))
    kind = "FileStreamSource"
    config = {"connector.class": kind, "file": str(path), "topic": name, "batch.size": "2000"}
    peer.put(name, config)
    try:
        return stream(peer, lambda: bench.end(name), bench.records - UNREAD)
    finally:
        peer.delete(name)
        bench.admin.delete_topic(name)


def file_sink(bench: Bench, peer: Peer) -> Figures:
    topic = bench.fill("lines", lambda: ((None, line(number).encode()) for number in range(bench.records)))
    name = unique("sink")
    path = bench.folder / name
    size = len(line(0).encode()) + 1
    config = {"connector.class": "FileStreamSink", "file": str(path), "topics": topic}
    peer.put(name, {**config, "consumer.override.auto.offset.reset": "earliest"})
    try:
        return stream(peer, lambda: path.stat().st_size // size if path.exists() else 0, bench.records)
    finally:
        peer.delete(name)
        path.unlink()


def upsert(kind: str, *, again: bool) -> Row:
    """Orders into an empty table, or once more, with other amounts, into a full one."""

    def measure(bench: Bench, peer: Peer) -> Figures:
        count = bench.records // 2
        version = 2 if again else 1
        topics = [bench.fill(f"orders-{one}", lambda one=one: orders(count, one)) for one in (1, 2)]
        engine = bench.databases[kind]
        name = unique("upsert").replace("-", "_")
        suffix = " DEFAULT CHARACTER SET utf8mb4" if kind == "mariadb" else ""
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE {name} ({TABLE[kind]}){suffix}")
            if again:
                connection.exec_driver_sql(_FULL[kind].format(table=name, count=count))
        config = (our_sink if peer.name == OURS else jvm_sink)(engine.url, name)
        peer.put(name, {**config, "topics": topics[version - 1]})
        try:
            seen = Seen(engine, name, version, count)
            return stream(peer, seen.look, count)
        finally:
            peer.delete(name)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP TABLE {name}")

    return measure


_ROW = "'customer', 'address', 0.0, 1, 'PAID', TRUE"
_FULL = {
    "postgresql": f"INSERT INTO {{table}} SELECT n, {_ROW} FROM generate_series(0, {{count}} - 1) AS n",
    "mariadb": f"INSERT INTO {{table}} SELECT seq, {_ROW} FROM seq_0_to_{{count}} WHERE seq < {{count}}",
}


@dataclass
class Seen:
    """How many orders of a version are in a table, looked at so that it costs the worker little."""

    engine: sqlalchemy.Engine
    table: str
    version: int
    count: int
    found: int = 0

    def look(self) -> int:
        """Ids arrive in order, so a search from what was seen last finds the last one."""
        amount = f"SELECT amount - id * 0.25 FROM {self.table} WHERE id = "
        with self.engine.connect() as connection:

            def is_there(number: int) -> bool:
                return connection.exec_driver_sql(amount + str(number)).scalar() == self.version

            low, step = self.found, 1000
            while low + step < self.count and is_there(low + step):
                low, step = low + step, 2 * step
            high = min(low + step, self.count)
            while low < high:
                middle = (low + high) // 2
                if is_there(middle):
                    low = middle + 1
                else:
                    high = middle
        self.found = low
        return low


def idle(bench: Bench, peer: Peer) -> Figures:
    """What as many sink tasks take that wait for records."""
    topic = bench.topic("nothing")
    before = peer.private_megabytes()
    names = [unique("idle") for _ in range(IDLE_TASKS)]
    for name in names:
        path = str(bench.folder / name)
        peer.put(name, {"connector.class": "FileStreamSink", "file": path, "topics": topic})
    try:
        time.sleep(2)  # what they did to start is over
        return {"private MB of 100 idle tasks": peer.private_megabytes() - before}
    finally:
        for name in names:
            peer.delete(name)


def offline(row: str) -> Row:
    """One row of `bench.converting`: no worker takes part."""

    def measure(bench: Bench, peer: Peer) -> Figures:
        if peer.name == OURS:
            rate, cost = converting.in_our_process()[row]
        else:
            assert bench.engines is not None
            rate, cost = converting.in_a_jvm(bench.engines)[row]
        return {RATE: rate / 1e3, COST: cost}

    return measure


ROWS: dict[str, Row] = {
    "file source": file_source,
    "file sink": file_sink,
    "JSON to PostgreSQL, upsert of new rows": upsert("postgresql", again=False),
    "JSON to PostgreSQL, upsert of known rows": upsert("postgresql", again=True),
    "JSON to MariaDB, upsert of new rows": upsert("mariadb", again=False),
    "JSON to MariaDB, upsert of known rows": upsert("mariadb", again=True),
    "JSON with schema, decoded": offline("decode"),
    "chain of 3 transforms": offline("chain"),
    "idle": idle,
}
ONCE = ("idle", *(name for name in ROWS if name.startswith(("JSON with", "chain"))))
SQL = {"PostgreSQL": "postgresql", "MariaDB": "mariadb"}


def chosen_rows(bench: Bench, only: str) -> dict[str, Row]:
    """The rows that contain `only` and whose database is there."""
    found = {}
    for name, row in ROWS.items():
        kind = next((kind for shown, kind in SQL.items() if shown in name), None)
        if only.lower() in name.lower() and (kind is None or kind in bench.databases):
            found[name] = row
    return found


def can(peer: Peer, name: str) -> bool:
    """Whether a peer has what a row needs."""
    return peer.name == OURS or not any(shown in name for shown in SQL) or debezium.find() is not None


Results = dict[str, dict[str, Figures]]


def run(bench: Bench, peers: list[Peer], options: argparse.Namespace) -> Results:
    """Row -> peer -> figure -> median."""
    results: Results = {}
    for name, row in chosen_rows(bench, options.only).items():
        able = [peer for peer in peers if can(peer, name)]
        found: dict[str, list[Figures]] = {peer.name: [] for peer in able}
        for number in range(1 if name in ONCE else options.rounds + 1):
            for peer in able:
                print(f"{name}: {peer.name}, round {number}", file=sys.stderr)
                figures = row(bench, peer)
                if number or name in ONCE:
                    found[peer.name].append(figures)
        results[name] = {
            peer: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            for peer, rounds in found.items()
        }
        print(f"{name}: {json.dumps(results[name])}", file=sys.stderr)
    return results


def start_databases(stack: ExitStack, only: str) -> dict[str, sqlalchemy.Engine]:
    started = {}
    for shown, start in (("PostgreSQL", postgres_server), ("MariaDB", mariadb_server)):
        if not any(shown in name and only.lower() in name.lower() for name in ROWS):
            continue
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tidelock-bench-", ignore_cleanup_errors=True)
        )
        try:
            server = stack.enter_context(start(Path(folder)))
        except pytest.skip.Exception as why:
            print(f"without {shown}: {why}", file=sys.stderr)
            continue
        engine = sqlalchemy.create_engine(server.database(), isolation_level="READ COMMITTED")
        stack.callback(engine.dispose)
        started[SQL[shown]] = engine
    return started


def show(results: Results) -> None:
    """Print a table; its last column says how many times better ours is."""
    names = [OURS, JVM]
    rows = []
    for name, peers in results.items():
        for figure in peers[OURS]:
            values = [peers.get(peer, {}).get(figure) for peer in names]
            cells = ["-" if value is None else f"{value:.3g}" for value in values]
            rows.append([f"{name}: {figure}", *cells, ratio(figure, *values)])
    table(["row", *names, "ours to the JVM"], rows)


def ratio(figure: str, ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "-"
    return f"{ours / theirs if figure == RATE else theirs / ours:.2g}x"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.connect")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", action="store_true", help="without the JVM")
    options = parser.parse_args(arguments or [])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(BrokerProcess(folder / "broker", {"tidelock.flush.policy": "os"}, ()))
        databases = start_databases(stack, options.only)
        peers = [stack.enter_context(our_worker(folder / "ours", broker.bootstrap))]
        engines = None
        try:
            engines = find()
            if not options.alone:
                peers.append(stack.enter_context(jvm_worker(engines, folder / "jvm", broker.bootstrap)))
        except Unavailable as why:
            print(f"without Apache Kafka: {why}", file=sys.stderr)
        bench = Bench(broker.bootstrap, Admin(broker.bootstrap), folder, options.records, engines, databases)
        results = run(bench, peers, options)
    print(json.dumps(results)) if options.json else show(results)


if __name__ == "__main__":
    main(sys.argv[1:])
