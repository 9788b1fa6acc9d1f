"""Who calls whom: reports in, one map out."""

import msgspec
import pytest

from tidelock.discovery import calls
from tidelock.discovery.calls import WINDOW, CallMap
from tidelock.discovery.codec.fields import BadDocumentError


def report(caller: str = "users", instance: str = "a", seconds: float = 10.0, **line: object) -> bytes:
    found = {"callee": "orders", "count": 100, **line}
    return msgspec.json.encode({"caller": caller, "instance": instance, "seconds": seconds, "calls": [found]})


def test_instances_of_a_caller_add_up() -> None:
    found = CallMap()
    found.take(report(errors=1, p50_ms=1.0, p99_ms=5.0), 0.0)
    found.take(report(instance="b", count=300, p50_ms=2.0, p99_ms=9.0, breaker="half_open", ejected=2), 1.0)
    (edge,) = found.edges(1.0)
    assert (edge.caller, edge.callee, edge.instances) == ("USERS", "ORDERS", 2)
    assert (edge.rate, edge.count, edge.errors) == (40.0, 400, 1)
    assert (edge.p50_ms, edge.p99_ms) == (1.75, 9.0)
    assert (edge.breaker, edge.ejected) == ("half_open", 2)


def test_rates_are_those_of_the_window_and_breakers_those_of_now() -> None:
    found = CallMap()
    found.take(report(breaker="open"), 0.0)
    found.take(report(count=300), 10.0)
    (edge,) = found.edges(10.0)
    assert (edge.rate, edge.breaker) == (20.0, "closed")
    (later,) = found.edges(WINDOW + 5)
    assert later.rate == 30.0
    assert found.edges(WINDOW + 11) == []


def test_methods_are_told_apart_or_put_together() -> None:
    found = CallMap()
    found.take(report(method="GET /a"), 0.0)
    found.take(report(method="GET /b"), 10.0)
    assert [edge.method for edge in found.edges(10.0)] == ["GET /a", "GET /b"]
    assert [(edge.method, edge.count) for edge in found.edges(10.0, by_method=False)] == [("", 200)]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "SOURCES", 3)
    found = CallMap()
    for number in range(5):
        found.take(report(caller=f"c{number}"), 0.0)
    assert [edge.caller for edge in found.edges(0.0)] == ["C2", "C3", "C4"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"caller":"","calls":[]}',
        report(callee=""),
        report(seconds=0.0),
        report(seconds=float("inf")),
        report(count=-1),
        report(errors=101),
        report(p99_ms=-1.0),
        report(breaker="broken"),
        report(ejected=-1),
        report(unknown=1),
        msgspec.json.encode({"caller": "c", "calls": [{"callee": "o", "count": 1}] * 201}),
    ],
)
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(BadDocumentError, match="not a report of calls"):
        CallMap().take(body, 0.0)


def test_lines_of_all_sources_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LINES", 5)
    found = CallMap()
    for number in range(20):
        found.take(report(instance=str(number)), float(number) / 10)
    (edge,) = found.edges(2.0)
    assert edge.instances == 5


def test_a_long_name_is_refused() -> None:
    with pytest.raises(BadDocumentError, match="more than 200 characters"):
        CallMap().take(report(method="x" * 201), 0.0)


def test_the_map_is_put_together_once_a_second() -> None:
    found = CallMap()
    found.take(report(), 0.0)
    first = found.edges(0.0)
    found.take(report(instance="b"), 0.5)
    assert found.edges(0.9) is first
    assert found.edges(1.0)[0].instances == 2
