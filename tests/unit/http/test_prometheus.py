"""Prometheus's text: what it says, how it is written, and that it stays small."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock import http, observe
from tidelock.http.announcing import actuator_paths
from tidelock.http.breaker import BreakerSettings, State
from tidelock.http.events import Called, Ejected
from tidelock.http.prometheus import METHODS, OUTCOMES, SERVICES, Figures, Scraped
from tidelock.http.source import instance_at
from tidelock.testing import chaos, connect, virtual_time

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
    lines = figures.text({("orders", "GET /orders/{id}"): State.OPEN}).splitlines()
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
    text = figures.text({})
    assert text.endswith("\n")
    assert all(LINE.fullmatch(line) for line in text[:-1].split("\n"))


def test_calls_by_url_cannot_fill_the_memory() -> None:
    figures = Figures()
    for number in range(METHODS + 100):
        figures.called(call(f"GET /orders/{number}", 0.01))
    counts = re.findall(r'_count\{service="orders",method="(.*?)",outcome="200"\} (\d+)', figures.text({}))
    assert len(counts) == METHODS + 1
    assert counts[-1] == ("", "100")


def test_nor_can_calls_to_ever_more_hosts() -> None:
    figures, breakers = Figures(), {}
    for number in range(5000):
        host = f"{number}." + "x" * 500
        figures.called(Called(host, "GET /" + "y" * 50_000, ONE, 2, 200 + number % 400, None, 0.01))
        figures.ejected(Ejected(host, ONE, "connection refused", 1.0))
        breakers[host, "GET"] = State.CLOSED
    lines = figures.text(breakers).splitlines()
    counts = [line for line in lines if "_seconds_count{" in line]
    assert len(counts) <= METHODS + (SERVICES + 1) * (OUTCOMES + 1)
    assert sum(int(line.rpartition(" ")[2]) for line in counts) == 5000
    assert len([line for line in lines if "_attempts_total{" in line]) == METHODS + SERVICES + 1
    assert 'tidelock_lb_ejections_total{service="",reason="connection refused"} 4900' in lines
    assert len([line for line in lines if "_breaker_state{" in line]) == METHODS * len(State)
    assert len(max(lines, key=len)) < 600


def test_after_a_million_calls_every_one_still_counts() -> None:
    figures, event = Figures(), call("GET /a", 0.02)
    figures.called(event)
    row = next(iter(figures._durations.values()))
    row[2:-1] = [1_234_567.0 + index for index in range(len(row) - 3)]
    figures.called(event)
    counts = [line.rpartition(" ")[2] for line in figures.text({}).splitlines() if "_bucket{" in line]
    assert counts == ["0", "0", *(str(1_234_568 + index) for index in range(len(row) - 3))]


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
    body = scraped.body().decode()
    assert 'attempts_total{service="orders",method="GET /a"} 2' in body
    assert 'ejections_total{service="orders",reason="x"} 1' in body


@http.api("breaking", path="/breaking")
class Breaking:
    @http.get()
    async def get(self) -> str:
        raise NotImplementedError


async def healthy(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b'"good"'})  # type: ignore[operator]


def breaker_states() -> dict[str, int]:
    """Which state a first scrape sees a breaker of ours in."""
    row = r'tidelock_lb_breaker_state\{service="breaking",method="GET /breaking",state="(.*?)"\} (\d)'
    return {state: int(count) for state, count in re.findall(row, Scraped().body().decode()) if count != "0"}


def test_a_breaker_is_as_it_is_at_the_moment_also_before_anybody_asked() -> None:
    policy = http.Policy(
        breaker=BreakerSettings(minimum_number_of_calls=5, permitted_number_of_calls_in_half_open_state=2)
    )
    changes: list[State] = []

    async def run() -> None:
        first, second = (connect(Breaking, {"i-1": healthy}, policy=policy) for _ in range(2))
        assert breaker_states() == {}
        assert await second.get() == "good"
        assert breaker_states() == {"CLOSED": 1}
        with chaos(first, error=1.0):
            for _ in range(5):
                with pytest.raises(http.StatusError):
                    await first.get()
        assert breaker_states() == {"OPEN": 1}  # of two clients' breakers the worst
        await asyncio.sleep(10.0)
        assert await first.get() == "good"
        assert breaker_states() == {"HALF_OPEN": 1}
        assert changes == [State.OPEN, State.HALF_OPEN]
        assert await first.get() == "good"
        assert breaker_states() == {"CLOSED": 1}

    end = observe.subscribe(http.BreakerChanged, lambda event: changes.append(event.state))
    try:
        with virtual_time() as time:
            time.run(run())
    finally:
        end()
    assert changes == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    gc.collect()
    assert breaker_states() == {}  # it is gone with its client
