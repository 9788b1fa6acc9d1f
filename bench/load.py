"""A load generator over raw sockets: one outstanding request per connection, whole frames built beforehand.

    python -m bench.load HOST:PORT '{"kind": "produce", ...}' SECONDS MOST_REQUESTS

It runs in a process of its own, so that its cost does not count as the broker's, and decodes nothing on the
way but the first reply, which must not be an error. It tells how much of a core it took itself: near 1.0
it, not the broker, was what the row measured.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeAlias

from tidelock.protocol.apis import response_class
from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidelock.protocol.records import Record, build_batch

PRODUCE_VERSION, FETCH_VERSION, METADATA_VERSION = 7, 11, 9
FILLING_RECORDS = 16
BUFFER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ProduceLoad:
    """Batches of `records` values of `size` bytes into each of `partitions`."""

    topic: str
    connections: int
    records: int
    size: int
    partitions: int = 1
    key: ClassVar[int] = 0
    version: ClassVar[int] = PRODUCE_VERSION

    def request(self) -> bytearray:
        batch = build_batch(
            [Record(i, 1_700_000_000_000, None, b"x" * self.size) for i in range(self.records)]
        )
        data = [PartitionProduceData(index=index, records=batch) for index in range(self.partitions)]
        topic = TopicProduceData(name=self.topic, partition_data=data)
        request = ProduceRequest(transactional_id=None, acks=1, timeout_ms=10_000, topic_data=[topic])
        return bytearray(encode_request(request, PRODUCE_VERSION, 1, "load"))

    def advance(self, request: bytearray, reply_bytes: int) -> None:
        return

    def arguments(self) -> dict[str, Any]:
        return {"kind": "produce", **asdict(self)}


@dataclass(frozen=True, slots=True)
class FetchLoad:
    """`max_bytes` of partition 0: from its beginning, or, with `walk` batches in it, on through all of it."""

    topic: str
    connections: int
    max_bytes: int
    walk: int = 0
    partitions: int = 1
    key: ClassVar[int] = 1
    version: ClassVar[int] = FETCH_VERSION

    def request(self) -> bytearray:
        return self._request(0)

    def _request(self, offset: int) -> bytearray:
        wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=self.max_bytes)
        topic = FetchTopic(topic=self.topic, partitions=[wanted])
        request = FetchRequest(max_wait_ms=100, min_bytes=1, max_bytes=self.max_bytes, topics=[topic])
        return bytearray(encode_request(request, FETCH_VERSION, 1, "load"))

    def advance(self, request: bytearray, reply_bytes: int) -> None:
        """Change the frame for the next time, knowing how large the reply was."""
        if not self.walk:
            return
        at = self._request(-2).index(struct.pack(">q", -2))
        (offset,) = struct.unpack_from(">q", request, at)
        offset += max(reply_bytes // (FILLING_RECORDS * 1000), 1) * FILLING_RECORDS
        struct.pack_into(">q", request, at, offset if offset < self.walk * FILLING_RECORDS else 0)

    def arguments(self) -> dict[str, Any]:
        return {"kind": "fetch", **asdict(self)}


@dataclass(frozen=True, slots=True)
class MetadataLoad:
    """Where one topic's partitions are."""

    topic: str
    connections: int
    partitions: int = 1
    key: ClassVar[int] = 3
    version: ClassVar[int] = METADATA_VERSION

    def request(self) -> bytearray:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=self.topic)])
        return bytearray(encode_request(asked, METADATA_VERSION, 1, "load"))

    def advance(self, request: bytearray, reply_bytes: int) -> None:
        return

    def arguments(self) -> dict[str, Any]:
        return {"kind": "metadata", **asdict(self)}


Load: TypeAlias = ProduceLoad | FetchLoad | MetadataLoad
KINDS: dict[str, type[Load]] = {
    "produce": ProduceLoad,
    "fetch": FetchLoad,
    "metadata": MetadataLoad,
}


def fill(topic: str, bootstrap: str, batches: int) -> None:
    """Put batches of 16 KB into partition 0."""
    drive(ProduceLoad(topic, 8, FILLING_RECORDS, 1000), bootstrap, seconds=300.0, most=batches)


def connect(bootstrap: str) -> socket.socket:
    host, _, port = bootstrap.rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=60)
    sock.settimeout(None)  # a socket with a timeout does not wait for all of MSG_WAITALL
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(sock: socket.socket, request: bytes | bytearray) -> bytes:
    """Send one request and return the reply without its size."""
    sock.sendall(request)
    return receive(sock)


def receive(sock: socket.socket) -> bytes:
    missing = struct.unpack(">i", sock.recv(4, socket.MSG_WAITALL))[0]
    return sock.recv(missing, socket.MSG_WAITALL)


def require_success(load: Load, sock: socket.socket) -> None:
    """Ask once, with everything decoded.

    Raises:
        SystemExit: the reply has an error.
    """
    body = exchange(sock, load.request())
    _, pos = read_response_header(body, load.key, load.version)
    text = repr(response_class(load.key).decode(body, load.version, pos)[0])
    if text.count("error_code=") != text.count("error_code=0,") + text.count("error_code=0)"):
        raise SystemExit(f"the broker answers with an error: {text[:500]}")


def settle(load: Load, bootstrap: str, timeout: float = 60.0) -> None:
    """Wait until a load meets no error: a topic just made, or recovered, has its leaders a little later."""
    deadline = time.monotonic() + timeout
    with connect(bootstrap) as sock:
        while True:
            try:
                return require_success(load, sock)
            except SystemExit:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)


@dataclass(slots=True)
class Client:
    """One connection and what its reply still lacks."""

    sock: socket.socket
    request: bytearray
    reply_bytes: int = 0
    missing: int = 0


def drive(load: Load, bootstrap: str, seconds: float, most: int = 1 << 60) -> dict[str, float]:
    """Send until the time is over or `most` requests are answered, at least one per connection."""
    clients: dict[int, Client] = {}
    poll = select.epoll()
    for _ in range(load.connections):
        sock = connect(bootstrap)
        clients[sock.fileno()] = Client(sock, load.request())
        poll.register(sock.fileno(), select.EPOLLIN)
    require_success(load, sock)
    count = received = 0
    buffer = memoryview(bytearray(BUFFER_BYTES))
    cpu, start = time.process_time(), time.perf_counter()
    end = start + seconds
    for client in clients.values():
        client.sock.sendall(client.request)
    while count < most and (count < load.connections or time.perf_counter() < end):
        for number, _ in poll.poll(1.0):
            client = clients[number]
            size = client.sock.recv_into(buffer)
            if not size:
                raise SystemExit("the broker closed a connection")
            received += size
            if not client.missing:
                client.missing = client.reply_bytes = 4 + struct.unpack_from(">i", buffer)[0]
            client.missing -= size
            if not client.missing:
                count += 1
                load.advance(client.request, client.reply_bytes)
                client.sock.sendall(client.request)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    for client in clients.values():
        client.sock.close()
    poll.close()
    sent = count * len(load.request())
    return {"requests": count, "seconds": elapsed, "bytes": max(received, sent), "load cores": cpu / elapsed}


def main() -> None:
    bootstrap, given, seconds, most = sys.argv[1:]
    arguments = json.loads(given)
    load = KINDS[arguments.pop("kind")](**arguments)
    print(json.dumps(drive(load, bootstrap, float(seconds), int(most))))


if __name__ == "__main__":
    main()
