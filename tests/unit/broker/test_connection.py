"""One connection without a socket: pieces, order, muting, slow readers, limits, memory."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.support.node import START_MS, MemoryBroker, fetch_request, produce_request
from tidelock.broker.changes import at_once
from tidelock.broker.connection import (
    MUTED_RESERVE_BYTES,
    REQUESTS_PER_TURN,
    SHARED_BYTES,
    TRUSTED_BYTES,
    Connection,
)
from tidelock.broker.instant import Instant
from tidelock.broker.node import Node
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.metadata import MetadataRequest
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidelock.protocol.records import Record, build_batch


class FakeTransport:
    """Keeps what is written; knows whether it reads and whether it is closed."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.reads = True
        self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    @property
    def unsent_bytes(self) -> int:
        return len(self.sent)

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    @property
    def is_closing(self) -> bool:
        return self.closed


class FakeServer:
    """What a connection needs of its broker."""

    def __init__(self, memory: MemoryBroker) -> None:
        self.memory = memory
        self.max_request_bytes = 10 << 20
        self.shared_view = memoryview(bytearray(SHARED_BYTES))
        self.connections: set[Connection] = set()
        self.deferred: list[Connection] = []

    @property
    def node(self) -> Node:
        return self.memory.node

    def now(self) -> Instant:
        return self.memory.now()

    def disconnected(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def defer(self, connection: Connection) -> None:
        self.deferred.append(connection)

    def after_input(self) -> None:
        for parked, chunks in self.node.take_finished():
            owner = parked.owner
            if isinstance(owner, Connection) and owner.parked is parked:
                owner.finished(chunks)

    def turns(self) -> int:
        """Let everybody go on who has to; returns how many turns that took."""
        count = 0
        while self.deferred:
            count += 1
            deferred, self.deferred = self.deferred, []
            for one in deferred:
                one.go_on(self.now())
            self.after_input()
        return count


class Client:
    """The other end of one connection."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.transport = FakeTransport()
        self.queue = bytearray()
        self.connection = Connection(cast("Any", server), cast("Any", self.transport), "/127.0.0.1")
        server.connections.add(self.connection)

    def send(self, data: bytes | bytearray, piece: int = 1 << 30) -> None:
        """Hand bytes to the kernel."""
        self.queue += data
        self.deliver(piece)

    def deliver(self, piece: int = 1 << 30) -> None:
        """Do what the loop does: only while the connection reads, and only what fits its buffer."""
        while self.queue and self.transport.reads and not self.transport.closed:
            buffer = self.connection.get_buffer()
            size = min(len(self.queue), len(buffer), piece)
            assert size > 0
            buffer[:size] = self.queue[:size]
            del self.queue[:size]
            self.connection.buffer_updated(size, self.server.now())
        self.server.after_input()

    def replies(self) -> list[int]:
        """The correlation ids of the whole replies received."""
        found, data = [], bytes(self.transport.sent)
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append(int.from_bytes(data[4:8], "big"))
            data = data[4 + size :]
        return found


@pytest.fixture
def server() -> FakeServer:
    memory = MemoryBroker()
    memory.create("t", 1)
    return FakeServer(memory)


@pytest.fixture
def client(server: FakeServer) -> Client:
    return Client(server)


def metadata(correlation_id: int) -> bytes:
    return bytes(encode_request(MetadataRequest(topics=[]), 5, correlation_id))


def waiting_fetch(correlation_id: int, offset: int = 0) -> bytes:
    return bytes(encode_request(fetch_request("t", offset, max_wait_ms=500), 11, correlation_id))


def big_produce(correlation_id: int, size: int) -> bytes:
    batch = build_batch([Record(0, START_MS, None, b"x" * size)])
    return bytes(encode_request(produce_request("t", batch), 7, correlation_id))


@pytest.mark.parametrize("piece", [1, 3, 7, 50, 1 << 20])
def test_requests_in_pieces_of_any_size(client: Client, piece: int) -> None:
    client.send(b"".join(metadata(number) for number in range(10)), piece)
    assert client.replies() == list(range(10))


def test_replies_keep_the_order_of_the_requests(server: FakeServer, client: Client) -> None:
    client.send(metadata(1) + waiting_fetch(2) + metadata(3) + metadata(4))
    assert client.replies() == [1]
    client.send(metadata(5))
    assert client.replies() == [1]
    Client(server).send(big_produce(9, 10))
    assert client.replies() == [1, 2, 3, 4, 5]


def test_a_large_request_in_pieces(client: Client, server: FakeServer) -> None:
    at_once(server.memory.state.configure_topic("t", {"max.message.bytes": str(9 << 20)}))
    client.send(big_produce(1, 5 << 20) + metadata(2), 100_000)
    client.send(big_produce(3, 5 << 20))
    assert client.replies() == [1, 2, 3]
    assert server.memory.state.partition("t", 0).log_end_offset == 2


def test_a_muted_client_is_read_up_to_a_reserve(server: FakeServer, client: Client) -> None:
    client.send(waiting_fetch(1))
    number = 1
    while client.transport.reads:
        number += 1
        client.send(metadata(number))
    assert number * len(metadata(0)) >= MUTED_RESERVE_BYTES
    Client(server).send(big_produce(9, 10))
    assert server.turns() >= number // REQUESTS_PER_TURN
    assert client.transport.reads
    client.deliver()
    assert client.replies() == list(range(1, number + 1))


def test_who_sends_many_requests_at_once_lets_others_have_their_turn(
    server: FakeServer, client: Client
) -> None:
    client.send(b"".join(metadata(number) for number in range(100)))
    assert len(client.replies()) == REQUESTS_PER_TURN
    other = Client(server)
    other.send(metadata(7))
    assert other.replies() == [7]
    client.send(metadata(100))
    assert len(client.replies()) == REQUESTS_PER_TURN
    assert server.turns() == 100 // REQUESTS_PER_TURN
    assert client.replies() == list(range(101))


def test_one_that_is_gone_has_no_further_turn(server: FakeServer, client: Client) -> None:
    client.send(b"".join(metadata(number) for number in range(100)))
    client.connection.connection_lost()
    assert server.turns() == 1
    assert len(client.replies()) == REQUESTS_PER_TURN


def test_one_that_takes_too_long_to_leave_is_ended(client: Client) -> None:
    client.connection.close()
    client.connection.housekeep(idle_since=-1.0)
    assert not client.transport.aborted
    client.connection.housekeep(idle_since=-1.0)
    assert client.transport.aborted


def test_an_idle_client_that_does_not_read_is_ended(server: FakeServer, client: Client) -> None:
    client.connection.pause_writing()
    server.memory.seconds = 100.0
    client.connection.housekeep(idle_since=50.0)
    assert client.transport.aborted


@pytest.mark.parametrize("ends", [False, True])
def test_what_lies_here_for_slow_readers_is_counted(client: Client, server: FakeServer, ends: bool) -> None:
    client.send(waiting_fetch(1))
    client.connection.pause_writing()
    server.memory.produce("t", b"x" * 1000)
    server.after_input()
    assert server.node.state.unsent_bytes == len(client.transport.sent) > 1000
    if ends:
        client.connection.connection_lost()
    else:
        client.connection.resume_writing()
    assert server.node.state.unsent_bytes == 0


def test_a_client_that_does_not_read_is_not_served(client: Client) -> None:
    client.connection.pause_writing()
    client.send(metadata(1) + metadata(2))
    assert client.replies() == []
    client.connection.resume_writing()
    assert client.replies() == [1, 2]


def test_what_a_slow_reader_asked_for_wakes_others_once_it_reads_again(
    server: FakeServer, client: Client
) -> None:
    waiting = Client(server)
    waiting.send(waiting_fetch(1))
    client.connection.pause_writing()
    client.send(big_produce(1, 10))
    client.connection.resume_writing()
    server.after_input()
    assert (client.replies(), waiting.replies()) == ([1], [1])


@pytest.mark.parametrize("size", [-1, -(1 << 31), (10 << 20) + 1, (1 << 31) - 1])
def test_an_impossible_size_ends_the_connection(client: Client, size: int) -> None:
    client.send(size.to_bytes(4, "big", signed=True) + bytes(100))
    assert client.transport.closed


def test_nothing_is_handled_after_the_end(client: Client) -> None:
    client.send(metadata(1) + b"\0\0\0\x0a\x03\xe7" + bytes(8) + metadata(2))
    assert client.transport.closed
    client.connection.resume_writing()
    assert client.replies() == [1]


def test_memory_follows_what_arrives_not_what_is_announced(client: Client) -> None:
    client.send((9 << 20).to_bytes(4, "big") + bytes(1000))
    assert len(client.connection.get_buffer()) <= TRUSTED_BYTES
    client.send(bytes(3 << 20), 100_000)
    assert len(client.connection.get_buffer()) <= 6 << 20


def test_a_client_that_leaves_is_forgotten(server: FakeServer, client: Client) -> None:
    client.send(waiting_fetch(1))
    client.connection.connection_lost()
    assert server.connections == set()
    assert server.node.state.purgatory.waiting == {}


def test_idle_connections_end_and_waiting_ones_do_not(server: FakeServer, client: Client) -> None:
    waiting = Client(server)
    waiting.send(waiting_fetch(1))
    server.memory.seconds = 100.0
    for one in (client, waiting):
        one.connection.housekeep(idle_since=50.0)
    assert (client.transport.closed, waiting.transport.closed) == (True, False)


def test_an_empty_buffer_is_given_back(client: Client, server: FakeServer) -> None:
    client.send(metadata(1), 10)
    client.connection.housekeep(idle_since=-1.0)
    assert client.connection.get_buffer() is server.shared_view


@pytest.mark.parametrize("commits", [False, True])
def test_after_a_failed_flush_only_a_commit_ends_its_connection(commits: bool) -> None:
    memory = MemoryBroker(tidelock_flush_policy="group")
    memory.create("t", 1)
    server = FakeServer(memory)
    client = Client(server)
    position = OffsetCommitRequestPartition(partition_index=0, committed_offset=0)
    topic = OffsetCommitRequestTopic(name="t", partitions=[position])
    commit = bytes(encode_request(OffsetCommitRequest(group_id="g", topics=[topic]), 8, 1))
    client.send(commit if commits else big_produce(1, 10))
    job = memory.node.begin_flush()
    assert job is not None
    memory.files.fail("sync")
    job.run()
    memory.node.end_flush(job)
    server.after_input()
    assert (client.replies(), client.transport.closed) == (([], True) if commits else ([1], False))
