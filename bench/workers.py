"""The Connect workers that `bench.connect` compares: ours, and Apache Kafka's with Debezium's JDBC sink.

Both are asked over REST. CPU time and memory are those of all a worker's processes: ours has one per task.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines import debezium
from tests.engines.fetch import Engines
from tests.engines.kafka import ConnectStandalone
from tests.support.connect import Worker, ask
from tests.support.waiting import eventually

TICK = float(os.sysconf("SC_CLK_TCK"))
OURS, JVM = "tidelock", "Apache Kafka Connect"
SHARED = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    "offset.flush.interval.ms": "10000",
}


@dataclass
class Peer:
    """A running worker."""

    name: str
    url: str
    pid: int

    def put(self, name: str, config: dict[str, str]) -> None:
        """Make a connector and wait until it and its task run."""

        def accepted() -> bool:
            status, answer = ask(self.url, "PUT", f"/connectors/{name}/config", config)
            assert status in (200, 201, 409), answer
            return status != 409

        eventually(accepted, 60)
        eventually(lambda: self.states(name) == ["RUNNING", "RUNNING"], 120)

    def states(self, name: str) -> list[str]:
        status, body = ask(self.url, "GET", f"/connectors/{name}/status")
        if status != 200:
            return []
        for task in body["tasks"]:
            assert task["state"] != "FAILED", task["trace"]
        return [one["state"] for one in (body["connector"], *body["tasks"])]

    def delete(self, name: str) -> None:
        ask(self.url, "DELETE", f"/connectors/{name}")

    def pids(self) -> list[int]:
        """The worker's processes."""
        parents: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(stat.parent.name))
        found = [self.pid]
        for one in found:
            found += parents.get(one, [])
        return found

    def cpu_seconds(self) -> dict[int, float]:
        """User and system time of each process."""
        found = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[pid] = (int(fields[11]) + int(fields[12])) / TICK
        return found

    def private_megabytes(self) -> float:
        """What the worker's processes share with nobody else's, in all."""
        return sum(_private_kilobytes(pid) for pid in self.pids()) / 1024


def _private_kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@contextlib.contextmanager
def our_worker(folder: Path, bootstrap: str, more: dict[str, str] | None = None) -> Iterator[Peer]:
    folder.mkdir()
    with Worker(folder, {"bootstrap.servers": bootstrap, **SHARED, **(more or {})}) as worker:
        yield Peer(OURS, worker.url, worker.pid)


@contextlib.contextmanager
def jvm_worker(engines: Engines, folder: Path, bootstrap: str) -> Iterator[Peer]:
    """With G1, all compilers and a heap of up to 1 GB."""
    plugins = [str(engines.plugin_path), *([str(found.parent)] if (found := debezium.find()) else [])]
    properties = {**SHARED, "plugin.path": ",".join(plugins)}
    with ConnectStandalone(engines, folder, bootstrap, properties=properties, quick=False) as worker:
        yield Peer(JVM, worker.url, worker.pid)


def our_sink(url: Any, table: str) -> dict[str, str]:
    """Our SQL sink, as it is by default but for the keys that say what to do."""
    return {
        "connector.class": "JdbcSinkConnector",
        "connection.url": url.render_as_string(hide_password=False),
        "table.name.format": table,
        "insert.mode": "upsert",
        "pk.mode": "record_key",
        **_json(),
    }


def jvm_sink(url: Any, table: str) -> dict[str, str]:
    """Debezium's, tuned: large polls and batches, one statement per batch where it can."""
    kind = "postgresql" if url.get_backend_name() == "postgresql" else "mariadb"
    options = "" if kind == "postgresql" else "?useBulkStmts=true"
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "connection.url": f"jdbc:{kind}://{url.host}:{url.port}/{url.database}{options}",
        "connection.username": url.username,
        "connection.password": url.password or "",
        "collection.name.format": table,
        "insert.mode": "upsert",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "batch.size": "5000",
        "dialect.postgres.unnest.insert.enabled": "true",
        "consumer.override.max.poll.records": "5000",
        "consumer.override.max.partition.fetch.bytes": "8388608",
        **_json(),
    }


def _json() -> dict[str, str]:
    converter = "org.apache.kafka.connect.json.JsonConverter"
    both = {f"{part}.converter": converter for part in ("key", "value")}
    return {**both, "consumer.override.auto.offset.reset": "earliest"}
