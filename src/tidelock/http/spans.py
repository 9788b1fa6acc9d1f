"""OpenTelemetry: spans and metrics of calls and of what `mount` serves; extra `otel`, the API only.

    end = http.instrument()             # with the global providers, set up by the application or its agent

A logical call is a span of its own; every attempt is a CLIENT span below it and the parent of what the
service does, so a trace shows which instance was slow and what was repeated. Names follow OpenTelemetry's
semantic conventions for HTTP; ours begin with `tidelock.`. Until `instrument` is called nothing is loaded.

Source: OpenTelemetry Semantic Conventions 1.37, HTTP spans and HTTP metrics (stable).
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Self

from tidelock.errors import UsageError

try:
    from opentelemetry import trace as otel
except ImportError:
    raise UsageError("OpenTelemetry is not installed", hint='pip install "tidelock[otel]"') from None
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidelock import __version__, observe
from tidelock.http.answering import SERVING, Served
from tidelock.http.breaker import State
from tidelock.http.declarative import Operation
from tidelock.http.events import Ejected
from tidelock.http.exchange import Failure, Request, Response
from tidelock.http.flow import Race, Send, ServiceState
from tidelock.http.hooks import with_headers
from tidelock.http.report import REPORTING, Report

NAME = "tidelock.http"
GIVEN_UP = "given up"

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; the semantic conventions' advice."""


class Instruments:
    """What is recorded with.

    Args:
        tracer_provider: the global one when None.
        meter_provider: the global one when None.
    """

    def __init__(
        self, tracer_provider: otel.TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        self._states: weakref.WeakSet[ServiceState] = weakref.WeakSet()
        self._lock = threading.Lock()
        self.tracer = otel.get_tracer(NAME, __version__, tracer_provider)
        meter = (meter_provider or get_meter_provider()).get_meter(NAME, __version__)
        self.duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of one attempt.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self.inflight = meter.create_up_down_counter(
            "tidelock.lb.inflight", "{request}", "Attempts under way."
        )
        self.ejections = meter.create_counter("tidelock.lb.ejections", "{ejection}", "Instances left out.")
        self.retries = meter.create_counter("tidelock.lb.retries", "{request}", "Attempts after the first.")
        meter.create_observable_gauge(
            "tidelock.lb.budget.tokens",
            [self._tokens],
            "{retry}",
            "Retries that are left, without the floor.",
        )
        meter.create_observable_gauge(
            "tidelock.lb.breaker.state", [self._breakers], "1", "1 for the state that a breaker is in."
        )

    def seen(self, service: ServiceState) -> None:
        """Observe a service's budget and breakers from now on, as long as its client lives."""
        if service not in self._states:
            with self._lock:
                self._states.add(service)

    def ejected(self, event: Ejected) -> None:
        """Count an ejection."""
        attributes = {"tidelock.service": event.service, "tidelock.instance": event.instance.instance_id}
        self.ejections.add(1, {**attributes, "error.type": event.reason})

    def _services(self) -> list[ServiceState]:
        with self._lock:
            return list(self._states)

    def _tokens(self, _: CallbackOptions) -> Iterable[Observation]:
        for service in self._services():
            yield Observation(service.budget.tokens, {"tidelock.service": service.name})

    def _breakers(self, _: CallbackOptions) -> Iterable[Observation]:
        for service in self._services():
            for group, breaker in tuple(service.breakers.items()):
                named = {"tidelock.service": service.name, "tidelock.method": group}
                for state in State:
                    yield Observation(
                        int(breaker.state is state), {**named, "tidelock.breaker.state": state.value}
                    )


class SpanReport(Report):
    """A report that also records spans: one of the call, one of each attempt."""

    __slots__ = ("_attempts", "_context", "_instruments", "_span", "_why")

    def __init__(
        self,
        instruments: Instruments,
        service: ServiceState,
        request: Request,
        started: float,
        may_look_again: bool,
    ) -> None:
        super().__init__(service, request, started, may_look_again=may_look_again)
        instruments.seen(service)
        self._instruments = instruments
        attributes = {"tidelock.service": service.name, **_asked(request)}
        self._span = instruments.tracer.start_span(_name(request), attributes=attributes)
        self._context = otel.set_span_in_context(self._span)
        self._attempts: dict[int, tuple[Send, Span]] = {}
        self._why = "hedge"

    def asked(self, effect: Send | Race) -> None:
        """See Report; the attempt's span begins and goes along as the parent of what the service does."""
        super().asked(effect)
        send = effect if isinstance(effect, Send) else effect.starting
        if send is None:
            return
        request, instruments = send.request, self._instruments
        attributes = {**_asked(request), **_address(send)}
        attributes["tidelock.instance"] = send.peer.instance.instance_id
        attributes["url.full"] = f"{send.peer.instance.url}{send.peer.prefix}{request.target}"
        attributes["tidelock.attempt"] = send.attempt
        if send.attempt > 1:
            attributes["http.request.resend_count"] = send.attempt - 1
            instruments.retries.add(1, {"tidelock.service": self.service.name, "reason": self._why})
        span = instruments.tracer.start_span(_name(request), self._context, SpanKind.CLIENT, attributes)
        self._attempts[send.attempt] = (send, span)
        instruments.inflight.add(1, self._whose(send))
        self._why = "hedge"
        if span.get_span_context().is_valid:
            carrier: dict[str, str] = {}
            context = otel.set_span_in_context(span, self._context)
            TraceContextTextMapPropagator().inject(carrier, context)
            W3CBaggagePropagator().inject(carrier, context)
            send.request = with_headers(request, carrier)

    def ended(self, send: Send, outcome: Response | Failure) -> None:
        """See Report."""
        found: dict[str, Any] = {}
        if isinstance(outcome, Response):
            found["http.response.status_code"] = outcome.status
            error = str(outcome.status) if outcome.status >= 400 else None
        else:
            error = outcome.reason.value
        if error is not None:
            found["error.type"] = error
        self._why = error or "answered"
        where = {**_asked(send.request), **_address(send), **found}
        self._instruments.duration.record(max(outcome.at - send.sent_at, 0.0), where)
        self._end(send, found)

    def _end(self, send: Send, found: dict[str, Any]) -> None:
        self._instruments.inflight.add(-1, self._whose(send))
        _, span = self._attempts.pop(send.attempt)
        _finish(span, found)

    def _whose(self, send: Send) -> dict[str, str]:
        return {"tidelock.service": self.service.name, "tidelock.instance": send.peer.instance.instance_id}

    def _over(self, now: float) -> None:
        for send, _ in tuple(self._attempts.values()):  # cancelled, or another attempt was faster
            self._end(send, {"error.type": GIVEN_UP})
        found: dict[str, Any] = {}
        if self._response is not None:
            found["http.response.status_code"] = self._response.status
            if self._response.status >= 400:
                found["error.type"] = str(self._response.status)
        else:
            found["error.type"] = self.failed or GIVEN_UP
        if self._last is not None:
            found["tidelock.attempts"] = self._last.attempt
        _finish(self._span, found)
        super()._over(now)


def _finish(span: Span, found: dict[str, Any]) -> None:
    span.set_attributes(found)
    error = found.get("error.type")
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, error))
    span.end()


