"""The clients' sockets: all of a broker in one selector, which the event loop watches as a single file.

asyncio's own transports cost a small request more than the broker's work on it: a callback object, a context
switch and five method calls per piece received. Here a turn takes what the selector has, reads, and has the
connection handle it at once; `after_turn` then sees what all of them together have finished.

Decides nothing about bytes: `Connection`, its receiver, does. Imports nothing of the house but `Instant`.

Source: Kafka `org.apache.kafka.common.network.Selector` and `KafkaChannel`; asyncio `selector_events`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from tidelock.broker.instant import Instant

log = logging.getLogger(__name__)

A = TypeVar("A")
DEFECT = "a connection ends: its request could not be handled"
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
# With more unsent than the one, a connection is told to pause; with no more than the other, to go on. Bytes.
HIGH_WATER, LOW_WATER = 1 << 16, 1 << 14
# A reply below this waits for the end of its turn. Bytes.
HELD_BELOW_BYTES = 1 << 15
# Held replies leave earlier, after so many sockets or received bytes: about 1 ms of work.
HELD_FOR_SOCKETS, HELD_FOR_BYTES = 32, 1 << 18
# Connections that wait to be accepted, and how many of them one turn takes: all at once would keep every
# other client waiting, 0.2 ms each.
BACKLOG, ACCEPTED_PER_TURN = 1024, 8
# No descriptors left: how long until the next attempt to accept; seconds.
ACCEPT_PAUSE = 1.0
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Receiver(Protocol):
    """What a transport serves: a `Connection`."""

    def get_buffer(self) -> memoryview:
        """Where the next bytes go; never empty while the transport reads."""

    def buffer_updated(self, nbytes: int, now: Instant) -> None:
        """That many have come."""

    def pause_writing(self) -> None:
        """The peer takes less than is written."""

    def resume_writing(self) -> None:
        """It has caught up."""

    def go_on(self, now: Instant) -> None:
        """The turn that `Sockets.defer` asked for has come."""

    def connection_lost(self) -> None:
        """Nothing will be received or sent any more; called once."""


class Transport:
    """One client's socket: reads when it may, sends what it can at once and the rest when the peer takes it.

    Everything the peer does to it ends in `connection_lost`, nothing is raised.
    """

    __slots__ = (
        "_closing",
        "_connection",
        "_ended",
        "_held",
        "_interest",
        "_recv_into",
        "_send",
        "_sockets",
        "_unsent",
        "sock",
    )

    def __init__(self, sockets: Sockets, sock: socket.socket) -> None:
        self._sockets = sockets
        self.sock = sock
        self._recv_into, self._send = sock.recv_into, sock.send
        self._unsent: deque[memoryview] = deque()
        self._held: bytes | bytearray | memoryview = b""
        self._interest = 0
        self._closing = self._ended = False
        self._connection: Receiver

    def start(self, connection: Receiver) -> None:
        """Begin to read."""
        self._connection = connection
        self.resume_reading()

    def ready(self, events: int, now: Instant) -> int:
        """The selector says so; returns how many bytes have come.

        Events that were collected before the end of a socket come to nothing.
        """
        nbytes = 0
        try:
            if events & READ and self._interest & READ:
                nbytes = self._receive(now)
            if events & WRITE and self._interest & WRITE:
                self._send_rest()
        except Exception:  # see guarded
            log.exception(DEFECT)
            self.abort()
        return nbytes

    def _receive(self, now: Instant) -> int:
        connection = self._connection
        try:
            nbytes = self._recv_into(connection.get_buffer())
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.abort()
            return 0
        if nbytes:
            connection.buffer_updated(nbytes, now)
        else:
            self.close()  # a client that sends no more has nobody waiting for replies
        return nbytes

    def guarded(self, act: Callable[[A], None], argument: A) -> None:
        """Do something for this client; whatever it meets, nobody else loses anything by it."""
        try:
            act(argument)
        except Exception:
            log.exception(DEFECT)
            self.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what the peer does not take now is kept as it is, so `data` must not change afterwards.

        A small reply leaves when its turn ends: sent one by one between requests, each wakes a client that
        has gone back to sleep since the last. A second one takes the first along.
        """
        if self._closing:
            return
        is_small = len(data) < HELD_BELOW_BYTES
        if is_small and not self._held and not self._unsent and self._sockets.holding is not None:
            self._held = data
            self._sockets.holding.append(self)
            return
        if self._held:
            if is_small:
                data = b"".join((self._held, data))
                self._held = b""
            else:
                self.release()
        if self._unsent:
            self._unsent.append(memoryview(data))
            self._mind_water()
        else:
            self._write(data)

    def release(self) -> None:
        """Send what was held."""
        data, self._held = self._held, b""
        if data:
            self._write(data)

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self._ended:
            return
        try:
            sent = self._send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.abort()
            return
        if sent != len(data):
            self._unsent.append(memoryview(data)[sent:])
            self._watch(self._interest | WRITE)
            self._mind_water()

    def _mind_water(self) -> None:
        if self.unsent_bytes > HIGH_WATER:
            self._connection.pause_writing()

    def _send_rest(self) -> None:
        unsent = self._unsent
        try:
            while unsent:
                data = unsent[0]
                sent = self._send(data)
                if sent != len(data):
                    unsent[0] = data[sent:]
                    break
                unsent.popleft()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.abort()
            return
        if not unsent:
            self._watch(self._interest & ~WRITE)
        if self.unsent_bytes <= LOW_WATER:
            self._connection.resume_writing()
        if self._closing and not unsent:
            self.abort()

    @property
    def unsent_bytes(self) -> int:
        """What was written and the peer has not taken."""
        return sum(map(len, self._unsent))

    @property
    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called, or the peer is gone."""
        return self._closing

    def pause_reading(self) -> None:
        """Leave the rest to the kernel."""
        self._watch(self._interest & ~READ)

    def resume_reading(self) -> None:
        """Read again."""
        if not self._closing:
            self._watch(self._interest | READ)

    def close(self) -> None:
        """Send what was written, then end."""
        if self._closing:
            return
        self._closing = True
        self.release()
        self._watch(self._interest & ~READ)
        if not self._unsent:
            self._end()

    def abort(self) -> None:
        """End now; what was not sent is lost."""
        self._closing = True
        self._held = b""
        self._unsent.clear()
        self._end()

    def _end(self) -> None:
        self._watch(0)
        if not self._ended:
            self._ended = True
            self._sockets.lose(self)

    def lost(self) -> None:
        """Close the socket and tell the connection."""
        self.sock.close()
        self._connection.connection_lost()

    def _watch(self, interest: int) -> None:
        if interest != self._interest:
            self._sockets.watch(self.sock, self, self._interest, interest)
            self._interest = interest  # only now: where the selector refuses, nothing is watched


class Sockets:
    """A listening socket and all that were accepted from it.

    Args:
        sock: bound; listens from `start` on.
        accepted: makes the connection of a new client from its transport and its peer's address.
        after_turn: called when a turn has handled what was there.
        now: reads both clocks, once per turn.

    Attributes:
        holding: during a turn, the transports that hold a reply until its end.
    """

    def __init__(
        self,
        sock: socket.socket,
        accepted: Callable[[Transport, str], Receiver],
        after_turn: Callable[[], None],
        now: Callable[[], Instant],
    ) -> None:
        self._listening: socket.socket | None = sock
        self._accepted = accepted
        self._after_turn = after_turn
        self._now = now
        self._selector = selectors.DefaultSelector()
        self._lost: list[Transport] = []
        self._deferred: list[tuple[Transport, Receiver]] = []
        self.holding: list[Transport] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen, in the running loop."""
        assert self._listening is not None
        self._loop = asyncio.get_running_loop()
        self._listening.setblocking(False)
        self._listening.listen(BACKLOG)
        self._selector.register(self._listening, READ, self)
        self._loop.add_reader(self._descriptor, self._turn)

    @property
    def _descriptor(self) -> int:
        return self._selector.fileno()

    def stop_listening(self) -> None:
        """Take no more clients; those there are stay."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        listening, self._listening = self._listening, None
        if listening is not None:
            if listening.fileno() in self._selector.get_map():
                self._selector.unregister(listening)
            listening.close()

    def close(self) -> None:
        """Forget all sockets; their transports must have ended."""
        self.stop_listening()
        self._loop.remove_reader(self._descriptor)
        self._selector.close()

    def watch(self, sock: socket.socket, transport: Transport, before: int, wanted: int) -> None:
        """Change what a transport waits for."""
        if not before:
            self._selector.register(sock, wanted, transport)
        elif wanted:
            self._selector.modify(sock, wanted, transport)
        else:
            self._selector.unregister(sock)

    def lose(self, transport: Transport) -> None:
        """End a transport once nobody is in the middle of using it."""
        if not self._lost:
            self._loop.call_soon(self._lose_all)
        self._lost.append(transport)

    def _lose_all(self) -> None:
        lost, self._lost = self._lost, []
        for transport in lost:
            transport.lost()

    def defer(self, transport: Transport, receiver: Receiver) -> None:
        """Give a receiver, which has more to do than others should wait for, another turn at once."""
        if not self._deferred:
            self._loop.call_soon(self._turn)
        self._deferred.append((transport, receiver))

    def _turn(self) -> None:
        now = self._now()
        self.holding = []
        deferred, self._deferred = self._deferred, []
        for transport, receiver in deferred:
            transport.guarded(receiver.go_on, now)
        count = nbytes = 0
        for key, events in self._selector.select(0):
            count += 1
            nbytes += key.data.ready(events, now)
            if count >= HELD_FOR_SOCKETS or nbytes >= HELD_FOR_BYTES:
                count = nbytes = 0
                self._release()
                self.holding = []
        try:
            self._after_turn()
        finally:
            self._release()

    def _release(self) -> None:
        holding, self.holding = self.holding, None
        for transport in holding or ():
            transport.release()

    def ready(self, events: int, now: Instant) -> int:
        """Clients wait to be accepted; what one of them has wrong is nobody else's trouble."""
        for _ in range(ACCEPTED_PER_TURN):
            if self._listening is None:
                break
            try:
                sock, address = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno in EXHAUSTED:
                    log.error("no client can be accepted: %s", error.strerror)
                    self._selector.unregister(self._listening)
                    self._retry = self._loop.call_later(ACCEPT_PAUSE, self._listen_again)
                    break
                log.debug("a client was gone before it was accepted: %s", error)
                continue
            self._accept(sock, f"/{address[0]}" if address else "/")
        return 0

    def _accept(self, sock: socket.socket, host: str) -> None:
        try:
            sock.setblocking(False)
            # The end of a large reply would otherwise wait 40 ms for the client's delayed acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            log.debug("a client was gone before it was accepted: %s", error)
            sock.close()
            return
        transport = Transport(self, sock)
        connection = self._accepted(transport, host)
        try:
            transport.start(connection)
        except OSError as error:  # the selector has no room for it
            log.error("a client cannot be served: %s", error.strerror)
            transport.abort()

    def _listen_again(self) -> None:
        self._retry = None
        if self._listening is not None:
            self._selector.register(self._listening, READ, self)
