"""The breaker's window against a plain list, and the breaker against its own promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidelock.http.breaker import BreakerSettings, CircuitBreaker, State, TimedWindow, Window


@given(st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.booleans()), max_size=80))
def test_the_window_is_the_last_outcomes(size: int, outcomes: list[tuple[bool, bool]]) -> None:
    window = Window(size)
    for failed, slow in outcomes:
        window.record(failed, slow, 0.0)
    last = outcomes[-size:]
    assert window.filled == len(last)
    assert window.failed == sum(failed for failed, _ in last)
    assert window.slow == sum(slow for _, slow in last)


@given(
    st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 30.0)), max_size=80)
)
def test_the_timed_window_is_the_outcomes_of_the_last_seconds(
    seconds: int, outcomes: list[tuple[bool, bool, float]]
) -> None:
    window, now = TimedWindow(seconds), 1_000_000.5  # a machine that has been up for days
    seen: list[tuple[bool, bool, int]] = []
    for failed, slow, pause in outcomes:
        now += pause
        window.record(failed, slow, now)
        seen.append((failed, slow, int(now)))
    last = [(failed, slow) for failed, slow, second in seen if second > int(now) - seconds]
    assert window.filled == len(last)
    assert window.failed == sum(failed for failed, _ in last)
    assert window.slow == sum(slow for _, slow in last)


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "give up"]), st.floats(0, 3)), max_size=200))
def test_it_never_blocks_for_good_and_never_admits_while_open(steps: list[tuple[str, float]]) -> None:
    settings = BreakerSettings(
        sliding_window_size=6,
        minimum_number_of_calls=3,
        wait_duration_in_open_state=2.0,
        permitted_number_of_calls_in_half_open_state=2,
    )
    breaker, now = CircuitBreaker(settings), 0.0
    for outcome, pause in steps:
        now += pause
        was_open = breaker.state is State.OPEN and now < breaker.until
        admitted = breaker.acquire(now)
        assert admitted is not was_open  # one call at a time always gets a permit unless it is open
        if not admitted:
            continue
        if outcome == "give up":
            breaker.release()
        else:
            breaker.record(outcome == "fail", 0.1, now)
    assert breaker.acquire(now + 2.0)
