"""What a broken or hostile client does, it does to itself: another client works on."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.broker.test_confluent_kafka import consumer, create, produce, take
from tests.support.broker import BrokerProcess
from tests.support.kafka import Kafka
from tests.support.node import fetch_request, produce_request
from tests.support.waiting import eventually
from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from tidelock.protocol.messages.metadata import MetadataRequest

Unique = Callable[[str], str]
CLOSED = b""


@contextmanager
def connected(broker: Kafka) -> Iterator[socket.socket]:
    host, _, port = broker.bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        yield sock


def frame_of(sock: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", exactly(sock, 4))
    return exactly(sock, size)


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "closed"
        data += piece
    return data


def is_closed(sock: socket.socket) -> bool:
    with suppress(ConnectionResetError):
        return sock.recv(1) == CLOSED
    return True


def resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def works(broker: Kafka, unique: Unique) -> None:
    topic = unique("alive")
    produce(broker.bootstrap, topic, [b"x"] * 10)
    with consumer(broker.bootstrap, unique("g")) as found:
        found.subscribe([topic])
        assert len(take(found, 10)) == 10


GARBAGE = {
    "a frame of 2 GB": struct.pack(">i", 2**31 - 1) + b"x" * 100,
    "a negative length": struct.pack(">i", -1),
    "an unknown API": struct.pack(">ihhih", 10, 999, 0, 1, -1),
    "a version nobody serves": struct.pack(">ihhih", 10, 3, 99, 1, -1),
    "a Produce of version 2": struct.pack(">ihhih", 10, 0, 2, 1, -1),
    "an empty frame": struct.pack(">i", 0),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + b"\0" * 300,
    "a cut Metadata": struct.pack(">ihhih", 14, 3, 1, 1, -1) + b"\x7f\xff\xff\xff",
    "a cut Produce": struct.pack(">ihhih", 16, 0, 8, 1, -1) + b"\xff\xff\x00\x01\x00\x00",
    "a Fetch of many topics": struct.pack(">ihhih", 14, 1, 4, 1, -1) + b"\x7f\xff\xff\xff",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_ends_its_own_connection(any_kafka: Kafka, garbage: bytes) -> None:
    with connected(any_kafka) as other, connected(any_kafka) as bad:
        bad.sendall(garbage)
        assert is_closed(bad)
        other.sendall(encode_request(MetadataRequest(topics=[]), 5, 7))
        assert frame_of(other)[:4] == struct.pack(">i", 7)


def test_an_unknown_version_of_api_versions_is_answered(any_kafka: Kafka) -> None:
    with connected(any_kafka) as sock:
        sock.sendall(struct.pack(">ihhihB", 11, 18, 77, 5, -1, 0))
        raw = frame_of(sock)
        correlation_id, pos = read_response_header(raw, 18, 0)
        response, _ = ApiVersionsResponse.decode(raw, 0, pos)
        assert (correlation_id, response.error_code) == (5, 35)
        assert [(one.api_key, one.min_version, one.max_version) for one in response.api_keys] == [(18, 0, 4)]
        sock.sendall(
            encode_request(ApiVersionsRequest(client_software_name="t", client_software_version="1"), 4, 6)
        )
        assert frame_of(sock)[:4] == struct.pack(">i", 6)


def test_requests_in_pieces_and_many_in_one_piece(any_kafka: Kafka) -> None:
    request = bytes(encode_request(MetadataRequest(topics=[]), 9, 1))
    with connected(any_kafka) as sock:
        for byte in request:
            sock.sendall(bytes([byte]))
        assert frame_of(sock)[:4] == struct.pack(">i", 1)
        sock.sendall(request * 500)
        for _ in range(500):
            assert frame_of(sock)[:4] == struct.pack(">i", 1)


@pytest.mark.needs_tidelock("it measures its memory")
def test_a_big_frame_takes_memory_only_as_it_arrives(our_broker: BrokerProcess, unique: Unique) -> None:
    before = resident_bytes(our_broker.pid)
    with suppress(ConnectionError):
        socks = [socket.create_connection(("127.0.0.1", our_broker.port)) for _ in range(50)]
        for sock in socks:
            sock.sendall(struct.pack(">i", 100_000_000) + b"x" * 1000)
        works(our_broker, unique)
        assert resident_bytes(our_broker.pid) - before < 100 << 20
        for sock in socks:
            sock.close()


@pytest.mark.needs_tidelock("it measures its memory")
def test_a_client_that_does_not_read_costs_itself_only(our_broker: BrokerProcess, unique: Unique) -> None:
    topic = unique("slow")
    produce(our_broker.bootstrap, topic, [b"x" * 100_000] * 200, **{"linger.ms": 50})
    before = resident_bytes(our_broker.pid)
    with connected(our_broker) as slow:
        slow.settimeout(0.5)
        for partition in range(4):
            request = encode_request(
                fetch_request(
                    topic, 0, partition=partition, partition_max_bytes=50 << 20, max_bytes=50 << 20
                ),
                4,
                1,
            )
            with suppress(TimeoutError):
                slow.sendall(bytes(request) * 2000)
        works(our_broker, unique)
        assert resident_bytes(our_broker.pid) - before < 150 << 20
    works(our_broker, unique)


def test_clients_that_vanish_while_they_wait(any_kafka: Kafka, unique: Unique) -> None:
    topic = unique("gone")
    create(any_kafka.bootstrap, topic)
    produce(any_kafka.bootstrap, topic, [b"x"])
    for _ in range(20):
        with connected(any_kafka) as sock:
            sock.sendall(encode_request(fetch_request(topic, 1, max_wait_ms=60_000), 4, 1))
    works(any_kafka, unique)


@pytest.mark.needs_tidelock("Kafka looks at a connection again when the fetch has ended")
def test_a_client_that_hangs_up_while_it_waits(our_broker: BrokerProcess, unique: Unique) -> None:
    topic = unique("gone")
    create(our_broker.bootstrap, topic)
    produce(our_broker.bootstrap, topic, [b"x"])
    with connected(our_broker) as sock:
        sock.sendall(encode_request(fetch_request(topic, 1, max_wait_ms=60_000), 4, 1))
        sock.shutdown(socket.SHUT_WR)
        assert is_closed(sock)
    works(our_broker, unique)


def test_a_failed_produce_without_acks_ends_the_connection(any_kafka: Kafka) -> None:
    with connected(any_kafka) as sock:
        sock.sendall(encode_request(produce_request("no such topic", b"", acks=0), 8, 1))
        assert is_closed(sock)


def open_sockets(pid: int) -> int:
    """Sockets only: how many logs the shared broker has open depends on the tests before."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(link.readlink()).startswith("socket:")
    return count


@pytest.mark.needs_tidelock("it measures its memory")
def test_many_idle_connections(our_broker: BrokerProcess, unique: Unique) -> None:
    before = resident_bytes(our_broker.pid)
    socks = [socket.create_connection(("127.0.0.1", our_broker.port)) for _ in range(400)]
    for sock in socks:
        sock.sendall(b"\0\0\0\x20")
    works(our_broker, unique)
    assert resident_bytes(our_broker.pid) - before < 64 << 20
    for sock in socks:
        sock.close()
    eventually(lambda: open_sockets(our_broker.pid) < 200)
    works(our_broker, unique)
