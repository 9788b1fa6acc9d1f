"""What is told about a call when it is over: one `Called` per call, and what broke or healed meanwhile.

Ejections and breakers also go to the log, since they mean that something else is broken. Both drivers use it.
"""

from __future__ import annotations

import logging

from tidelock import observe
from tidelock.http.breaker import State
from tidelock.http.events import BreakerChanged, Called, Ejected
from tidelock.http.exchange import Response
from tidelock.http.flow import Race, Send, ServiceState

log = logging.getLogger(__name__)


class Report:
    """Notes about one call while a driver runs it.

    Attributes:
        failed: the code of the error.
    """

    __slots__ = ("_label", "_last", "_response", "_service", "_started", "failed")

    def __init__(self, service: ServiceState, label: str, started: float) -> None:
        self._service = service
        self._label = label
        self._started = started
        self._last: Send | None = None
        self._response: Response | None = None
        self.failed: str | None = None

    def asked(self, effect: Send | Race) -> None:
        """An attempt begins."""
        self._last = effect if isinstance(effect, Send) else effect.starting or self._last

    def answered(self, response: Response) -> Response:
        """This is the call's answer."""
        self._response = response
        return response

    def tell(self, now: float) -> None:
        """The call is over: say so."""
        service, last, response = self._service, self._last, self._response
        instance = last.peer.instance if last is not None else None
        status = None
        if response is not None:
            instance, status = response.instance, response.status
        attempts = last.attempt if last is not None else 0
        seconds = now - self._started
        observe.emit(Called(service.name, self._label, instance, attempts, status, self.failed, seconds))
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
