"""Hedging: asking a second instance when the first one takes unusually long. No IO, no clock.

Off by default. Only calls that may be repeated are hedged, once, and a hedge is paid from the retry budget,
so that a service that is slow everywhere is not asked twice by everybody. The first good answer counts; the
other attempt is given up, which ends its connection.

Source: Dean and Barroso, "The Tail at Scale" (deferred until the 95th percentile); gRPC A6 (hedgingDelay).
"""

from __future__ import annotations

from tidelock.config import Settings, key


class HedgeSettings(Settings):
    """Whether and when a call is hedged; durations are seconds."""

    enabled: bool = key(default=False, doc="Whether to ask a second instance when the first takes long.")
    delay: float = key(
        default=0.0, at_least=0, doc="When to ask it; 0 is when 95 % of the last calls had an answer."
    )
    minimum_number_of_calls: int = key(
        default=20,
        name="minimumNumberOfCalls",
        at_least=1,
        doc="Answers before the percentile is used; none is hedged until then.",
    )


class Latencies:
    """The durations of the last answers to one kind of call, and their 95th percentile."""

    __slots__ = ("_count", "_next", "_percentile", "_values")

    SIZE = 128
    EVERY = 16
    """Answers between two computations: sorting 128 numbers takes some microseconds."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._next = 0
        self._count = 0
        self._percentile = 0.0

    def add(self, seconds: float) -> None:
        """Note how long an answer took."""
        if len(self._values) < self.SIZE:
            self._values.append(seconds)
        else:
            self._values[self._next] = seconds
            self._next = (self._next + 1) % self.SIZE
        self._count += 1
        if self._count % self.EVERY == 0 or self._count < self.EVERY:
            ordered = sorted(self._values)
            self._percentile = ordered[int(len(ordered) * 0.95)]

    def delay(self, settings: HedgeSettings) -> float | None:
        """Return after how many seconds a call is hedged; None is never."""
        if not settings.enabled:
            return None
        if settings.delay > 0.0:
            return settings.delay
        return self._percentile if self._count >= settings.minimum_number_of_calls else None
