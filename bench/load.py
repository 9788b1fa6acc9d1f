"""A load generator over raw sockets: one outstanding request per connection, nothing decoded on the way.

    python -m bench.load HOST:PORT '{"kind": "produce", ...}' SECONDS

It runs in a process of its own, so that its cost does not count as the broker's.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidelock.protocol.records import Record, build_batch

PRODUCE_VERSION, FETCH_VERSION, METADATA_VERSION = 7, 11, 9


class Load(Protocol):
    """What is sent again and again."""

    topic: str
    connections: int

    def request(self) -> bytes:
        """The whole frame."""

    def prepare(self, bootstrap: str) -> None:
        """Bring the topic into the state that the request needs."""

    def arguments(self) -> dict[str, Any]:
        """What makes the same load in another process."""


@dataclass(frozen=True, slots=True)
class ProduceLoad:
    """Batches of `records` values of `size` bytes into partition 0."""

    topic: str
    connections: int
    records: int
    size: int

    def request(self) -> bytes:
        batch = build_batch(
            [Record(i, 1_700_000_000_000, None, b"x" * self.size) for i in range(self.records)]
        )
        data = PartitionProduceData(index=0, records=batch)
        topic = TopicProduceData(name=self.topic, partition_data=[data])
        request = ProduceRequest(transactional_id=None, acks=1, timeout_ms=10_000, topic_data=[topic])
        return bytes(encode_request(request, PRODUCE_VERSION, 1, "load"))

    def prepare(self, bootstrap: str) -> None:
        return

    def arguments(self) -> dict[str, Any]:
        return {"kind": "produce", **asdict(self)}


@dataclass(frozen=True, slots=True)
class FetchLoad:
    """`max_bytes` from the beginning of partition 0."""

    topic: str
    connections: int
    max_bytes: int

    def request(self) -> bytes:
        wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=self.max_bytes)
        topic = FetchTopic(topic=self.topic, partitions=[wanted])
        request = FetchRequest(max_wait_ms=100, min_bytes=1, max_bytes=self.max_bytes, topics=[topic])
        return bytes(encode_request(request, FETCH_VERSION, 1, "load"))

    def prepare(self, bootstrap: str) -> None:
        filling = ProduceLoad(self.topic, 1, 16, 1000)
        drive(filling, bootstrap, seconds=60.0, most=2 * self.max_bytes // 16_000)

    def arguments(self) -> dict[str, Any]:
        return {"kind": "fetch", **asdict(self)}


@dataclass(frozen=True, slots=True)
class MetadataLoad:
    """Where one topic's partitions are."""

    topic: str
    connections: int

    def request(self) -> bytes:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=self.topic)])
        return bytes(encode_request(asked, METADATA_VERSION, 1, "load"))

    def prepare(self, bootstrap: str) -> None:
        return

    def arguments(self) -> dict[str, Any]:
        return {"kind": "metadata", **asdict(self)}


KINDS: dict[str, type[ProduceLoad] | type[FetchLoad] | type[MetadataLoad]] = {
    "produce": ProduceLoad,
    "fetch": FetchLoad,
    "metadata": MetadataLoad,
}


def drive(load: Load, bootstrap: str, seconds: float, most: int = 1 << 60) -> dict[str, float]:
    """Send until the time is over or `most` requests are answered."""
    host, _, port = bootstrap.rpartition(":")
    request = load.request()
    socks = {}
    poll = select.epoll()
    for _ in range(load.connections):
        sock = socket.create_connection((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
    missing = dict.fromkeys(socks, 0)
    count = received = 0
    buffer = bytearray(4 << 20)
    start = time.perf_counter()
    end = start + seconds
    for sock in socks.values():
        sock.sendall(request)
    while count < most and time.perf_counter() < end:
        for number, _ in poll.poll(1.0):
            sock = socks[number]
            size = sock.recv_into(buffer)
            if not size:
                raise SystemExit("the broker closed a connection")
            received += size
            left = missing[number] or 4 + struct.unpack_from(">i", buffer)[0]
            missing[number] = left - size
            if left == size:
                count += 1
                sock.sendall(request)
    elapsed = time.perf_counter() - start
    for sock in socks.values():
        sock.close()
    poll.close()
    return {"requests": count, "seconds": elapsed, "bytes": max(received, count * len(request))}


def main() -> None:
    given = json.loads(sys.argv[2])
    load = KINDS[given.pop("kind")](**given)
    print(json.dumps(drive(load, sys.argv[1], float(sys.argv[3]))))


if __name__ == "__main__":
    main()
