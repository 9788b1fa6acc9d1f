"""The circuit breaker: window, states, permits."""

from __future__ import annotations

import pytest

from tidelock.http.breaker import BreakerSettings, CircuitBreaker, State, Window


def breaker(**settings: float) -> CircuitBreaker:
    defaults: dict[str, float] = {
        "minimum_number_of_calls": 4,
        "sliding_window_size": 10,
        "permitted_number_of_calls_in_half_open_state": 2,
    }
    return CircuitBreaker(BreakerSettings(**{**defaults, **settings}))  # type: ignore[arg-type]  # ints as floats


def fail(made: CircuitBreaker, times: int, now: float = 0.0) -> list[State | None]:
    return [made.record(True, 0.1, now) for _ in range(times) if made.acquire(now)]


def test_the_defaults_are_resilience4js_but_for_two() -> None:
    settings = BreakerSettings()
    assert (settings.failure_rate_threshold, settings.sliding_window_size) == (50.0, 100)
    assert (settings.minimum_number_of_calls, settings.wait_duration_in_open_state) == (20, 10.0)
    assert BreakerSettings.parse({"slidingWindowSize": "7"}).sliding_window_size == 7


def test_it_opens_at_the_threshold_but_not_before_the_minimum() -> None:
    made = breaker()
    assert fail(made, 3) == [None] * 3
    assert made.failure_rate is None
    assert fail(made, 1) == [State.OPEN]
    assert not made.acquire(9.99)
    assert made.until == 10.0


def test_old_outcomes_fall_out_of_the_window() -> None:
    made = breaker(failure_rate_threshold=80)
    fail(made, 3)
    for _ in range(20):
        made.record(False, 0.1, 0.0)
    assert made.failure_rate == 0.0
    assert made.state is State.CLOSED


def test_half_open_admits_its_permits_and_closes_when_they_succeed() -> None:
    made = breaker()
    fail(made, 4)
    assert [made.acquire(10.0) for _ in range(3)] == [True, True, False]
    assert made.state is State.HALF_OPEN
    assert made.record(False, 0.1, 10.1) is None
    assert made.record(False, 0.1, 10.2) is State.CLOSED
    assert made.acquire(10.3)


def test_half_open_opens_again_when_they_fail() -> None:
    made = breaker()
    fail(made, 4)
    assert made.acquire(10.0)
    assert made.acquire(10.0)
    assert made.record(False, 0.1, 11.0) is None
    assert made.record(True, 0.1, 11.0) is State.OPEN
    assert made.until == 21.0


def test_a_call_given_up_gives_its_permit_back() -> None:
    made = breaker(permitted_number_of_calls_in_half_open_state=1)
    fail(made, 4)
    assert made.acquire(10.0)
    assert not made.acquire(10.0)
    made.release()
    assert made.acquire(10.0)


def test_slow_calls_open_it_too() -> None:
    made = breaker(slow_call_duration_threshold=2.0, slow_call_rate_threshold=50)
    outcomes = [made.record(False, 3.0, 0.0) for _ in range(4)]
    assert outcomes[-1] is State.OPEN


def test_an_answer_from_before_it_opened_changes_nothing() -> None:
    made = breaker()
    fail(made, 4)
    assert made.record(False, 0.1, 1.0) is None
    assert made.state is State.OPEN


@pytest.mark.parametrize(
    ("state", "admits"), [(State.DISABLED, True), (State.METRICS_ONLY, True), (State.FORCED_OPEN, False)]
)
def test_fixed_states_stay(state: State, admits: bool) -> None:
    made = CircuitBreaker(BreakerSettings.parse({"initialState": state.value}))
    assert made.acquire(1e9) is admits
    for _ in range(20):
        made.record(True, 0.1, 0.0)
    assert made.state is state
    assert (made.failure_rate == 100.0) is (state is State.METRICS_ONLY)


def test_the_window_keeps_exact_sums() -> None:
    window = Window(3)
    for failed, slow in [(True, True), (False, True), (True, False), (False, False), (False, True)]:
        window.record(failed, slow, 0.0)
    assert (window.filled, window.failed, window.slow) == (3, 1, 1)


def test_a_window_of_seconds_forgets_what_is_older() -> None:
    settings = BreakerSettings(
        sliding_window_type="TIME_BASED", sliding_window_size=10, minimum_number_of_calls=4
    )
    breaker = CircuitBreaker(settings)
    for now in (0.0, 1.0, 2.0):
        assert breaker.record(True, 0.1, now) is None
    assert breaker.record(True, 0.1, 12.5) is None  # the first three are more than ten seconds old
    for now in (13.0, 14.0):
        assert breaker.record(True, 0.1, now) is None
    assert breaker.record(True, 0.1, 15.0) is State.OPEN
