"""W3C trace context, handed on from call to call, so that one trace shows the way of a request.

`TraceMiddleware` takes it from a request, every call made meanwhile carries it on. Where OpenTelemetry is in
use, its current span comes first and becomes the parent of what the called service does. Without it nobody
records spans here, so the caller's ids are handed on unchanged, as the specification asks of those who only
forward. A context variable, so tasks inherit it. OpenTelemetry is never imported here, only found; `spans`
records with it.

Source: W3C Trace Context, level 1 (3.2 traceparent, 3.3 tracestate, 4.3 mutating); W3C Baggage.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
UNPRINTABLE = re.compile(r"[^ -~]")
BAGGAGE_LIMIT = 8192
"""Bytes of baggage that are handed on; W3C Baggage 3.3.2 asks for as many."""
STATE_LIMIT = 512
"""Characters of tracestate that are handed on; the specification asks for at least as many."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Whose request this is part of.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16; the caller's span.
        flags: two hexadecimal digits; bit 0 says that the trace is recorded.
        state: what tracing systems add, or "".
        baggage: what applications add (W3C Baggage), or "".
    """

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""
    baggage: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that carry it."""
        found = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        if self.state:
            found["tracestate"] = self.state
        if self.baggage:
            found["baggage"] = self.baggage
        return found


_current: ContextVar[TraceContext | None] = ContextVar("tidelock_trace", default=None)


def current_trace() -> TraceContext | None:
    """Return the trace that calls made now belong to: OpenTelemetry's current span, else the request's."""
    return _of_opentelemetry() or _current.get()


@contextlib.contextmanager
def trace(context: TraceContext | None) -> Iterator[None]:
    """Have all calls inside the block belong to a trace; None to none."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def trace_from(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Read a request's trace context; what does not follow the specification counts as absent.

    Args:
        headers: lower-case names.
    """
    parents: list[str] = []
    states: list[str] = []
    baggage: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1").strip())
        elif name == b"tracestate":
            states.append(value.decode("latin-1").strip())
        elif name == b"baggage":
            baggage.append(value.decode("latin-1").strip())
    found = TRACEPARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    state = ",".join(each for each in states if each)
    return TraceContext(
        trace_id, span_id, flags, state if len(state) <= STATE_LIMIT else "", _checked(",".join(baggage))
    )


def _checked(baggage: str) -> str:
    """What may be handed on: as much as the specification asks for, nothing that leaves its line."""
    return baggage if len(baggage) <= BAGGAGE_LIMIT and not UNPRINTABLE.search(baggage) else ""


def _of_opentelemetry() -> TraceContext | None:
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return None
    span = module.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    state = span.trace_state.to_header() if span.trace_state else ""
    return TraceContext(
        f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{int(span.trace_flags):02x}", state, _baggage()
    )


def _baggage() -> str:
    module = sys.modules.get("opentelemetry.baggage")
    if module is None or not module.get_all():
        return ""
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # it is in use, so it is there

    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier)
    return _checked(carrier.get("baggage", ""))
