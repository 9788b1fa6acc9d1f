"""The deadline of the work that is being done now, handed on from call to call.

`deadline(0.3)` sets it for a block; the ASGI middleware sets it from the caller's header; every call made
inside takes the earlier of it and its own timeout, and tells the next service what is left. Monotonic
seconds; the wire carries the remaining milliseconds, so that clocks need not agree. A context variable, so
tasks inherit it.

Source: Envoy `x-envoy-expected-rq-timeout-ms`; gRPC over HTTP/2, `grpc-timeout`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

from tidelock.runtime import Clock, SystemClock

ENVOY_TIMEOUT = b"x-envoy-expected-rq-timeout-ms"
GRPC_TIMEOUT = b"grpc-timeout"
GRPC_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

_deadline: ContextVar[float] = ContextVar("tidelock_deadline", default=math.inf)


def current_deadline() -> float:
    """Return the deadline in monotonic seconds; infinity when there is none."""
    return _deadline.get()


@contextlib.contextmanager
def deadline(seconds: float, *, clock: Clock | None = None) -> Iterator[None]:
    """Give all calls inside the block together so many seconds; an earlier deadline outside still holds."""
    with deadline_at((clock or SystemClock()).monotonic() + seconds):
        yield


@contextlib.contextmanager
def deadline_at(at: float) -> Iterator[None]:
    """Like `deadline`, with a time in monotonic seconds."""
    token = _deadline.set(min(at, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining_from(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds that a request's headers grant, or None.

    Args:
        headers: lower-case names; what cannot be read counts as absent.
    """
    for name, value in headers:
        if name == ENVOY_TIMEOUT:
            return _number(value.decode("latin-1"), 1e-3)
        if name == GRPC_TIMEOUT:
            text = value.decode("latin-1").strip()
            return _number(text[:-1], GRPC_UNITS.get(text[-1:], math.nan))
    return None


def _number(text: str, unit: float) -> float | None:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or math.isnan(unit):
        return None
    return int(digits) * unit
