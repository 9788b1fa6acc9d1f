"""What stands between the rules of a call and its bytes: the seam at which tests put something else. No IO.

A client hands each attempt to an Exchanger: its pools of connections, or what its `around` makes of them,
such as an application in memory, or trouble (`tidelock.testing.chaos`). Rules, retries and deadlines cannot
tell the difference. Not in the seam: which instance is asked, and whether again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

from tidelock.http.exchange import Outgoing
from tidelock.http.flow import ServiceState
from tidelock.http.wire.idle import Address, Outcome
from tidelock.runtime import Clock


class Exchanger(Protocol):
    """Carries out attempts, under asyncio."""

    async def exchange(
        self, address: Address, request: Outgoing, deadline: float, now: float, connect_timeout: float
    ) -> Outcome:
        """Send a request to an address and return what became of it; cancelling it ends it.

        Args:
            address: where to.
            request: the whole request.
            deadline: monotonic seconds; a Failure is due no later.
            now: monotonic seconds.
            connect_timeout: seconds for a new connection.
        """


class BlockingExchanger(Protocol):
    """Carries out attempts, for threads."""

    def exchange(
        self, address: Address, request: Outgoing, deadline: float, connect_timeout: float
    ) -> Outcome:
        """See Exchanger."""


E = TypeVar("E")

Around: TypeAlias = Callable[[ServiceState, E, Clock], E]
"""Given a service, what would carry out its attempts, and the client's clock: what does instead."""
