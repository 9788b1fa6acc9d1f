"""One client connection: bytes to frames, frames to the node, replies back in the order of the requests.

Requests are parsed where the kernel put them. While nothing is left over, all connections of a broker
receive into one shared buffer; a request that arrives in pieces gets a buffer of its own, which grows with
what has really arrived, not with what the size field claims. While a request is parked, or the client does
not read its replies, no further request of this connection is looked at, and beyond a small reserve none is
received: a slow client costs itself only.

Source: Kafka `SocketServer.Processor` (muted channels), `NetworkReceive`.
"""

from __future__ import annotations

import logging
from mmap import mmap
from struct import Struct
from typing import TYPE_CHECKING

from tidelock.broker.instant import Instant
from tidelock.broker.purgatory import Parked
from tidelock.broker.sockets import Transport
from tidelock.broker.state import Chunks
from tidelock.errors import RemoteProtocolError

if TYPE_CHECKING:
    from tidelock.broker.server import Broker

log = logging.getLogger(__name__)

SHARED_BYTES = 1 << 20
FIRST_OWN_BYTES = 1 << 16
# A declared size up to this is trusted at once; beyond it a buffer doubles as bytes arrive.
TRUSTED_BYTES = 2 << 20
# What a muted connection may still receive, so that a client's end is noticed.
MUTED_RESERVE_BYTES = 1 << 16
JOIN_BELOW_BYTES = 1 << 15
# How many requests of one connection are handled before others have their turn.
REQUESTS_PER_TURN = 32

_size = Struct(">i").unpack_from


