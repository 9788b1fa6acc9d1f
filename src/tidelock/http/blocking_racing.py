"""Attempts side by side, for the blocking driver: one thread waits for several sockets at once.

Only connecting is done one after the other: while a second connection is being made, an answer to the first
waits, for at most the time limit of connecting.
"""

from __future__ import annotations

import select
from collections.abc import Callable

from tidelock.http.around import BlockingExchanger
from tidelock.http.exchange import Failure, Reason
from tidelock.http.flow import Finished, Race, Send
from tidelock.http.wire.blocking import BlockingConnection, BlockingPools
from tidelock.http.wire.head import outgoing
from tidelock.http.wire.idle import Outcome


class BlockingRacers:
    """The attempts of one call that are under way."""

    def __init__(self, pools: BlockingPools) -> None:
        self._pools = pools
        self._running: list[tuple[BlockingConnection, Send]] = []

    def run(self, race: Race, now: Callable[[], float]) -> Finished | float:
        """Start what the race asks for, and wait for the first to end; the time if none does."""
        if race.starting is not None:
            failed = self._start(race.starting)
            if failed is not None:
                return Finished(race.starting, failed)
        while True:
            for connection, send in self._running:
                outcome = self._outcome(connection, send, now)
                if outcome is not None:
                    self._running.remove((connection, send))
                    self._pools.give_back(send.peer.address, connection)
                    return Finished(send, outcome)
            at = now()
            # a deadline is the attempt's own end, with an outcome; only an earlier patience ends the wait
            if at >= race.until and any(race.until < send.deadline for _, send in self._running):
                return at
            poll = select.poll()
            for connection, _ in self._running:
                poll.register(connection.fileno(), connection.interest)
            poll.poll(max(race.until - at, 0.0) * 1000 + 1)

    def close(self) -> None:
        """Give up what is still under way."""
        for connection, send in self._running:
            connection.close()
            self._pools.give_back(send.peer.address, connection)
        self._running.clear()

    def _start(self, send: Send) -> Failure | None:
        peer, request = send.peer, send.request
        data = outgoing(request, peer.prefix, peer.authority, send.deadline - send.sent_at, send.attempt)
        connection = self._pools.take(peer.address, send.deadline, peer.connect_timeout)
        if isinstance(connection, Failure):
            return connection
        connection.begin(data)
        self._running.append((connection, send))
        return None

    def _outcome(
        self, connection: BlockingConnection, send: Send, now: Callable[[], float]
    ) -> Outcome | None:
        outcome = connection.advance()
        if outcome is None and now() >= send.deadline:
            return connection.give_up(Reason.TIMEOUT, "no answer before the deadline")
        return outcome


class OneByOne:
    """The same one after the other, where something stands between the rules and the sockets."""

    def __init__(self, exchanger: BlockingExchanger) -> None:
        self._exchanger = exchanger

    def run(self, race: Race, now: Callable[[], float]) -> Finished | float:
        """Carry out what the race asks for to its end."""
        send = race.starting
        if send is None:
            return now()
        peer, request = send.peer, send.request
        data = outgoing(request, peer.prefix, peer.authority, send.deadline - send.sent_at, send.attempt)
        return Finished(
            send, self._exchanger.exchange(peer.address, data, send.deadline, peer.connect_timeout)
        )

    def close(self) -> None:
        """Nothing is under way."""
