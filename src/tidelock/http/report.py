"""What is told about a call when it is over: one `Called` per call, and what broke or healed meanwhile.

Ejections and breakers also go to the log, since they mean that something else is broken. Both drivers use it.
A driver also says when each attempt begins and ends; here that means nothing, `spans` has reports of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from tidelock import observe
from tidelock.http.breaker import State
from tidelock.http.errors import NoInstance
from tidelock.http.events import BreakerChanged, Called, Ejected
from tidelock.http.exchange import Failure, Request, Response
from tidelock.http.flow import Race, Send, ServiceState

log = logging.getLogger(__name__)


class Report:
    """Notes about one call while a driver runs it.

    Attributes:
        service: what is known about whom it calls.
        request: the logical call.
        failed: the code of the error.
        may_look_again: a call that finds nobody is not over: its caller looks again, or clears this.
    """

    __slots__ = ("_last", "_response", "_started", "failed", "may_look_again", "request", "service")

    def __init__(
        self, service: ServiceState, request: Request, started: float, *, may_look_again: bool = False
    ) -> None:
        self.service = service
        self.request = request
        self._started = started
        self._last: Send | None = None
        self._response: Response | None = None
        self.failed: str | None = None
        self.may_look_again = may_look_again

    def asked(self, effect: Send | Race) -> None:
        """An attempt begins."""
        self._last = effect if isinstance(effect, Send) else effect.starting or self._last

    def ended(self, send: Send, outcome: Response | Failure) -> None:
        """An attempt has ended."""

    def answered(self, response: Response) -> Response:
        """This is the call's answer."""
        self._response, self.failed = response, None
        return response

    def tell(self, now: float) -> None:
        """The call is over: say so."""
        if not (self.may_look_again and self.failed == NoInstance.code):
            self._over(now)

    def _over(self, now: float) -> None:
        service = self.service
        if observe.is_heard(Called):
            observe.emit(self._called(now - self._started))
        while service.happened:
            try:
                event = service.happened.pop(0)
            except IndexError:
                break  # another thread tells it
            _announce(event)

    def _called(self, seconds: float) -> Called:
        last, response = self._last, self._response
        instance = last.peer.instance if last is not None else None
        status = None
        if response is not None:
            instance, status = response.instance, response.status
        attempts = last.attempt if last is not None else 0
        return Called(self.service.name, self.request.label, instance, attempts, status, self.failed, seconds)


class Reporting:
    """How calls are reported, in the whole process.

    Attributes:
        make: makes the report of a call, as `Report` does.
    """

    def __init__(self) -> None:
        self.make: Callable[[ServiceState, Request, float, bool], Report] = _plain


def _plain(service: ServiceState, request: Request, started: float, may_look_again: bool) -> Report:
    return Report(service, request, started, may_look_again=may_look_again)


REPORTING = Reporting()


def _announce(event: Ejected | BreakerChanged) -> None:
    if isinstance(event, Ejected):
        host, port = event.instance.address
        log.warning(
            "%s at %s:%d gets no calls for %g s: %s", event.service, host, port, event.seconds, event.reason
        )
    else:
        level = logging.WARNING if event.state is State.OPEN else logging.INFO
        log.log(level, "the breaker of %s on %s is %s", event.method, event.service, event.state.value)
    observe.emit(event)