class Connection:
    """One accepted connection; `transport` calls its first group of methods."""

    __slots__ = (
        "_broker",
        "_buffer",
        "_closing",
        "_end",
        "_is_deferred",
        "_last_used",
        "_lingers",
        "_paused_reading",
        "_start",
        "_unsent",
        "_view",
        "_writable",
        "host",
        "parked",
        "transport",
    )

    def __init__(self, broker: Broker, transport: Transport, host: str) -> None:
        self._broker = broker
        self.transport: Transport | None = transport
        self.parked: Parked | None = None
        self.host = host
        # Bytes not yet handled lie in _buffer[_start:_end]; no buffer of its own = nothing left over.
        self._buffer: mmap | None = None
        self._view = memoryview(b"")
        self._start = self._end = 0
        self._paused_reading = False
        self._writable = True
        self._unsent = 0
        self._closing = self._lingers = self._is_deferred = False
        self._last_used = broker.now().monotonic

    # -- what its transport tells -------------------------------------------------------------------

    def connection_lost(self) -> None:
        """The client is gone."""
        self._count_unsent(0)
        self.transport = None
        self._closing = True
        self._drop_buffer()
        if self.parked is not None:
            self._broker.node.forget(self.parked)
            self.parked = None
        self._broker.disconnected(self)

    def get_buffer(self) -> memoryview:
        """Where the kernel puts the next bytes."""
        if self._buffer is None:
            return self._broker.shared_view
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int, now: Instant) -> None:
        """Bytes have arrived: handle every whole request among them."""
        self._last_used = now.monotonic
        if self._buffer is None:
            view = self._broker.shared_view
            used = self._requests(view, 0, nbytes, now)
            if used < nbytes:
                self._keep_rest(view, used, nbytes)
        else:
            self._end += nbytes
            self._handle_own(now)

    def pause_writing(self) -> None:
        """The client does not read its replies: leave its further requests alone."""
        self._writable = False

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable = True
        self._count_unsent(0)
        self.go_on(self._broker.now())

    # -- requests -----------------------------------------------------------------------------------

    def _keep_rest(self, view: memoryview, used: int, nbytes: int) -> None:
        """Move what is left over to a buffer of the connection's own."""
        if self._closing:
            return
        left = nbytes - used
        self._buffer = mmap(-1, self._capacity(view, used, left))
        self._view = memoryview(self._buffer)
        self._view[:left] = view[used:nbytes]
        self._start, self._end = 0, left
        self._regulate()

    def _handle_own(self, now: Instant) -> None:
        self._start = self._requests(self._view, self._start, self._end, now)
        if self._closing:
            return
        if self._start == self._end and not self._is_muted:
            self._start = self._end = 0
            if len(self._view) > TRUSTED_BYTES:
                self._drop_buffer()
        elif self._end == len(self._view) or self._start > len(self._view) // 2:
            self._make_room()
        self._regulate()

    def _requests(self, view: memoryview, pos: int, end: int, now: Instant) -> int:
        """Handle the whole requests in view[pos:end]; returns where the rest begins."""
        handle, most = self._broker.node.handle, self._broker.max_request_bytes
        left = REQUESTS_PER_TURN
        while end - pos >= 4 and not self._is_muted:
            (size,) = _size(view, pos)
            if size < 0 or size > most:
                self._give_up(f"a request says it has {size} bytes")
                return end
            stop = pos + 4 + size
            if stop > end:
                break
            if not left:
                self._defer()
                break
            left -= 1
            try:
                reply = handle(view[pos + 4 : stop], self.host, now)
            except RemoteProtocolError as error:
                self._give_up(error.what)
                return end
            pos = stop
            if reply.__class__ is list:
                self.send(reply)
            elif reply is not None:
                self.parked = reply  # type: ignore[assignment]  # neither chunks nor None
                reply.owner = self  # type: ignore[union-attr]  # see above
        return pos

    def _defer(self) -> None:
        """Let others have a turn: so many requests without waiting for a reply come from no usual client."""
        if not self._is_deferred:
            self._is_deferred = True
            self._broker.defer(self)

    def go_on(self, now: Instant) -> None:
        """Go on with what was deferred."""
        self._is_deferred = False
        if self._buffer is not None and not self._is_muted:
            self._handle_own(now)

    @property
    def _is_muted(self) -> bool:
        return self.parked is not None or not self._writable or self._closing or self._is_deferred

    def finished(self, chunks: Chunks) -> None:
        """The parked request has its reply; go on with what has arrived meanwhile."""
        self.parked = None
        if not chunks:
            self._give_up("its records could not be made durable")
            return
        self.send(chunks)
        self.go_on(self._broker.now())

    def send(self, chunks: Chunks) -> None:
        """Write a reply."""
        transport = self.transport
        if transport is None or transport.is_closing:  # its peer is gone
            return
        if len(chunks) == 1:
            transport.write(chunks[0])
        elif sum(map(len, chunks)) < JOIN_BELOW_BYTES:
            transport.write(b"".join(chunks))
        else:
            for chunk in chunks:
                transport.write(chunk)
        if not self._writable:
            self._count_unsent(transport.unsent_bytes)

    def _count_unsent(self, size: int) -> None:
        """Tell how much of a reply lies here for a client that reads slowly."""
        self._broker.node.state.unsent_bytes += size - self._unsent
        self._unsent = size

    def _give_up(self, reason: str) -> None:
        log.debug("a connection ends: %s", reason, extra={"client": self.host})
        self.close()

    def close(self) -> None:
        """End the connection; what was written is still sent, nothing more is handled."""
        if self.transport is not None and not self._closing:
            self._closing = True
            self.transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    # -- memory -------------------------------------------------------------------------------------

    def _capacity(self, view: memoryview, start: int, left: int) -> int:
        """How large a buffer the request that begins at `start` needs; `left` bytes of it are there."""
        wanted = 4 + _size(view, start)[0] if left >= 4 else 0
        if wanted > TRUSTED_BYTES:
            wanted = min(wanted, max(2 * left, TRUSTED_BYTES))
        return max(wanted, FIRST_OWN_BYTES, left + 1)

    def _make_room(self) -> None:
        left = self._end - self._start
        capacity = self._capacity(self._view, self._start, left)
        if capacity > len(self._view):
            grown = mmap(-1, capacity)
            view = memoryview(grown)
            view[:left] = self._view[self._start : self._end]
            self._buffer, self._view = grown, view
        else:
            self._view[:left] = bytes(self._view[self._start : self._end])
        self._start, self._end = 0, left

    def _drop_buffer(self) -> None:
        self._buffer = None
        self._view = memoryview(b"")
        self._start = self._end = 0

    def housekeep(self, idle_since: float) -> None:
        """Give back a buffer that holds nothing; end a connection that was silent since `idle_since`.

        One that takes too long to leave, because its client does not read, is ended as well.
        """
        if self.parked is None and self._last_used < idle_since:
            log.debug("a connection ends: it was idle", extra={"client": self.host})
            self.abort()
        elif self.transport is not None and self.transport.is_closing:
            if self._lingers:
                self.abort()
            self._lingers = True
        elif self._buffer is not None and self._start == self._end:
            self._drop_buffer()

    def _regulate(self) -> None:
        """Stop receiving while muted and the reserve is used up; start again otherwise."""
        transport = self.transport
        if transport is None or self._closing:
            return
        full = self._is_muted and self._end - self._start >= MUTED_RESERVE_BYTES
        if full and not self._paused_reading:
            transport.pause_reading()
            self._paused_reading = True
        elif self._paused_reading and not full:
            transport.resume_reading()
            self._paused_reading = False