def _name(request: Request) -> str:
    """A call by URL is named by its method alone: its paths are without number."""
    return request.label if request.group != request.method else request.method


def _asked(request: Request) -> dict[str, Any]:
    found = {"http.request.method": request.method}
    if request.group != request.method:
        found["url.template"] = request.label.partition(" ")[2]
    return found


def _address(send: Send) -> dict[str, Any]:
    host, port, _ = send.peer.address
    return {"server.address": host, "server.port": port}


class _ServedSpan(Served):
    """The span of one request while it is answered, current meanwhile."""

    def __init__(self, tracer: otel.Tracer, operation: Operation, header: Callable[[str], list[str]]) -> None:
        self._around = contextlib.ExitStack()
        current = otel.get_current_span().get_span_context()
        has_server = current.is_valid and not current.is_remote  # the framework's own instrumentation
        self._span = tracer.start_span(
            f"{operation.verb} {operation.path}",
            None if has_server else _caller(header),
            SpanKind.INTERNAL if has_server else SpanKind.SERVER,
            {"http.request.method": operation.verb, "http.route": operation.path},
        )

    def __enter__(self) -> Self:
        self._around.enter_context(otel.use_span(self._span, end_on_exit=False))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._around.close()
        found: dict[str, Any] = {"http.response.status_code": self.status} if self.status else {}
        if error is not None:
            self._span.record_exception(error)
            found["error.type"] = type(error).__qualname__
        elif self.status >= 500:
            found["error.type"] = str(self.status)
        _finish(self._span, found)


def _caller(header: Callable[[str], list[str]]) -> Context:
    """What the request's headers say about its trace."""
    carrier = {name: ",".join(header(name)) for name in ("traceparent", "tracestate", "baggage")}
    context = TraceContextTextMapPropagator().extract(carrier)
    return W3CBaggagePropagator().extract(carrier, context)


class _Instrumentation:
    """What `instrument` was told, of the whole process; of several at once the latest records.

    Invariant: when all have ended, in whatever order, calls and requests are reported as before the first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Instruments] = []
        self._made, self._begun = REPORTING.make, SERVING.begin

    def add(self, instruments: Instruments) -> None:
        """Record with these from now on."""
        with self._lock:
            if not self._all:
                self._made, self._begun = REPORTING.make, SERVING.begin
            self._all.append(instruments)
            self._apply()

    def remove(self, instruments: Instruments) -> None:
        """Record no more with these; safe to call more than once."""
        with self._lock:
            if instruments in self._all:
                self._all.remove(instruments)
                self._apply()

    def _apply(self) -> None:
        if not self._all:
            REPORTING.make, SERVING.begin = self._made, self._begun
            return
        latest = self._all[-1]

        def reported(service: ServiceState, request: Request, started: float, may_look_again: bool) -> Report:
            return SpanReport(latest, service, request, started, may_look_again)

        REPORTING.make = reported
        SERVING.begin = lambda operation, header: _ServedSpan(latest.tracer, operation, header)


_instrumentation = _Instrumentation()


def instrument(
    tracer_provider: otel.TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Callable[[], None]:
    """Record spans and metrics of all calls, and spans of what `mount` serves, from now on.

    Args:
        tracer_provider: whose spans; the global one when None.
        meter_provider: whose metrics; the global one when None.

    Returns:
        The function that ends it. Of several at once the latest records spans and attempts.

    Raises:
        UsageError: on import, when the extra `otel` is not installed.
    """
    instruments = Instruments(tracer_provider, meter_provider)
    _instrumentation.add(instruments)
    unsubscribe = observe.subscribe(Ejected, instruments.ejected)

    def end() -> None:
        _instrumentation.remove(instruments)
        unsubscribe()

    return end
