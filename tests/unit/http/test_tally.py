"""What is counted of a process's calls, and that a registry takes every report made of it."""

from __future__ import annotations

import msgspec

from tidelock.discovery.calls import CALLS, CallMap, Report
from tidelock.discovery.instance import Instance
from tidelock.http.breaker import State
from tidelock.http.events import Called, Ejected
from tidelock.http.tally import METHODS, TIMES, Tally

ONE = Instance(app="orders", instance_id="i1", host="h", ip="1")


def called(service: str = "orders", method: str = "GET /orders", **changes: object) -> Called:
    fields = {"instance": ONE, "attempts": 1, "status": 200, "error": None, "seconds": 0.002}
    return Called(service, method, **{**fields, **changes})  # type: ignore[arg-type]  # a test's shorthand


def taken(report: Report | None) -> CallMap:
    assert report is not None
    found = CallMap()
    found.take(msgspec.json.encode(report), 0.0)
    return found


def test_calls_are_counted_by_service_and_method() -> None:
    tally = Tally(0.0)
    for number in range(100):
        tally.called(called(seconds=number / 1000))
    tally.called(called(status=503))
    tally.called(called(status=404))
    tally.called(called(status=None, error="TID-402", instance=None))
    tally.called(called("users", "POST /users"))
    report = tally.report("front", "f1", 10.0, {})
    (orders, users) = taken(report).edges(0.0)
    assert (orders.caller, orders.callee, orders.method) == ("FRONT", "ORDERS", "GET /orders")
    assert (orders.count, orders.errors, orders.rate) == (103, 2, 10.3)
    assert 45 < orders.p50_ms < 55
    assert 95 < orders.p99_ms < 100
    assert (users.method, users.count) == ("POST /users", 1)
    assert tally.report("front", "f1", 20.0, {}) is None


def test_breakers_and_ejections_are_as_they_are_now() -> None:
    tally = Tally(0.0)

    def now(at: float, state: State, group: str = "GET /orders") -> tuple[str, int]:
        tally.called(called())
        report = tally.report("front", "f1", at, {("orders", group): state, ("users", group): State.OPEN})
        (edge,) = taken(report).edges(0.0)
        return edge.breaker, edge.ejected

    tally.ejected(Ejected("orders", ONE, "connection refused", 4.0), 1.0)
    assert now(2.0, State.OPEN) == ("open", 1)
    assert now(6.0, State.HALF_OPEN) == ("half_open", 0)
    assert now(7.0, State.CLOSED) == ("closed", 0)
    assert now(8.0, State.METRICS_ONLY) == ("closed", 0)
    assert now(9.0, State.FORCED_OPEN) == ("open", 0)
    assert now(10.0, State.OPEN, "GET") == ("open", 0)  # calls by URL have a breaker for each verb


def test_whatever_is_called_the_registry_takes_the_report() -> None:
    tally = Tally(0.0)
    for number in range(5 * CALLS):
        tally.called(called(f"s{number % 7}", f"GET /{number}"))
        tally.called(called("x" * 500 + str(number), "y" * 500))
        tally.called(called(f"service {number}"))
    report = tally.report("z" * 500, "i" * 500, 1e9, {("x" * 500, "y" * 500): State.OPEN})
    assert report is not None
    assert len(report.calls) <= CALLS
    assert len([line for line in report.calls if line.method]) == METHODS
    taken(report)
    taken(_once(Tally(5.0), 5.0))


def _once(tally: Tally, now: float) -> Report | None:
    tally.called(called(seconds=0.0))
    return tally.report("a", "", now, {})


def test_times_are_those_of_the_last_calls() -> None:
    tally = Tally(0.0)
    for seconds in (9.0, 0.001):
        for _ in range(TIMES):
            tally.called(called(seconds=seconds))
    report = tally.report("front", "f1", 10.0, {})
    assert report is not None
    assert (report.calls[0].count, report.calls[0].p99_ms) == (2 * TIMES, 1.0)
