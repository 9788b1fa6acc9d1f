"""A client's socket without one: what is sent when, what is kept, how it ends, whom a defect costs what."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tidelock.broker.instant import Instant
from tidelock.broker.sockets import HELD_BELOW_BYTES, HIGH_WATER, READ, WRITE, Sockets, Transport

NOW = Instant(1.0, 1_000)


class FakeSocket:
    """Takes as much as it has room for; gives what was put in."""

    def __init__(self) -> None:
        self.incoming: list[bytes | OSError] = []
        self.sent: list[bytes] = []
        self.room = 1 << 30
        self.broken = False
        self.is_closed = False

    def recv_into(self, buffer: memoryview) -> int:
        if not self.incoming:
            raise BlockingIOError
        data = self.incoming.pop(0)
        if isinstance(data, OSError):
            raise data
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        if self.broken:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.sent.append(taken)
        return len(taken)

    def close(self) -> None:
        self.is_closed = True


class FakeSockets:
    """What a transport needs of its owner."""

    def __init__(self) -> None:
        self.holding: list[Transport] | None = None
        self.interest = 0
        self.lost: list[Transport] = []

    def watch(self, sock: Any, transport: Transport, before: int, wanted: int) -> None:
        assert before == self.interest
        self.interest = wanted

    def lose(self, transport: Transport) -> None:
        self.lost.append(transport)


class FakeConnection:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1000))
        self.received = b""
        self.told: list[str] = []
        self.defect: Exception | None = None

    def get_buffer(self) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int, now: Instant) -> None:
        assert now is NOW
        if self.defect is not None:
            raise self.defect
        self.received += self.buffer[:nbytes]

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def go_on(self, now: Instant) -> None:
        raise AssertionError("nobody has deferred anything")

    def connection_lost(self) -> None:
        self.told.append("lost")


class Client:
    """One transport with all that it touches."""

    def __init__(self) -> None:
        self.sock = FakeSocket()
        self.sockets = FakeSockets()
        self.connection = FakeConnection()
        self.transport = Transport(cast("Sockets", self.sockets), cast("Any", self.sock))
        self.transport.start(self.connection)

    def turn(self, events: int) -> None:
        self.transport.ready(events, NOW)

    def end_turn(self) -> None:
        holding, self.sockets.holding = self.sockets.holding, None
        for one in holding or ():
            one.release()


@pytest.fixture
def client() -> Client:
    return Client()


def test_what_arrives_is_handed_on(client: Client) -> None:
    client.sock.incoming = [b"abc", b"def"]
    client.turn(READ)
    client.turn(READ)
    client.turn(READ)  # nothing there: the selector was wrong, or somebody was quicker
    assert client.connection.received == b"abcdef"
    assert not client.transport.is_closing


def test_replies_of_a_turn_leave_at_its_end_in_order(client: Client) -> None:
    client.sockets.holding = []
    client.transport.write(b"a")
    assert client.sock.sent == []
    client.transport.write(b"b")
    client.transport.write(b"c")
    client.end_turn()
    assert client.sock.sent == [b"ab", b"c"]


@pytest.mark.parametrize("before", [b"", b"a"])
def test_a_large_reply_does_not_wait_nor_does_what_comes_before_it(client: Client, before: bytes) -> None:
    client.sockets.holding = []
    if before:
        client.transport.write(before)
    client.transport.write(bytes(HELD_BELOW_BYTES))
    assert b"".join(client.sock.sent) == before + bytes(HELD_BELOW_BYTES)
    count = len(client.sock.sent)
    client.end_turn()
    assert len(client.sock.sent) == count


def test_outside_of_a_turn_everything_leaves_at_once(client: Client) -> None:
    client.transport.write(b"a")
    assert client.sock.sent == [b"a"]


def test_what_a_peer_does_not_take_is_sent_later_in_order(client: Client) -> None:
    client.sock.room = 3
    client.transport.write(b"abcde")
    client.transport.write(b"fgh")
    assert (client.transport.unsent_bytes, client.sockets.interest) == (5, READ | WRITE)
    client.sock.room = 4
    client.turn(WRITE)
    assert client.sockets.interest == READ | WRITE
    client.sock.room = 100
    client.turn(WRITE)
    assert b"".join(client.sock.sent) == b"abcdefgh"
    assert (client.transport.unsent_bytes, client.sockets.interest) == (0, READ)


def test_a_slow_reader_is_told_of_and_told_when_it_goes_on(client: Client) -> None:
    client.sock.room = 0
    client.transport.write(bytes(HIGH_WATER))
    assert client.connection.told == []
    client.transport.write(b"x")
    assert client.connection.told == ["pause"]
    client.sock.room = HIGH_WATER
    client.turn(WRITE)
    assert client.connection.told == ["pause", "resume"]


def test_close_sends_what_was_written_first(client: Client) -> None:
    client.sock.room = 2
    client.sockets.holding = []
    client.transport.write(b"abc")
    client.transport.close()
    assert (client.sock.sent, client.sockets.lost, client.sockets.interest) == ([b"ab"], [], WRITE)
    client.sock.room = 10
    client.turn(WRITE)
    assert (client.sock.sent, client.sockets.lost) == ([b"ab", b"c"], [client.transport])
    assert client.sockets.interest == 0


def test_abort_sends_nothing_more(client: Client) -> None:
    client.sockets.holding = []
    client.transport.write(b"abc")
    client.transport.abort()
    client.end_turn()
    assert (client.sock.sent, client.sockets.lost, client.sockets.interest) == ([], [client.transport], 0)


def test_after_a_failure_nothing_more_is_sent_or_watched(client: Client) -> None:
    client.sock.broken = True
    client.transport.write(b"abc")
    client.sock.broken, client.sock.room = False, 1
    client.transport.write(b"def")
    assert (client.sock.sent, client.sockets.interest) == ([], 0)


@pytest.mark.parametrize("how", ["end of stream", "reset while reading", "reset while writing"])
def test_a_peer_that_leaves_ends_it_once(client: Client, how: str) -> None:
    if how == "reset while writing":
        client.sock.broken = True
        client.transport.write(b"abc")
    else:
        client.sock.incoming = [b"" if how == "end of stream" else ConnectionResetError()]
        client.turn(READ)
    assert client.transport.is_closing
    client.transport.close()
    client.transport.abort()
    client.transport.resume_reading()
    assert (client.sockets.lost, client.sockets.interest) == ([client.transport], 0)
    client.transport.lost()
    assert (client.sock.is_closed, client.connection.told) == (True, ["lost"])


def test_pausing_leaves_bytes_to_the_kernel(client: Client) -> None:
    client.transport.pause_reading()
    client.sock.incoming = [b"abc"]
    client.turn(READ)
    assert (client.connection.received, client.sockets.interest) == (b"", 0)
    client.transport.resume_reading()
    client.turn(READ)
    assert client.connection.received == b"abc"


def test_a_defect_ends_one_connection_and_is_told(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.sock.incoming = [b"abc"]
    client.connection.defect = ZeroDivisionError("a defect")
    client.turn(READ)
    assert client.sockets.lost == [client.transport]
    assert "could not be handled" in caplog.text


def test_one_that_was_refused_at_once_is_never_read() -> None:
    sockets, sock, connection = FakeSockets(), FakeSocket(), FakeConnection()
    transport = Transport(cast("Sockets", sockets), cast("Any", sock))
    transport.close()
    transport.start(connection)
    assert (sockets.interest, sockets.lost) == (0, [transport])
