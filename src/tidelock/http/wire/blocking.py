"""The HTTP/1.1 engine for blocking code: sockets, the same parser, the same rules for idle connections.

The socket does not block; a thread waits in `poll` with the deadline, so that a server that answers before it
has read everything is heard, as under asyncio. A pool may be used from many threads: one lock around the
lists, never held while bytes move. Invariant: a connection is in a pool only while it is idle and healthy;
whoever takes it must end or return it.
"""

from __future__ import annotations

import select
import socket
import ssl as tls
import threading
from collections.abc import Callable

from tidelock.http.deadlines import current_deadline
from tidelock.http.exchange import Failure, Outgoing, Reason, Response
from tidelock.http.wire.idle import (
    Address,
    Outcome,
    bytes_acknowledged,
    connect_failure,
    idle_limit,
    keep_alive,
    no_connection_in_time,
)
from tidelock.http.wire.parser import ParseError, ResponseParser

PIECE = 64 * 1024
"""Bytes read at once; a larger buffer is mapped and unmapped by malloc for every read."""

AGAIN = (BlockingIOError, tls.SSLWantReadError, tls.SSLWantWriteError)


class BlockingConnection:
    """A connection to one instance; used by one thread at a time.

    Attributes:
        closed: it can carry no further request.
        idle_since: monotonic seconds of the last answer.
        keep_alive: seconds for which the server said it keeps an idle connection, if it said so.
    """

    def __init__(self, sock: socket.socket, now: Callable[[], float], secure: bool) -> None:
        self._sock = sock
        self._now = now
        self._secure = secure
        self._parser = ResponseParser()
        self._rest = memoryview(b"")
        self._poll = select.poll()
        self._polled = select.POLLIN
        self._poll.register(sock.fileno(), self._polled)
        self._written = 0
        self._acked_before = 0
        self._why = "the connection broke"
        self.closed = False
        self.idle_since = 0.0
        self.keep_alive: float | None = None

    def exchange(self, request: Outgoing, deadline: float) -> Outcome:
        """Send a request and return what became of it.

        Args:
            request: the whole request.
            deadline: monotonic seconds; the connection is given up then.
        """
        self.begin(request)
        outcome = self.wait(deadline)
        return outcome or self.give_up(Reason.TIMEOUT, "no answer before the deadline")

    def begin(self, request: Outgoing) -> None:
        """Start to send a request."""
        data = request.data
        self._parser.start(request.head, request.stream)
        self._acked_before = self._written
        self._written += len(data)
        self._rest = memoryview(data)
        self._send()

    def wait(self, until: float) -> Outcome | None:
        """Go on sending and reading; None when there is no outcome at that time."""
        while True:
            left = until - self._now()
            if self._is_ready(left):
                outcome = self.advance()
                if outcome is not None:
                    return outcome
            if left <= 0.0:
                return None

    def _is_ready(self, patience: float) -> bool:
        """Wait until there is something to read, or room for what is not out yet."""
        if self._polled != self.interest:
            self._polled = self.interest
            self._poll.modify(self._sock.fileno(), self._polled)
        return bool(self._poll.poll(patience * 1000 + 1 if patience > 0.0 else 0))

    @property
    def interest(self) -> int:
        """What to wait for: `select.POLLIN`, and POLLOUT while the request is not out."""
        return select.POLLIN | select.POLLOUT if self._rest else select.POLLIN

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def advance(self) -> Outcome | None:
        """Do what can be done without waiting; the outcome if there is one now."""
        try:
            if self._rest:
                self._send()
            while not self._parser.complete and not self._parser.streams:
                data = self._sock.recv(PIECE)
                if not data:
                    return self._ended()
                self._parser.feed(data)
            return self._streamed() if self._parser.streams else self._answered()
        except AGAIN:
            return None
        except ParseError as error:
            return self.give_up(Reason.GARBAGE, error.what)
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            shown = self._why if self.closed else f"{self._why} ({error})"
            return self.give_up(Reason.BROKEN, shown)

    def _streamed(self) -> Response:
        """The head of a stream is here; the caller reads on with `read`."""
        return Response(self._parser.status, self._parser.headers, b"", self._now(), stream=self)

    def read(self, until: float) -> bytes | Failure:
        """Return what has come of a stream, b"" at its end, or why there is none."""
        parser = self._parser
        while True:
            data = parser.take()
            if data:
                return data
            if parser.complete:
                if not parser.reusable:
                    self.close()
                self.idle_since = self._now()
                return b""
            try:
                data = self._sock.recv(PIECE)
                if data:
                    parser.feed(data)
                else:
                    self.closed = True
                    parser.eof()
            except AGAIN:
                left = until - self._now()
                if left <= 0.0:
                    return self.give_up(Reason.TIMEOUT, "the stream was silent until the deadline")
                self._is_ready(min(left, 3600.0))
            except ParseError as error:
                return self.give_up(Reason.BROKEN, error.what)
            except (OSError, ValueError) as error:
                return self.give_up(Reason.BROKEN, f"{self._why} ({error})")

    def _send(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[self._sock.send(self._rest) :]
        except AGAIN:
            pass
        except OSError:
            self.closed = True  # what the server said before it ended the connection can still be read

    def _ended(self) -> Outcome:
        parser = self._parser
        if self.closed and self._why != "the connection broke":
            return self.give_up(Reason.BROKEN, self._why)
        self.closed = True
        try:
            parser.eof()
            return self._answered()
        except ParseError as error:
            unsent = not parser.begun and self._nothing_acknowledged()
            what = "the connection ended before the answer" if not parser.begun else error.what
            return self.give_up(Reason.BROKEN, what, sent=not unsent)

    def _answered(self) -> Response:
        parser = self._parser
        self.idle_since = self._now()
        response = Response(parser.status, parser.headers, parser.body, self.idle_since)
        if parser.reusable and not self.closed and not self._rest:
            self.keep_alive = keep_alive(response)
        else:
            self.close()
        return response

    def give_up(self, reason: Reason, detail: str, *, sent: bool = True) -> Failure:
        """End the connection and say why."""
        self.close()
        return Failure(reason, detail, sent, self._now())

    def is_stale(self) -> bool:
        """Whether the other side has sent or ended something while the connection was idle."""
        return self._is_ready(0.0)

    def close(self) -> None:
        """End the connection now."""
        self.closed = True
        self._rest = memoryview(b"")
        self._sock.close()

    def abandon(self, why: str) -> None:
        """End the connection from another thread; an exchange under way ends as broken."""
        self._why = why
        self.closed = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._why = why  # it had ended by itself

    def _nothing_acknowledged(self) -> bool:
        if self._secure:
            return False
        acked = bytes_acknowledged(self._sock.fileno())
        return acked is not None and acked <= self._acked_before + 1


class BlockingPools:
    """All connections of one blocking client.

    Args:
        now: monotonic seconds.
        context: makes the TLS context when the first secure instance is called.
    """

    def __init__(self, now: Callable[[], float], context: Callable[[], tls.SSLContext]) -> None:
        self._now = now
        self._context = context
        self._lock = threading.Lock()
        self._idle: dict[Address, list[BlockingConnection]] = {}
        self._busy: set[BlockingConnection] = set()
        self._swept_at = 0.0
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(len(connections) for connections in self._idle.values())

    @property
    def busy(self) -> int:
        """Connections with a request under way."""
        return len(self._busy)

    def exchange(
        self, address: Address, request: Outgoing, deadline: float, connect_timeout: float
    ) -> Outcome:
        """Send a request to an address and return what became of it.

        Args:
            address: where to.
            request: the whole request.
            deadline: monotonic seconds.
            connect_timeout: seconds for a new connection.
        """
        connection = self.take(address, deadline, connect_timeout)
        if isinstance(connection, Failure):
            return connection
        outcome: Outcome | None = None
        try:
            outcome = connection.exchange(request, deadline)
            if isinstance(outcome, Response) and outcome.stream is not None:
                outcome.stream = BlockingBody(self, address, connection)
            return outcome
        except BaseException:
            connection.close()  # KeyboardInterrupt in the middle
            raise
        finally:
            if not isinstance(outcome, Response) or outcome.stream is None:
                self.give_back(address, connection)

    def take(self, address: Address, deadline: float, connect_timeout: float) -> BlockingConnection | Failure:
        """Return a connection that is an idle one or new; it must be given back."""
        now = self._now()
        with self._lock:
            connections = self._idle.get(address)
            while connections:
                connection = connections.pop()
                fresh = now - connection.idle_since < idle_limit(connection.keep_alive)
                if fresh and not connection.is_stale():
                    self._busy.add(connection)
                    return connection
                connection.close()
        made = self._connect(address, min(deadline - now, connect_timeout), connect_timeout)
        if isinstance(made, BlockingConnection):
            with self._lock:
                self._busy.add(made)
        return made

    def give_back(self, address: Address, connection: BlockingConnection) -> None:
        """Keep a connection for the next request, unless it is closed."""
        with self._lock:
            self._busy.discard(connection)
            if self._closed:
                connection.close()
            if not connection.closed:
                self._idle.setdefault(address, []).append(connection)
                self._sweep(connection.idle_since)

    def close(self) -> None:
        """End all connections; exchanges under way end as broken."""
        with self._lock:
            self._closed = True
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()
            for connection in self._busy:
                connection.abandon("the client was closed")

    def _sweep(self, now: float) -> None:
        """End what has idled too long; there is no timer, so it is done while the client is used."""
        if now < self._swept_at + 1.0:
            return
        self._swept_at = now
        for address, connections in list(self._idle.items()):
            for connection in list(connections):
                if now - connection.idle_since >= idle_limit(connection.keep_alive):
                    connections.remove(connection)
                    connection.close()
            if not connections:
                del self._idle[address]

    def _connect(self, address: Address, patience: float, limit: float) -> BlockingConnection | Failure:
        host, port, secure = address
        begun = self._now()
        if patience <= 0.0:
            return no_connection_in_time(0.0, limit, begun)
        sock: socket.socket | None = None
        try:
            sock = _connected(host, port, patience)
            if secure:
                sock.settimeout(max(patience - (self._now() - begun), 0.001))
                sock = self._context().wrap_socket(sock, server_hostname=host)
            sock.setblocking(False)
            return BlockingConnection(sock, self._now, secure)
        except (OSError, ExceptionGroup) as error:
            if sock is not None:
                sock.close()
            if _is_timeout(error):
                return no_connection_in_time(patience, limit, self._now())
            return connect_failure(error, self._now())


def _connected(host: str, port: int, patience: float) -> socket.socket:
    """Connect by TCP, or to a Unix domain socket when the host is a path."""
    if not host.startswith("/"):
        sock = socket.create_connection((host, port), patience, all_errors=True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(patience)
        sock.connect(host)
    except OSError:
        sock.close()
        raise
    return sock


class BlockingBody:
    """The body of an answer that is read while it arrives; one reader."""

    def __init__(self, pools: BlockingPools, address: Address, connection: BlockingConnection) -> None:
        self._pools = pools
        self._address = address
        self._connection: BlockingConnection | None = connection
        self._last: bytes | Failure = b""

    def read(self) -> bytes | Failure:
        """Return what has arrived, b"" at the end, or why there is no end; heeds the current deadline."""
        connection = self._connection
        if connection is None:
            return self._last
        data = connection.read(current_deadline())
        if not data or isinstance(data, Failure):
            self._last = data
            self._leave(connection)
        return data

    def close(self) -> None:
        """Give up what has not arrived yet; harmless after the end."""
        connection = self._connection
        if connection is not None:
            connection.close()
            self._leave(connection)

    def _leave(self, connection: BlockingConnection) -> None:
        self._connection = None
        self._pools.give_back(self._address, connection)


def _is_timeout(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_timeout(each) for each in error.exceptions)
    return isinstance(error, TimeoutError)
