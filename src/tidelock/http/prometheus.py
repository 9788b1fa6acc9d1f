"""`/actuator/prometheus`: what this process has called, as text for Prometheus; needs no further package.

Counts begin when somebody asks for the first time, so a process that nobody scrapes pays nothing; breakers
are told as they are just then. `Figures` does no IO and reads no clock; `scraped` is the process's one.
Invariant: whatever is called, there are no more rows than the limits below allow. Beyond `METHODS` calls are
counted by service alone, beyond `SERVICES` without it, so that calls by URL cannot fill the memory.

Source: Prometheus text format 0.0.4; the path is Spring Boot Actuator's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from tidelock import observe
from tidelock.discovery.calls import NAME_LENGTH
from tidelock.http.breaker import State
from tidelock.http.events import Called, Ejected
from tidelock.http.services import KNOWN

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
METHODS = 500
"""Pairs of service and method that have rows of their own; the same for breakers."""

SERVICES = 100
"""Services that have a row for their other methods, and rows for their ejections."""

OUTCOMES = 50
"""Statuses and errors that are told apart: the other side chooses them."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those of OpenTelemetry's semantic conventions."""

REST = ""
"""Stands for all names that have no row of their own."""

Labels = tuple[str, ...]


class _First:
    """The first so many of something; the others share a row."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: set[str | Labels] = set()

    def has(self, one: str | Labels) -> bool:
        """Whether it is one of them; it becomes one while there is room."""
        if one in self._taken:
            return True
        if len(self._taken) >= self._limit:
            return False
        self._taken.add(one)
        return True


class Figures:
    """Counters of calls and ejections."""

    def __init__(self) -> None:
        self._methods = _First(METHODS)
        self._services = _First(SERVICES)
        self._ejecting = _First(SERVICES)
        self._outcomes = _First(OUTCOMES)
        self._durations: dict[Labels, list[float]] = {}
        self._attempts: dict[Labels, float] = {}
        self._ejections: dict[Labels, float] = {}

    def called(self, event: Called) -> None:
        """Count a call; its outcome is its status, else the error's code."""
        pair = self._pair(event.service[:NAME_LENGTH], event.method[:NAME_LENGTH])
        outcome = event.error or str(event.status)
        if not self._outcomes.has(outcome):
            outcome = REST
        row = self._durations.setdefault((*pair, outcome), [0.0] * (len(BUCKETS) + 2))
        for index, bound in enumerate(BUCKETS):
            row[index] += event.seconds <= bound
        row[-2] += 1
        row[-1] += event.seconds
        self._attempts[pair] = self._attempts.get(pair, 0) + event.attempts

    def ejected(self, event: Ejected) -> None:
        """Count an ejection."""
        service = event.service[:NAME_LENGTH]
        labels = (service if self._ejecting.has(service) else REST, event.reason)
        self._ejections[labels] = self._ejections.get(labels, 0) + 1

    def text(self, breakers: Mapping[tuple[str, str], State]) -> str:
        """Return everything in Prometheus's text format.

        Args:
            breakers: service and group of calls -> state of the breaker now; beyond METHODS they are left
                out, since breakers have no sum.
        """
        return "".join(f"{line}\n" for line in self._lines(breakers))

    def _pair(self, service: str, method: str) -> tuple[str, str]:
        if self._methods.has((service, method)):
            return service, method
        return (service if self._services.has(service) else REST), REST

    def _lines(self, breakers: Mapping[tuple[str, str], State]) -> Iterator[str]:
        name = "tidelock_call_duration_seconds"
        yield from _head(name, "histogram", "Logical calls, with all their attempts, by outcome.")
        for labels, row in self._durations.items():
            given = _labels(("service", "method", "outcome"), labels)
            for bound, count in zip(BUCKETS, row, strict=False):
                yield f'{name}_bucket{{{given},le="{bound:g}"}} {count:.0f}'
            yield f'{name}_bucket{{{given},le="+Inf"}} {row[-2]:.0f}'
            yield f"{name}_sum{{{given}}} {row[-1]!r}"
            yield f"{name}_count{{{given}}} {row[-2]:.0f}"
        yield from _counter(
            "tidelock_call_attempts_total", "Attempts.", ("service", "method"), self._attempts
        )
        names = ("service", "reason")
        yield from _counter("tidelock_lb_ejections_total", "Instances left out.", names, self._ejections)
        yield from _gauges(breakers)


def _gauges(breakers: Mapping[tuple[str, str], State]) -> Iterator[str]:
    name = "tidelock_lb_breaker_state"
    yield from _head(name, "gauge", "1 for the state that a breaker is in.")
    cut = {
        (service[:NAME_LENGTH], group[:NAME_LENGTH]): state for (service, group), state in breakers.items()
    }
    for labels, current in list(cut.items())[:METHODS]:
        for state in State:
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
        breakers = KNOWN.breakers()
        with self._lock:
            if self._figures is None:
                self._figures = Figures()
                observe.subscribe(Called, self._called)
                observe.subscribe(Ejected, self._ejected)
            return self._figures.text(breakers).encode()

    def _called(self, event: Called) -> None:
        with self._lock:
            if self._figures is not None:
                self._figures.called(event)

    def _ejected(self, event: Ejected) -> None:
        with self._lock:
            if self._figures is not None:
                self._figures.ejected(event)


scraped = Scraped()
