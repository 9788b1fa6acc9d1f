"""The trace context: read from requests, handed on, OpenTelemetry's first."""

from __future__ import annotations

import opentelemetry.trace as otel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.http.exchange import Request
from tidelock.http.services import traced
from tidelock.http.tracing import TraceContext, current_trace, trace, trace_from

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GET = Request("GET", "/", b"accept: */*\r\n", None, "GET /", "GET /", True)


def read(*parents: str, state: tuple[str, ...] = ()) -> TraceContext | None:
    headers = [(b"traceparent", each.encode()) for each in parents]
    return trace_from([*headers, *((b"tracestate", each.encode()) for each in state)])


def test_what_comes_in_goes_out_unchanged() -> None:
    found = read(f"00-{TRACE}-{SPAN}-01", state=("a=1", "b=2"))
    assert found == TraceContext(TRACE, SPAN, "01", "a=1,b=2")
    assert current_trace() is None
    with trace(found):
        assert current_trace() == found
        head = traced(GET).head
    assert head == (
        b"accept: */*\r\ntraceparent: 00-%b-%b-01\r\ntracestate: a=1,b=2\r\n"
        % (TRACE.encode(), SPAN.encode())
    )
    assert traced(GET) is GET


def test_baggage_goes_along_unless_it_is_too_long_or_breaks_out_of_its_line() -> None:
    parent = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    found = trace_from([parent, (b"baggage", b"a=1;p"), (b"baggage", b"b=2")])
    assert found is not None
    assert found.baggage == "a=1;p,b=2"
    with trace(found):
        assert traced(GET).head.endswith(b"\r\nbaggage: a=1;p,b=2\r\n")
    for bad in (b"a" * 9000, b"a=\xff", b"a=1\x00"):
        found = trace_from([parent, (b"baggage", bad)])
        assert found is not None
        assert found.baggage == ""


def test_a_request_that_names_its_trace_keeps_it() -> None:
    own = Request("GET", "/", b"traceparent: 00-x\r\n", None, "", "", True)
    with trace(TraceContext(TRACE, SPAN)):
        assert traced(own) is own


@pytest.mark.parametrize(
    ("parent", "accepted"),
    [
        (f"00-{TRACE}-{SPAN}-00", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        ("", False),
    ],
)
def test_only_what_the_specification_accepts(parent: str, accepted: bool) -> None:
    assert (read(parent) is not None) is accepted


def test_two_parents_are_none_and_a_long_state_is_dropped() -> None:
    good = f"00-{TRACE}-{SPAN}-01"
    assert read(good, good) is None
    found = read(good, state=("a=" + "x" * 600,))
    assert found is not None
    assert found.state == ""


@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"x"]), st.binary())))
def test_no_header_can_break_it(headers: list[tuple[bytes, bytes]]) -> None:
    trace_from(headers)


def test_the_span_of_opentelemetry_comes_first() -> None:
    context = otel.SpanContext(int(TRACE, 16), 7, False, otel.TraceFlags(1), otel.TraceState([("k", "v")]))
    with trace(TraceContext("1" * 32, "2" * 16)):
        with otel.use_span(otel.NonRecordingSpan(context)):
            assert current_trace() == TraceContext(TRACE, "0" * 15 + "7", "01", "k=v")
        assert current_trace() == TraceContext("1" * 32, "2" * 16)
