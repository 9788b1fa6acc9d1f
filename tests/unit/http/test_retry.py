"""Budget, pauses and what the server asks for."""

from __future__ import annotations

import pytest

from tidelock.http.exchange import Response
from tidelock.http.retry import Budget, RetrySettings, backoff, retry_after


def test_retries_are_at_most_a_fifth_of_the_calls_plus_the_floor() -> None:
    budget = Budget(0.2, 3.0)
    retries = 0
    for number in range(15_000):  # 30 s at 500 calls a second, all of which fail
        budget.deposit()
        retries += budget.withdraw(number / 500)
    assert retries <= 15_000 * 0.2 + 30 * 3 + Budget.START + 3
    assert retries > 15_000 * 0.2


def test_the_floor_allows_some_without_any_calls() -> None:
    budget = Budget(0.0, 3.0)
    assert [budget.withdraw(0.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.withdraw(1.0) for _ in range(4)] == [True, True, True, False]
    assert budget.withdraw(1.4)


def test_a_quiet_time_is_not_saved_up_for_a_storm() -> None:
    budget = Budget(0.2, 0.0)
    for _ in range(100_000):
        budget.deposit()
    assert budget.tokens == Budget.CAP


def test_pauses_grow_to_a_limit_and_are_drawn_from_zero() -> None:
    settings = RetrySettings()
    bounds = [backoff(settings, retry, lambda: 1.0) for retry in range(1, 9)]
    assert bounds == [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff(settings, 5000, lambda: 0.5) == 0.5
    assert backoff(settings, 3, lambda: 0.0) == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after", b" 0 ")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-3")], None),
        ([(b"retry-after", b"Tue, 24 Nov 2026 07:00:10 GMT")], None),
        (
            [
                (b"date", b"Tue, 24 Nov 2026 07:00:00 GMT"),
                (b"retry-after", b"Tue, 24 Nov 2026 07:00:10 GMT"),
            ],
            10.0,
        ),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(
    headers: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    assert retry_after(Response(503, headers, b"")) == seconds
