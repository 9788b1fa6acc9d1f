"""Who calls whom: aggregates that callers send every ten seconds, put together. No IO, no clock.

A report says what one instance of a caller did since its last report. The map shows the last `WINDOW`
seconds: rates are summed over a caller's instances, the slowest p99 and the worst breaker state count. May
import `codec.fields`. Invariants: the map never holds more than `SOURCES` callers' instances and `LINES`
lines of names no longer than `NAME_LENGTH`; who falls silent disappears after `WINDOW` seconds; the map is
put together at most once per `REFRESH`, however many pages ask for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from tidelock.discovery.codec.fields import BadDocumentError

WINDOW = 30.0
SOURCES = 1000
CALLS = 200
REPORTS = 30
"""Reports of one source that are held: one a second at most within WINDOW."""

LINES = 20_000
"""Lines held of all sources together, some 10 MB; beyond, whoever reported least lately is dropped."""

NAME_LENGTH = 200
"""Characters of a caller's, a callee's, a method's name and of an instance id."""

REFRESH = 1.0
"""Seconds for which a map that was put together is shown again."""

BREAKERS = ("closed", "half_open", "open")
"""From best to worst."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an instance of a caller did to one service since its last report.

    Args:
        callee: the service called.
        method: what was called, e.g. `GET /orders/{id}`; empty for all.
        count: calls that ended.
        errors: of these, those that failed for the caller.
        p50_ms: median of their times.
        p99_ms: 99 % took less.
        breaker: state of the circuit breaker now: closed, half_open or open.
        ejected: instances that the caller leaves out now.
    """

    callee: str
    count: int
    method: str = ""
    errors: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    breaker: str = "closed"
    ejected: int = 0


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an instance of a caller did since its last report.

    Args:
        caller: its service's name.
        instance: its instance id; empty when it is not registered.
        seconds: since its last report.
        calls: by callee and method.
    """

    caller: str
    calls: list[Line]
    instance: str = ""
    seconds: float = 10.0


class Edge(msgspec.Struct, frozen=True):
    """What the map shows of one caller, callee and method.

    Args:
        instances: of the caller that reported.
        rate: calls per second.
        count: calls within the window.
        errors: of these, those that failed.
        p50_ms: mean of the medians, by number of calls.
        p99_ms: the slowest reported.
        breaker: the worst reported last.
        ejected: the most reported last.
    """

    caller: str
    callee: str
    method: str
    instances: int
    rate: float
    count: int
    errors: int
    p50_ms: float
    p99_ms: float
    breaker: str
    ejected: int


@dataclass(slots=True)
class _Source:
    reports: deque[tuple[float, Report]] = field(default_factory=deque)


@dataclass(slots=True)
class CallMap:
    """The reports of the last `WINDOW` seconds."""

    _sources: dict[tuple[str, str], _Source] = field(default_factory=dict)
    _lines: int = 0
    _drawn: dict[bool, tuple[float, list[Edge]]] = field(default_factory=dict)

    def take(self, body: bytes, now: float) -> None:
        """Take a report.

        Raises:
            BadDocumentError: it is none.
        """
        try:
            report = msgspec.json.decode(body, type=Report)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadDocumentError(f"not a report of calls: {error}") from None
        problem = _problem(report)
        if problem:
            raise BadDocumentError(f"not a report of calls: {problem}")
        self._forget(now)
        key = (report.caller.upper(), report.instance)
        source = self._sources.pop(key, None) or _Source()
        self._sources[key] = source  # who reported last stands last
        if len(source.reports) == REPORTS:
            self._drop(source)
        source.reports.append((now, report))
        self._lines += len(report.calls)
        while len(self._sources) > SOURCES or self._lines > LINES:
            stalest = self._sources.pop(next(iter(self._sources)))
            while stalest.reports:
                self._drop(stalest)

    def _drop(self, source: _Source) -> None:
        _, report = source.reports.popleft()
        self._lines -= len(report.calls)

    def edges(self, now: float, *, by_method: bool = True) -> list[Edge]:
        """Return the map, sorted by caller, callee and method."""
        drawn_at, drawn = self._drawn.get(by_method, (-WINDOW, []))
        if 0.0 <= now - drawn_at < REFRESH:
            return drawn
        self._forget(now)
        grouped: dict[tuple[str, str, str], list[_Share]] = {}
        for (caller, _), source in self._sources.items():
            for (callee, method), share in _shares(source, by_method).items():
                grouped.setdefault((caller, callee, method), []).append(share)
        edges = [_edge(key, grouped[key]) for key in sorted(grouped)]
        self._drawn[by_method] = (now, edges)
        return edges

    def _forget(self, now: float) -> None:
        for key, source in list(self._sources.items()):
            while source.reports and source.reports[0][0] < now - WINDOW:
                self._drop(source)
            if not source.reports:
                del self._sources[key]


@dataclass(slots=True)
class _Share:
    """One instance's part of an edge."""

    seconds: float
    lines: list[Line] = field(default_factory=list)
    latest: list[Line] = field(default_factory=list)


def _shares(source: _Source, by_method: bool) -> dict[tuple[str, str], _Share]:
    seconds = sum(report.seconds for _, report in source.reports)
    last = source.reports[-1][1]
    shares: dict[tuple[str, str], _Share] = {}
    for _, report in source.reports:
        for line in report.calls:
            key = (line.callee.upper(), line.method if by_method else "")
            share = shares.setdefault(key, _Share(seconds))
            share.lines.append(line)
            if report is last:
                share.latest.append(line)
    return shares


def _edge(key: tuple[str, str, str], shares: list[_Share]) -> Edge:
    lines = [line for share in shares for line in share.lines]
    latest = [line for share in shares for line in share.latest]
    count = sum(line.count for line in lines)
    return Edge(
        *key,
        instances=len(shares),
        rate=sum(sum(line.count for line in share.lines) / share.seconds for share in shares),
        count=count,
        errors=sum(line.errors for line in lines),
        p50_ms=sum(line.p50_ms * line.count for line in lines) / count if count else 0.0,
        p99_ms=max((line.p99_ms for line in lines), default=0.0),
        breaker=_worst(line.breaker for line in latest),
        ejected=max((line.ejected for line in latest), default=0),
    )


def _worst(states: Iterable[str]) -> str:
    return max(states, key=BREAKERS.index, default=BREAKERS[0])


def _problem(report: Report) -> str | None:
    if not report.caller or not all(line.callee for line in report.calls):
        return "caller and callee have names"
    names = (report.caller, report.instance, *(one for c in report.calls for one in (c.callee, c.method)))
    if max(map(len, names)) > NAME_LENGTH:
        return f"a name has more than {NAME_LENGTH} characters"
    if len(report.calls) > CALLS:
        return f"it has more than {CALLS} calls"
    if not 0.0 < report.seconds <= 3600.0:
        return "seconds lies between 0 and 3600"
    for line in report.calls:
        if not 0 <= line.errors <= line.count < 1 << 53 or not 0 <= line.ejected < 1 << 31:
            return "count, errors and ejected are numbers from 0, and errors are counted in count"
        if not (0.0 <= line.p50_ms < 1e9 and 0.0 <= line.p99_ms < 1e9):
            return "p50_ms and p99_ms are milliseconds"
        if line.breaker not in BREAKERS:
            return f"breaker is one of {', '.join(BREAKERS)}"
    return None
