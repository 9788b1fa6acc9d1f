"""What is told about a call when it is over: one `Called` per call, and what broke or healed meanwhile.

Ejections and breakers also go to the log, since they mean that something else is broken. Both drivers use it.
"""

from __future__ import annotations

import logging

from tidelock import observe
from tidelock.http.breaker import State
from tidelock.http.flow import BreakerChanged, Called, Ejected, Send, ServiceState

log = logging.getLogger(__name__)


class Report:
    """Notes about one call while a driver runs it.

    Attributes:
        last: the last attempt, if one was made.
        status: of the answer.
        failed: the code of the error.
    """

    __slots__ = ("_label", "_service", "_started", "failed", "last", "status")

    def __init__(self, service: ServiceState, label: str, started: float) -> None:
        self._service = service
        self._label = label
        self._started = started
        self.last: Send | None = None
        self.status: int | None = None
        self.failed: str | None = None

    def tell(self, now: float) -> None:
        """The call is over: say so."""
        service, last = self._service, self.last
        instance = last.peer.instance if last is not None else None
        attempts = last.attempt if last is not None else 0
        seconds = now - self._started
        observe.emit(Called(service.name, self._label, instance, attempts, self.status, self.failed, seconds))
        while service.happened:
            try:
                event = service.happened.pop(0)
            except IndexError:
                break  # another thread tells it
            _announce(event)


def _announce(event: Ejected | BreakerChanged) -> None:
    if isinstance(event, Ejected):
        host, port = event.instance.address
        log.warning(
            "%s at %s:%d gets no calls for %g s: %s", event.service, host, port, event.seconds, event.reason
        )
    else:
        level = logging.INFO if event.state is State.CLOSED else logging.WARNING
        log.log(level, "the breaker of %s on %s is %s", event.method, event.service, event.state.value)
    observe.emit(event)
