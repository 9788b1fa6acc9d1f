"""A task at rest looks and talks less often, and never so seldom that it counts as stuck."""

from __future__ import annotations

import pytest

from tidelock.connect.runtime.calm import LONGEST, PROGRESS_INTERVAL, SIGN_OF_LIFE, Rest, Teller, sign_of_life


def test_the_longer_nothing_comes_the_longer_it_waits() -> None:
    rest = Rest(shortest=0.05, since=100.0)

    waits = [rest.wait(100.0 + passed) for passed in (0, 0.5, 1, 2, 4, 5, 1000)]

    assert waits == pytest.approx([0.05, 0.05, 0.05, 0.1, 0.2, LONGEST, LONGEST])


def test_what_moves_wakes_it() -> None:
    rest = Rest(shortest=0.05, since=0.0)
    assert rest.wait(1000.0) == LONGEST

    rest.since = 1000.0

    assert rest.wait(1000.5) == 0.05


@pytest.mark.parametrize(
    ("limits_ms", "expected"),
    [
        ((0, 0), SIGN_OF_LIFE),
        ((90_000, 0), SIGN_OF_LIFE),
        ((90_000, 4_000), 1.0),
        ((0, 1), PROGRESS_INTERVAL),
    ],
)
def test_signs_of_life_come_well_within_the_limits(limits_ms: tuple[int, int], expected: float) -> None:
    assert sign_of_life(*limits_ms) == expected


def test_the_same_progress_is_told_as_a_sign_of_life_only() -> None:
    teller = Teller(sign_of_life=2.0, looked_at=0.0)
    told = []
    for tick in range(1, 101):
        now = tick / 10
        if teller.is_due(now) and teller.is_news(now, {"records": 0 if now < 7 else 1}):
            told.append(now)

    assert told == [0.5, 2.5, 4.5, 6.5, 7.0, 9.0]
