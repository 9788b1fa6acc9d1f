"""OpenTelemetry's spans and metrics, as its SDK collects them in memory: calls, attempts, served requests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import opentelemetry.baggage
import opentelemetry.context
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.frameworks import FRAMEWORKS, application
from tidelock import http
from tidelock.http.answering import SERVING
from tidelock.http.around import BlockingExchanger
from tidelock.http.exchange import Failure, Outgoing, Reason, Response
from tidelock.http.hedging import HedgeSettings
from tidelock.http.report import REPORTING
from tidelock.http.wire.idle import Address, Outcome
from tidelock.testing import chaos, connect, virtual_time


@http.api("orders", path="/orders")
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> dict[str, Any]:
        raise NotImplementedError


class Here(Orders):
    """Answers with what it was told about the trace."""

    async def get(self, id: int) -> dict[str, Any]:
        if id == 13:
            raise RuntimeError("a defect")
        await asyncio.sleep(id)
        context = http.current_trace()
        assert context is not None
        return {"span": context.span_id, "baggage": context.baggage}


@dataclass
class Recorded:
    """What was recorded."""

    exporter: InMemorySpanExporter
    tracer_provider: TracerProvider
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is kind]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    end = http.instrument(tracers, meters)
    try:
        yield Recorded(exporter, tracers, reader)
    finally:
        end()
        meters.shutdown()


def attribute(span: ReadableSpan, name: str) -> Any:
    assert span.attributes is not None
    return span.attributes.get(name)


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_call_its_attempt_and_the_service_s_work_are_one_trace(recorded: Recorded, framework: str) -> None:
    async def run() -> dict[str, Any]:
        return await connect(Orders, {"i-1": application(framework, Here())}).get(0)

    answer = asyncio.run(run())
    (server,) = recorded.of(SpanKind.SERVER)
    (attempt,) = recorded.of(SpanKind.CLIENT)
    (call,) = recorded.of(SpanKind.INTERNAL)
    assert call.parent is None
    assert attempt.parent is not None
    assert attempt.parent.span_id == span_id(call)
    assert server.parent is not None
    assert server.parent.span_id == span_id(attempt)
    assert answer["span"] == f"{span_id(server):016x}"
    assert {span.name for span in recorded.spans} == {"GET /orders/{id}"}
    assert attribute(server, "http.route") == "/orders/{id}"
    assert attribute(server, "http.response.status_code") == 200
    assert dict(attempt.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/orders/{id}",
        "url.full": "http://i-1:80/orders/0",
        "server.address": "i-1",
        "server.port": 80,
        "tidelock.instance": "i-1",
        "tidelock.attempt": 1,
        "http.response.status_code": 200,
    }
    assert attribute(call, "tidelock.service") == "orders"
    assert attribute(call, "tidelock.attempts") == 1
    assert all(span.status.status_code is not StatusCode.ERROR for span in recorded.spans)


def test_the_caller_s_span_is_the_parent_and_its_baggage_goes_along(recorded: Recorded) -> None:
    async def run() -> dict[str, Any]:
        orders = connect(Orders, {"i-1": application("starlette", Here())})
        token = opentelemetry.context.attach(opentelemetry.baggage.set_baggage("tenant", "eu west"))
        try:
            with recorded.tracer_provider.get_tracer("test").start_as_current_span("the caller's"):
                return await orders.get(0)
        finally:
            opentelemetry.context.detach(token)

    assert asyncio.run(run())["baggage"] == "tenant=eu+west"
    spans = {(span.name, span.kind): span for span in recorded.spans}
    caller = spans[("the caller's", SpanKind.INTERNAL)]
    call = spans[("GET /orders/{id}", SpanKind.INTERNAL)]
    assert call.parent is not None
    assert call.parent.span_id == span_id(caller)
    assert len({span.context.trace_id for span in recorded.spans if span.context}) == 1


def test_each_attempt_has_its_span_and_its_figures(recorded: Recorded) -> None:
    async def run() -> None:
        orders = connect(Orders, {name: application("starlette", Here()) for name in ("i-1", "i-2")}, seed=1)
        with chaos(orders, refuse=["i-1"]):
            for _ in range(10):
                await orders.get(0)
        with chaos(orders, error=1.0), pytest.raises(http.StatusError):
            await orders.get(0)

    with virtual_time() as time:
        time.run(run())
    attempts = recorded.of(SpanKind.CLIENT)
    refused = [span for span in attempts if attribute(span, "error.type") == "connection refused"]
    assert refused
    assert all(span.status.status_code is StatusCode.ERROR for span in refused)
    again = [span for span in attempts if attribute(span, "http.request.resend_count")]
    assert {attribute(span, "tidelock.attempt") for span in again} >= {2}
    assert len(attempts) == len(recorded.of(SpanKind.SERVER)) + sum(
        attribute(span, "error.type") is not None for span in attempts
    )
    failed = [span for span in recorded.of(SpanKind.INTERNAL) if attribute(span, "error.type") == "503"]
    assert len(failed) == 1
    reasons = {point.attributes["reason"]: point.value for point in recorded.points("tidelock.lb.retries")}
    assert reasons["connection refused"] == len(refused)
    assert reasons["503"] >= 1
    assert [point.value for point in recorded.points("tidelock.lb.ejections")] == [1]
    assert all(point.value == 0 for point in recorded.points("tidelock.lb.inflight"))
    durations = recorded.points("http.client.request.duration")
    assert sum(point.count for point in durations) == len(attempts)
    assert all(point.attributes["server.port"] == 80 for point in durations)


def test_budget_and_breaker_are_observed(recorded: Recorded) -> None:
    async def run() -> list[Any]:
        orders = connect(Orders, {"i-1": application("starlette", Here())})
        with chaos(orders, error=1.0):
            for _ in range(30):
                with pytest.raises((http.StatusError, http.CircuitOpen)):
                    await orders.get(0)
        assert 0.0 <= recorded.points("tidelock.lb.budget.tokens")[0].value < 10.0
        return recorded.points("tidelock.lb.breaker.state")

    with virtual_time() as time:
        states = {point.attributes["tidelock.breaker.state"]: point.value for point in time.run(run())}
    assert states["OPEN"] == 1
    assert sum(states.values()) == 1
    calls = recorded.of(SpanKind.INTERNAL)
    refused = [span for span in calls if attribute(span, "error.type") == http.CircuitOpen.code]
    assert len(refused) == 10
    assert attribute(refused[0], "tidelock.attempts") is None


def test_a_call_that_is_cancelled_ends_its_spans(recorded: Recorded) -> None:
    async def run() -> None:
        orders = connect(Orders, {"i-1": application("starlette", Here())})
        call = asyncio.create_task(orders.get(60))
        await asyncio.sleep(1.0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with virtual_time() as time:
        time.run(run())
    assert {attribute(span, "error.type") for span in recorded.spans} == {"given up", "CancelledError"}
    assert all(point.value == 0 for point in recorded.points("tidelock.lb.inflight"))


def test_a_hedge_is_an_attempt_of_its_own_and_the_loser_is_given_up(recorded: Recorded) -> None:
    async def run() -> None:
        policy = http.Policy(hedge=HedgeSettings(enabled=True, delay=0.01))
        orders = connect(
            Orders, {name: application("starlette", Here()) for name in ("i-1", "i-2")}, policy=policy
        )
        with chaos(orders, latency="uniform(1ms,100ms)", seed=2):
            for _ in range(10):
                await orders.get(0)
        await asyncio.sleep(1.0)

    with virtual_time() as time:
        time.run(run())
    attempts = recorded.of(SpanKind.CLIENT)
    assert len(attempts) > 10
    assert len(attempts) - 10 == sum(attribute(span, "error.type") == "given up" for span in attempts)
    (retries,) = recorded.points("tidelock.lb.retries")
    assert (retries.attributes["reason"], retries.value) == ("hedge", len(attempts) - 10)
    assert all(point.value == 0 for point in recorded.points("tidelock.lb.inflight"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_application_raises_is_in_its_span(recorded: Recorded, framework: str) -> None:
    async def run() -> None:
        orders = connect(Orders, {"i-1": application(framework, Here())})
        with pytest.raises(http.StatusError, match="500"):
            await orders.get(13)

    asyncio.run(run())
    (server,) = recorded.of(SpanKind.SERVER)
    assert attribute(server, "error.type") == "RuntimeError"
    assert server.events[0].name == "exception"


def test_under_a_framework_s_own_instrumentation_ours_is_inside(recorded: Recorded) -> None:
    app = application("starlette", Here())
    tracer = recorded.tracer_provider.get_tracer("the framework's")

    async def instrumented(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("theirs", kind=SpanKind.SERVER):
            await app(scope, receive, send)

    asyncio.run(connect(Orders, {"i-1": instrumented}).get(0))
    (theirs,) = recorded.of(SpanKind.SERVER)
    assert theirs.name == "theirs"
    assert any(
        span.parent and span.parent.span_id == span_id(theirs) for span in recorded.of(SpanKind.INTERNAL)
    )


class Refusing:
    """See BlockingExchanger."""

    def exchange(
        self, address: Address, request: Outgoing, deadline: float, connect_timeout: float
    ) -> Outcome:
        if address[0] == "one":
            return Failure(Reason.REFUSED, "refused", False, 0.0)
        assert request.data.count(b"traceparent: ") == 1
        return Response(200, [], b"{}")


def test_blocking_calls_are_recorded_alike(recorded: Recorded) -> None:
    client = http.BlockingClient(http.StaticSource({"orders": ["http://one:1", "http://two:2"]}))

    def around(service: object, exchanger: BlockingExchanger, clock: object) -> BlockingExchanger:
        return Refusing()

    client.around = around
    orders = client.connect(Orders)
    for _ in range(5):
        assert orders(Orders.get, 1) == {}
    assert client.get("http://orders/plain/7").status == 200
    attempts = recorded.of(SpanKind.CLIENT)
    assert {attribute(span, "error.type") for span in attempts} == {"connection refused", None}
    assert "GET" in {span.name for span in attempts}  # no path without a template in a name
    client.close()


def test_nothing_of_it_is_loaded_or_left_without_it(recorded: Recorded) -> None:
    code = (
        "import sys, asyncio; from tidelock import http; http.Client; http.mount; http.BlockingClient;"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules), 'loaded'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_whichever_of_several_ends_first_none_is_left_and_the_latest_records(order: tuple[int, ...]) -> None:
    plain = (REPORTING.make, SERVING.begin)
    exporters = [InMemorySpanExporter() for _ in order]

    async def run() -> list[int]:
        await connect(Orders, {"i-1": application("starlette", Here())}).get(0)
        return [len(exporter.get_finished_spans()) for exporter in exporters]

    ends = []
    for exporter in exporters:
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        ends.append(http.instrument(tracers))
    expected, left = [0, 0, 0], [0, 1, 2]
    for index in order:
        expected[left[-1]] += 3  # the call, its attempt, the service's work
        assert asyncio.run(run()) == expected
        ends[index]()
        ends[index]()
        left.remove(index)
    assert (REPORTING.make, SERVING.begin) == plain
