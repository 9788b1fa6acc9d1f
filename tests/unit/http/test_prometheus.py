"""Prometheus's text: what it says, how it is written, and that it stays small."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tidelock import observe
from tidelock.http.announcing import actuator_paths
from tidelock.http.breaker import State
from tidelock.http.events import BreakerChanged, Called, Ejected
from tidelock.http.prometheus import SERIES, Figures, Scraped
from tidelock.http.source import instance_at

ONE = instance_at("orders", "http://127.0.0.1:1")
LINE = re.compile(
    r'(# (HELP|TYPE) [a-z_]+ .+)|([a-z_]+\{([a-z]+="([^"\\\n]|\\\\|\\"|\\n)*",?)*\} [0-9.e+-]+)'
)


def call(method: str, seconds: float, *, status: int | None = 200, error: str | None = None) -> Called:
    return Called("orders", method, ONE, 2, status, error, seconds)


def test_calls_ejections_and_breakers_are_counted() -> None:
    figures = Figures()
    figures.called(call("GET /orders/{id}", 0.02))
    figures.called(call("GET /orders/{id}", 20.0))
    figures.called(call("GET /orders/{id}", 0.3, status=None, error="TID-403"))
    figures.ejected(Ejected("orders", ONE, "connection refused", 1.0))
    figures.changed(BreakerChanged("orders", "GET /orders/{id}", State.OPEN))
    lines = figures.text().splitlines()
    labels = 'service="orders",method="GET /orders/{id}"'
    assert f'tidelock_call_duration_seconds_bucket{{{labels},outcome="200",le="0.01"}} 0' in lines
    assert f'tidelock_call_duration_seconds_bucket{{{labels},outcome="200",le="0.025"}} 1' in lines
    assert f'tidelock_call_duration_seconds_bucket{{{labels},outcome="200",le="10"}} 1' in lines
    assert f'tidelock_call_duration_seconds_bucket{{{labels},outcome="200",le="+Inf"}} 2' in lines
    assert f'tidelock_call_duration_seconds_sum{{{labels},outcome="200"}} 20.02' in lines
    assert f'tidelock_call_duration_seconds_count{{{labels},outcome="TID-403"}} 1' in lines
    assert f"tidelock_call_attempts_total{{{labels}}} 6" in lines
    assert 'tidelock_lb_ejections_total{service="orders",reason="connection refused"} 1' in lines
    assert f'tidelock_lb_breaker_state{{{labels},state="OPEN"}} 1' in lines
    assert f'tidelock_lb_breaker_state{{{labels},state="CLOSED"}} 0' in lines
    assert all(LINE.fullmatch(line) for line in lines)


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_name_is_its_line_stays_one(service: str, method: str) -> None:
    figures = Figures()
    figures.called(Called(service, method, None, 0, None, "TID-404", 0.0))
    text = figures.text()
    assert text.endswith("\n")
    assert all(LINE.fullmatch(line) for line in text[:-1].split("\n"))


def test_calls_by_url_cannot_fill_the_memory() -> None:
    figures = Figures()
    for number in range(SERIES + 100):
        figures.called(call(f"GET /orders/{number}", 0.01))
    counts = re.findall(r'_count\{service="orders",method="(.*?)",outcome="200"\} (\d+)', figures.text())
    assert len(counts) == SERIES + 1
    assert counts[-1] == ("", "100")


def test_it_is_exposed_as_spring_s_key_says() -> None:
    variable = "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE"
    assert "/actuator/prometheus" not in actuator_paths({})
    assert "/actuator/prometheus" not in actuator_paths({variable: "health,info"})
    for included in ("*", "health, Prometheus"):
        assert "/actuator/prometheus" in actuator_paths({variable: included})
    assert actuator_paths({}) == {"/actuator/health", "/actuator/info"}


def test_counting_begins_when_somebody_asks() -> None:
    scraped = Scraped()
    observe.emit(call("GET /a", 0.1))
    assert b"GET /a" not in scraped.body()
    observe.emit(call("GET /a", 0.1))
    observe.emit(Ejected("orders", ONE, "x", 1.0))
    observe.emit(BreakerChanged("orders", "GET /a", State.HALF_OPEN))
    body = scraped.body().decode()
    assert 'attempts_total{service="orders",method="GET /a"} 2' in body
    assert 'ejections_total{service="orders",reason="x"} 1' in body
    assert 'state="HALF_OPEN"} 1' in body
