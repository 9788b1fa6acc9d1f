"""The brokers that `bench.broker` compares: ours, Apache Kafka, librdkafka's mock in a process of its own.

Each is started by a context manager and asked over the wire like any broker; the mock, which knows no
CreateTopics, over its standard input. fsync: ours runs twice, with the policy `os` (records stay in the page
cache, Apache Kafka's own default) and with `group` (every acknowledged record is on the disk); the mock
writes no disk at all and keeps the last 5 MB of a partition.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.fetch import Unavailable, find
from tests.engines.kafka import ApacheKafka
from tests.support.broker import BrokerProcess

from tidelock.protocol.apis import response_class
from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidelock.protocol.messages.delete_topics import DeleteTopicsRequest

CREATE_VERSION = DELETE_VERSION = 5
MOCK = """
import ctypes, sys
import confluent_kafka
name = next(line.split()[-1] for line in open("/proc/self/maps") if "/librdkafka" in line)
library = ctypes.CDLL(name)
for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
    getattr(library, function).restype = ctypes.c_void_p
library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
settings = ctypes.c_void_p(library.rd_kafka_conf_new())
library.rd_kafka_conf_set(settings, b"log_level", b"0", None, 0)
owner = library.rd_kafka_new(0, settings, None, 0)
cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(ctypes.c_void_p(owner), 1))
print(library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
for line in sys.stdin:
    topic, partitions = line.split()
    print(library.rd_kafka_mock_topic_create(cluster, topic.encode(), int(partitions), 1), flush=True)
"""


@dataclass
class Peer:
    """A running broker; `process` is the mock's, which takes commands there."""

    name: str
    bootstrap: str
    pid: int
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))

    def resident_megabytes(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096 / 1e6

    def create(self, topic: str, partitions: int = 1) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(f"{topic} {partitions}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline().strip() == "0"
            return
        wanted = CreatableTopic(name=topic, num_partitions=partitions, replication_factor=1)
        reply = ask(self.bootstrap, CreateTopicsRequest(topics=[wanted], timeout_ms=60_000), CREATE_VERSION)
        assert reply.topics[0].error_code == 0, reply

    def delete(self, topic: str) -> None:
        """Free the disk again; the mock has none."""
        if self.process is None:
            ask(self.bootstrap, DeleteTopicsRequest(topic_names=[topic], timeout_ms=60_000), DELETE_VERSION)


def ask(bootstrap: str, request: Any, version: int, timeout: float = 120.0) -> Any:
    """Send one request over a connection of its own and return the decoded response."""
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout) as sock:
        sock.sendall(encode_request(request, version, 1, "bench"))
        stream = sock.makefile("rb")
        body = stream.read(struct.unpack(">i", stream.read(4))[0])
    _, pos = read_response_header(body, request.API_KEY, version)
    return response_class(request.API_KEY).decode(body, version, pos)[0]


@contextlib.contextmanager
def mock_broker() -> Iterator[Peer]:
    process = subprocess.Popen(
        [sys.executable, "-c", MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        bootstrap = process.stdout.readline().strip()
        yield Peer("librdkafka mock", bootstrap, process.pid, process)
    finally:
        process.stdin.close()
        process.wait()


@contextlib.contextmanager
def our_broker(name: str, folder: Path, policy: str, flags: tuple[str, ...] = ()) -> Iterator[Peer]:
    with BrokerProcess(folder, {"tidelock.flush.policy": policy}, flags) as process:
        yield Peer(name, process.bootstrap, process.pid)


@contextlib.contextmanager
def apache_kafka(folder: Path) -> Iterator[Peer]:
    kept = {"log.segment.delete.delay.ms": "1000"}
    with ApacheKafka(find(), folder, quick=False, properties=kept) as process:
        yield Peer("Apache Kafka", process.bootstrap, process.pid)


def start_peers(stack: contextlib.ExitStack, folder: Path, *, uvloop: bool = False) -> list[Peer]:
    """Ours first."""
    enter = stack.enter_context
    peers = [
        enter(our_broker("tidelock os", folder / "os", "os")),
        enter(our_broker("tidelock group", folder / "group", "group")),
    ]
    if uvloop:
        peers.append(enter(our_broker("tidelock os, uvloop", folder / "uvloop", "os", ("--uvloop",))))
    try:
        peers.append(enter(apache_kafka(folder / "apache")))
    except Unavailable as why:
        print(f"without Apache Kafka: {why}", file=sys.stderr)
    peers.append(enter(mock_broker()))
    return peers
