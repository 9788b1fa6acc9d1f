"""`/actuator/prometheus`: what this process has called, as text for Prometheus; needs no further package.

Counts begin when somebody asks for the first time, so a process that nobody scrapes pays nothing. `Figures`
does no IO and reads no clock; `scraped` is the process's one. Invariant: beyond `SERIES` pairs of service and
method, calls are counted without their method, so that calls by URL cannot fill the memory.

Source: Prometheus text format 0.0.4; the path is Spring Boot Actuator's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from tidelock import observe
from tidelock.http.breaker import State
from tidelock.http.events import BreakerChanged, Called, Ejected

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
SERIES = 500
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those of OpenTelemetry's semantic conventions."""
STATES = (State.CLOSED, State.OPEN, State.HALF_OPEN)

Labels = tuple[str, ...]


class Figures:
    """Counters of calls, ejections and breakers."""

    def __init__(self) -> None:
        self._pairs: set[tuple[str, str]] = set()
        self._durations: dict[Labels, list[float]] = {}
        self._attempts: dict[Labels, float] = {}
        self._ejections: dict[Labels, float] = {}
        self._breakers: dict[Labels, State] = {}

    def called(self, event: Called) -> None:
        """Count a call; its outcome is its status, else the error's code."""
        pair = self._pair(event.service, event.method)
        outcome = event.error or str(event.status)
        row = self._durations.setdefault((*pair, outcome), [0.0] * (len(BUCKETS) + 2))
        for index, bound in enumerate(BUCKETS):
            row[index] += event.seconds <= bound
        row[-2] += 1
        row[-1] += event.seconds
        self._attempts[pair] = self._attempts.get(pair, 0) + event.attempts

    def ejected(self, event: Ejected) -> None:
        """Count an ejection."""
        labels = (event.service, event.reason)
        self._ejections[labels] = self._ejections.get(labels, 0) + 1

    def changed(self, event: BreakerChanged) -> None:
        """Note the state of a breaker."""
        self._breakers[self._pair(event.service, event.method)] = event.state

    def text(self) -> str:
        """Return everything in Prometheus's text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _pair(self, service: str, method: str) -> tuple[str, str]:
        pair = (service, method)
        if pair not in self._pairs:
            if len(self._pairs) >= SERIES:
                return service, ""
            self._pairs.add(pair)
        return pair

    def _lines(self) -> Iterator[str]:
        name = "tidelock_call_duration_seconds"
        yield from _head(name, "histogram", "Logical calls, with all their attempts, by outcome.")
        for labels, row in self._durations.items():
            given = _labels(("service", "method", "outcome"), labels)
            for bound, count in zip(BUCKETS, row, strict=False):
                yield f'{name}_bucket{{{given},le="{bound:g}"}} {count:g}'
            yield f'{name}_bucket{{{given},le="+Inf"}} {row[-2]:.0f}'
            yield f"{name}_sum{{{given}}} {row[-1]!r}"
            yield f"{name}_count{{{given}}} {row[-2]:.0f}"
        yield from _counter(
            "tidelock_call_attempts_total", "Attempts.", ("service", "method"), self._attempts
        )
        names = ("service", "reason")
        yield from _counter("tidelock_lb_ejections_total", "Instances left out.", names, self._ejections)
        name = "tidelock_lb_breaker_state"
        yield from _head(name, "gauge", "1 for the state that a breaker is in.")
        for labels, current in self._breakers.items():
            for state in STATES:
                given = _labels(("service", "method", "state"), (*labels, state.value))
                yield f"{name}{{{given}}} {int(state is current)}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _counter(name: str, text: str, names: Labels, values: dict[Labels, float]) -> Iterator[str]:
    yield from _head(name, "counter", text)
    for labels, value in values.items():
        yield f"{name}{{{_labels(names, labels)}}} {value:.0f}"


def _labels(names: Labels, values: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Scraped:
    """The process's figures, counted from the first time they are asked for; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._figures: Figures | None = None

    def body(self) -> bytes:
        """Return the body of /actuator/prometheus."""
        with self._lock:
            if self._figures is None:
                self._figures = Figures()
                observe.subscribe(Called, self._called)
                observe.subscribe(Ejected, self._ejected)
                observe.subscribe(BreakerChanged, self._changed)
            return self._figures.text().encode()

    def _called(self, event: Called) -> None:
        with self._lock:
            if self._figures is not None:
                self._figures.called(event)

    def _ejected(self, event: Ejected) -> None:
        with self._lock:
            if self._figures is not None:
                self._figures.ejected(event)

    def _changed(self, event: BreakerChanged) -> None:
        with self._lock:
            if self._figures is not None:
                self._figures.changed(event)


scraped = Scraped()
