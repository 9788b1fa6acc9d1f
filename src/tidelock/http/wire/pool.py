"""Connections to instances, kept and reused: one pool per address, last in first out, on one event loop.

A connection idle for longer than the server keeps it is not used; one idle for more than a second is looked
at before use (has the other side ended it?). What remains is the race in which the server ends a connection
just as a request leaves; then `connection` says whether the request may be repeated. Invariant: a
connection is in a pool only while it is idle and healthy; whoever takes it must end or return it.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable

from tidelock.http.exchange import Failure, Outgoing
from tidelock.http.wire.connection import Connection
from tidelock.http.wire.idle import (
    LOOK_AFTER,
    Address,
    Outcome,
    connect_failure,
    idle_limit,
    no_connection_in_time,
)


class Pools:
    """All connections of one client on one event loop.

    Args:
        loop: the running loop.
        now: monotonic seconds.
        context: makes the TLS context when the first secure instance is called.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        context: Callable[[], tls.SSLContext],
    ) -> None:
        self._loop = loop
        self._now = now
        self._context = context
        self._idle: dict[Address, list[Connection]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._busy: set[Connection] = set()
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(len(connections) for connections in self._idle.values())

    @property
    def busy(self) -> int:
        """Connections with a request under way."""
        return len(self._busy)

    async def exchange(
        self, address: Address, request: Outgoing, deadline: float, now: float, connect_timeout: float
    ) -> Outcome:
        """Send a request to an address and return what became of it; cancelling it ends its connection.

        Args:
            address: where to.
            request: the whole request.
            deadline: monotonic seconds.
            now: monotonic seconds.
            connect_timeout: seconds for a new connection.
        """
        connection = self._take(address, now)
        if connection is None:
            made = await self._connect(address, min(deadline - now, connect_timeout), connect_timeout)
            if isinstance(made, Failure):
                return made
            connection, now = made, self._now()
        self._busy.add(connection)
        waiter = connection.exchange(request, deadline, now)
        try:
            outcome = await waiter
        except asyncio.CancelledError:
            # once answered, the connection is back in the pool and may serve somebody else already
            if waiter.cancelled():
                connection.close()
            if connection.closed:
                self._busy.discard(connection)
            raise
        if connection.closed:
            self._busy.discard(connection)
        return outcome

    def close(self) -> None:
        """End all connections; exchanges under way end as broken."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        for connection in tuple(self._busy):
            connection.abandon("the client was closed")
        self._busy.clear()

    def _take(self, address: Address, now: float) -> Connection | None:
        connections = self._idle.get(address)
        while connections:
            connection = connections.pop()
            if not connection.closed:
                idle = now - connection.idle_since
                if idle < LOOK_AFTER or (
                    idle < idle_limit(connection.keep_alive) and not connection.is_stale()
                ):
                    return connection
            connection.close()
        return None

    def _release(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if self._closed or connection.closed:
            connection.close()
            return
        idle = self._idle.get(connection.address)
        if idle is None:
            idle = self._idle[connection.address] = []
        idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(LOOK_AFTER, self._sweep)

    def _sweep(self) -> None:
        """End what has idled too long, and forget addresses that are no longer used."""
        now = self._now()
        for address, connections in list(self._idle.items()):
            fresh = [
                each
                for each in connections
                if not each.closed and now - each.idle_since < idle_limit(each.keep_alive)
            ]
            for connection in connections:
                if connection not in fresh:
                    connection.close()
            if fresh:
                self._idle[address] = fresh
            else:
                del self._idle[address]
        self._sweeper = self._loop.call_later(LOOK_AFTER, self._sweep) if self._idle else None

    async def _connect(self, address: Address, patience: float, limit: float) -> Connection | Failure:
        host, port, secure = address

        def made() -> Connection:
            return Connection(self._loop, self._now, address, self._release)

        try:
            async with asyncio.timeout(patience):
                if host.startswith("/"):
                    return (await self._loop.create_unix_connection(made, host))[1]
                _, connection = await self._loop.create_connection(
                    made,
                    host,
                    port,
                    ssl=self._context() if secure else None,
                    server_hostname=host if secure else None,
                )
        except TimeoutError:
            return no_connection_in_time(patience, limit, self._now())
        except OSError as error:
            return connect_failure(error, self._now())
        return connection
