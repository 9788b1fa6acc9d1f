"""One HTTP/1.1 connection as an asyncio Protocol: one request at a time, its answer or why there is none.

`exchange` never raises; its future resolves to a Response or a Failure, so that nothing is left unretrieved
when a caller goes away. The parser decides what an answer is; here are the bytes, the timer and the
evidence about what was sent. A request counts as unsent only on proof: the other side ended the connection
in order (FIN), not one byte of the answer had come, and the kernel says that not one byte of the request
was acknowledged before that FIN. A reset proves nothing, and neither does anything under TLS: those count
as sent.

Source: RFC 9112, 9.3.1 (retrying requests); Linux tcp(7), `TCP_INFO`.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

from tidelock.http.exchange import Failure, Outgoing, Reason, Response
from tidelock.http.wire.body import Body
from tidelock.http.wire.idle import Address, Outcome, bytes_acknowledged, keep_alive
from tidelock.http.wire.parser import ParseError, ResponseParser


class Connection(asyncio.Protocol):
    """A connection to one instance; owned by its pool.

    Args:
        loop: the running loop.
        now: monotonic seconds.
        address: where to.
        released: called when the connection is free for the next request.

    Attributes:
        address: as given.
        closed: it can carry no further request.
        idle_since: monotonic seconds of the last answer.
        keep_alive: seconds for which the server said it keeps an idle connection, if it said so.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        address: Address,
        released: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._now = now
        self.address = address
        self._released = released
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Outcome] | None = None
        self._sink: Body | None = None
        self._deadline = 0.0
        self._head = Response(0, [], b"")
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._written = 0
        self._acked_before = 0
        self.closed = False
        self.idle_since = 0.0
        self.keep_alive: float | None = None

    # what the pool calls

    def exchange(self, request: Outgoing, deadline: float, now: float) -> asyncio.Future[Outcome]:
        """Send a request; the future resolves with what became of it.

        Args:
            request: the whole request.
            deadline: monotonic seconds; the connection is given up then.
            now: monotonic seconds.
        """
        waiter = self._waiter = self._loop.create_future()
        data = request.data
        self._parser.start(request.head, request.stream)
        self._deadline = deadline
        if self._timer is None or self._timer_at > deadline:
            self._arm(deadline, now)
        self._acked_before = self._written
        self._written += len(data)
        if self._transport is None or self.closed:
            self._fail(Reason.BROKEN, "the connection had ended", sent=False)
        else:
            self._transport.write(data)
        return waiter

    def is_stale(self) -> bool:
        """Whether the other side has sent or ended something while the connection was idle."""
        if self.closed or self._transport is None or self._transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """End the connection now; an exchange under way is given up without an outcome."""
        self.closed = True
        self._waiter = None
        if self._sink is not None:
            self._sink = None
            self._released(self)  # a stream was given up: the pool forgets the connection
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def abandon(self, why: str) -> None:
        """End the connection; an exchange under way ends as broken."""
        self._fail(Reason.BROKEN, why, sent=True)

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._waiter is None and self._sink is None:
            self.close()  # nobody asked; whatever it is, it must not become the next answer
            return
        try:
            self._parser.feed(data)
            if self._parser.streams:
                self._streamed()
            elif self._parser.complete:
                self._answered()
        except ParseError as error:
            self._fail(Reason.GARBAGE, error.what, sent=True)

    def eof_received(self) -> bool:
        """See asyncio.Protocol; False lets the transport close."""
        if self._waiter is not None or self._sink is not None:
            parser = self._parser
            try:
                parser.eof()
                self._streamed() if parser.streams else self._answered()
            except ParseError as error:
                unsent = not parser.begun and self._nothing_acknowledged()
                what = "the connection ended before the answer" if not parser.begun else error.what
                self._fail(Reason.BROKEN, what, sent=not unsent)
        self.closed = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.closed = True
        if self._waiter is not None or self._sink is not None:
            self._fail(
                Reason.BROKEN, f"the connection broke ({exc})" if exc else "the connection broke", sent=True
            )
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None

    def _answered(self) -> None:
        parser = self._parser
        now = self.idle_since = self._now()
        response = Response(parser.status, parser.headers, parser.body, now)
        waiter, self._waiter = self._waiter, None
        self._part(response)
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def _part(self, response: Response) -> None:
        """The answer is complete: the connection goes back to the pool, or ends."""
        if self._parser.reusable and not self.closed and self._all_written():
            self.keep_alive = keep_alive(response)
            self._released(self)
        else:
            self.close()

    def _streamed(self) -> None:
        """A piece of a stream is here; with the first one its head."""
        parser, sink = self._parser, self._sink
        if sink is None:
            waiter, self._waiter = self._waiter, None
            if waiter is None or waiter.done() or self._transport is None:
                self.close()
                return
            sink = self._sink = Body(self._loop, self._transport, self.close)
            self._head = Response(parser.status, parser.headers, b"", self._now(), stream=sink)
            waiter.set_result(self._head)
        data = parser.take()
        if data:
            sink.put(data)
        if parser.complete:
            self._sink = None
            self.idle_since = self._now()
            sink.end(None)
            self._part(self._head)
            if self.closed:
                self._released(self)  # nobody waits for the exchange any more; the pool forgets it

    def _all_written(self) -> bool:
        """Whether the request has left; a server may answer (413) before it has read all of it."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    def _fail(self, reason: Reason, detail: str, *, sent: bool) -> None:
        waiter, sink = self._waiter, self._sink
        self.close()
        failure = Failure(reason, detail, sent, self._now())
        if sink is not None:
            sink.end(failure)
        if waiter is not None and not waiter.done():
            waiter.set_result(failure)

    def _arm(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(at - now, 0.0), self._expire)

    def _expire(self) -> None:
        """The timer outlives the request it was set for: one timer serves many requests."""
        self._timer = None
        if self._waiter is None:
            return
        now = self._now()
        if now < self._deadline:
            self._arm(self._deadline, now)
        else:
            self._fail(Reason.TIMEOUT, "no answer before the deadline", sent=True)

    def _nothing_acknowledged(self) -> bool:
        if self.address[2] or self._transport is None:
            return False
        acked = bytes_acknowledged(self._transport.get_extra_info("socket").fileno())
        return acked is not None and acked <= self._acked_before + 1
