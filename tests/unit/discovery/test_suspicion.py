"""When an instance whose stream broke has crashed, and when it is the network."""

import pytest

from tidelock.discovery.suspicion import QUIET, WINDOW, Suspicion, Verdict

KEYS = [("ORDERS", str(number)) for number in range(20)]


def bound(count: int) -> Suspicion:
    suspicion = Suspicion()
    for number in range(count):
        suspicion.bound(number, KEYS[number])
    return suspicion


def test_a_refusal_after_a_break_is_a_crash() -> None:
    suspicion = bound(2)
    assert suspicion.lost(0, 1.0) == (KEYS[0],)
    assert suspicion.since(KEYS[0]) == 1.0
    assert suspicion.verdict(KEYS[0], 1.1, is_refused=True) is Verdict.CRASHED
    assert suspicion.since(KEYS[0]) is None


def test_no_refusal_is_no_crash() -> None:
    suspicion = bound(1)
    suspicion.lost(0, 1.0)
    assert suspicion.verdict(KEYS[0], 1.1, is_refused=False) is Verdict.ALIVE


def test_a_new_stream_ends_the_suspicion() -> None:
    suspicion = bound(1)
    suspicion.lost(0, 1.0)
    suspicion.bound(7, KEYS[0])
    assert suspicion.verdict(KEYS[0], 1.1, is_refused=True) is Verdict.BACK


def test_an_instance_with_another_stream_is_not_suspect() -> None:
    suspicion = bound(1)
    suspicion.bound(7, KEYS[0])
    assert suspicion.lost(0, 1.0) == ()
    assert suspicion.lost(7, 1.0) == (KEYS[0],)


def test_who_left_is_not_suspect() -> None:
    suspicion = bound(1)
    suspicion.release(KEYS[0])
    assert suspicion.lost(0, 1.0) == ()


@pytest.mark.parametrize(
    ("instances", "broken", "verdict"),
    [
        (3, 2, Verdict.CRASHED),  # fewer than three
        (3, 3, Verdict.CUT_OFF),
        (20, 3, Verdict.CRASHED),  # exactly 15 %
        (19, 3, Verdict.CUT_OFF),
        (20, 4, Verdict.CUT_OFF),
    ],
)
def test_many_breaks_at_once_are_the_network(instances: int, broken: int, verdict: Verdict) -> None:
    suspicion = bound(instances)
    for number in range(broken):
        suspicion.lost(number, 1.0)
    verdicts = [suspicion.verdict(KEYS[number], 1.1, is_refused=True) for number in range(broken)]
    assert verdicts == [verdict] * broken


def test_breaks_one_after_the_other_are_crashes() -> None:
    suspicion = bound(4)
    for number in range(3):
        now = number * (WINDOW + 0.2)
        suspicion.lost(number, now)
        assert suspicion.verdict(KEYS[number], now + 0.1, is_refused=True) is Verdict.CRASHED


def test_reports_of_one_instance_are_limited() -> None:
    suspicion = Suspicion()
    assert suspicion.reported(KEYS[0], 1.0)
    assert not suspicion.reported(KEYS[0], 1.1)
    assert suspicion.reported(KEYS[1], 1.1)
    assert suspicion.verdict(KEYS[0], 1.2, is_refused=False) is Verdict.ALIVE
    assert not suspicion.reported(KEYS[0], 1.3)
    assert suspicion.reported(KEYS[0], 1.1 + QUIET)
