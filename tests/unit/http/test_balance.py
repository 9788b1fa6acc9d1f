"""Balancing and ejection: who gets the next call, who does not, and how they come back."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tidelock.discovery.instance import Instance
from tidelock.http.balance import BalanceSettings, EjectionSettings, Peers
from tidelock.http.pickers import LeastInFlight, Random, RoundRobin


def instance(name: str, port: int = 80, dirty: int = 0) -> Instance:
    return Instance(
        app="orders",
        instance_id=name,
        host="127.0.0.1",
        ip="127.0.0.1",
        port=port,
        last_dirty_timestamp=dirty,
    )


def peers(count: int, **settings: float) -> Peers:
    made = Peers(EjectionSettings(**settings), LeastInFlight())  # type: ignore[arg-type]  # floats only here
    made.update([instance(f"i{number}", 8000 + number) for number in range(count)])
    return made


DRAW = random.Random(7).random


def test_the_less_loaded_of_two_is_chosen() -> None:
    made = peers(2)
    busy, calm = made
    busy.in_flight = 3
    assert {made.pick(0.0, DRAW) for _ in range(20)} == {calm}


def test_power_of_two_draws_every_pair_alike() -> None:
    made = list(peers(4))
    chosen = Counter(LeastInFlight().pick(made, DRAW, 0.0).instance.instance_id for _ in range(4000))
    assert all(count == pytest.approx(1000, rel=0.15) for count in chosen.values())
    made[2].in_flight = 1  # now it loses against each other one
    assert made[2] not in {LeastInFlight().pick(made, DRAW, 0.0) for _ in range(500)}


def test_round_robin_takes_each_in_turn_from_a_random_start() -> None:
    made = list(peers(3))
    picker = RoundRobin()
    first = [picker.pick(made, DRAW, 0.0) for _ in range(6)]
    assert first[:3] == first[3:]
    assert len(set(first)) == 3


def test_random_takes_any() -> None:
    made = list(peers(3))
    assert {Random().pick(made, DRAW, 0.0) for _ in range(60)} == set(made)


def test_no_instance_is_none() -> None:
    assert peers(0).pick(0.0, DRAW) is None


def test_a_refused_connection_ejects_at_once_for_a_second_and_doubles_to_thirty() -> None:
    made = peers(3)
    gone = next(iter(made))
    now, seconds = 0.0, []
    for _ in range(7):
        seconds.append(made.failed(gone, True, now))
        now = gone.ejected_until
    assert seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert gone not in {made.pick(now - 0.1, DRAW) for _ in range(50)}


def test_failures_count_only_in_a_row() -> None:
    made = peers(3, consecutive_5xx=5)
    bad = next(iter(made))
    assert [made.failed(bad, False, 0.0) for _ in range(4)] == [None] * 4
    made.succeeded(bad, 0.0)
    assert [made.failed(bad, False, 0.0) for _ in range(5)] == [None, None, None, None, 1.0]


def test_while_ejected_late_failures_do_not_prolong_it() -> None:
    made = peers(3)
    gone = next(iter(made))
    made.failed(gone, True, 0.0)
    assert made.failed(gone, True, 0.5) is None
    assert gone.ejected_until == 1.0


def test_on_probation_one_call_at_a_time_until_one_succeeds() -> None:
    made = peers(2)
    back, _ = made
    made.failed(back, True, 0.0)
    back.in_flight = 1
    assert {made.pick(5.0, DRAW) is back for _ in range(20)} == {False}
    back.in_flight = 0
    assert any(made.pick(5.0, DRAW) is back for _ in range(20))
    made.succeeded(back, 5.0)
    back.in_flight = 1
    assert any(made.pick(5.0, DRAW) is back for _ in range(200)) is False  # merely busier than the other
    assert made.failed(back, True, 6.0) == 1.0  # the count began anew


def test_a_failed_probation_ejects_at_once_and_longer() -> None:
    made = peers(2, consecutive_5xx=5)
    bad, _ = made
    for _ in range(5):
        made.failed(bad, False, 0.0)
    assert made.failed(bad, False, 1.5) == 2.0


def test_in_a_panic_suspects_are_used_again_but_not_those_that_refused() -> None:
    made = peers(4, consecutive_5xx=1)
    gone, suspect, other, good = made
    made.failed(gone, True, 0.0)
    made.failed(suspect, False, 0.0)
    assert {made.pick(0.1, DRAW) for _ in range(100)} == {other, good}  # half are left: no panic
    made.failed(other, False, 0.0)
    assert {made.pick(0.1, DRAW) for _ in range(100)} == {suspect, other, good}


def test_when_everyone_refused_everyone_is_tried() -> None:
    made = peers(2)
    for peer in made:
        made.failed(peer, True, 0.0)
    assert {made.pick(0.1, DRAW) for _ in range(50)} == set(made)


def test_a_call_avoids_what_it_tried() -> None:
    made = peers(3)
    first, second, third = made
    assert {made.pick(0.0, DRAW, (first, second)) for _ in range(20)} == {third}
    assert {made.pick(0.0, DRAW, (first, second, third)) for _ in range(50)} == {first, second, third}
    assert made.has_other((first, second))
    assert not made.has_other((first, second, third))


def test_a_suspect_not_yet_tried_comes_before_repeating() -> None:
    made = peers(2, consecutive_5xx=1, panic_threshold=0)
    suspect, good = made
    made.failed(suspect, False, 0.0)
    assert {made.pick(0.1, DRAW, (good,)) for _ in range(20)} == {suspect}


def test_an_update_keeps_what_is_known_about_the_same_address() -> None:
    made = peers(2)
    first, second = made
    made.failed(first, True, 0.0)
    made.update([instance("i0", 8000), instance("i2", 8002)])
    kept, new = made
    assert kept is first
    assert kept.ejected_until == 1.0
    assert second not in list(made)
    assert new.ejections == 0
    moved = [instance("i0", 9999), instance("i2", 8002)]
    made.update(moved)
    assert made.get("i0") is not first
    assert {made.pick(0.1, DRAW) is None for _ in range(5)} == {False}


def test_a_restarted_instance_may_prove_itself_at_once() -> None:
    made = peers(2)
    first, _ = made
    made.failed(first, True, 0.0)
    made.update([instance("i0", 8000, dirty=5), instance("i1", 8001)])
    assert any(made.pick(0.1, DRAW) is first for _ in range(50))


def test_an_instance_that_left_is_not_remembered_as_ejected() -> None:
    made = peers(2)
    first, second = made
    made.update([second.instance])
    made.failed(first, True, 0.0)  # its last call ends after it left
    assert made.pick(0.1, DRAW) is second


def with_hint(name: str, hint: str) -> Instance:
    return Instance(
        app="o", instance_id=name, host="h", ip="h", port=80, metadata={"hint": hint} if hint else {}
    )


@pytest.mark.parametrize(
    ("settings", "call", "chosen"), [("", "blue", "b"), ("blue", None, "b"), ("blue", "red", "r")]
)
def test_the_hinted_are_preferred_and_a_calls_wins(settings: str, call: str | None, chosen: str) -> None:
    made = Peers(EjectionSettings(), LeastInFlight(), BalanceSettings(hint=settings))
    made.update([with_hint("b", "blue"), with_hint("r", "red"), with_hint("n", "")])
    picked = [made.pick(0.0, DRAW, (), None, call) for _ in range(30)]
    assert {peer.instance.instance_id for peer in picked if peer} == {chosen}


def test_a_hint_that_nobody_has_is_no_hint() -> None:
    made = peers(3)
    assert {made.pick(0.0, DRAW, (), None, "blue") for _ in range(60)} == set(made)


def test_an_instance_that_fails_mostly_is_ejected_though_never_in_a_row() -> None:
    made = peers(3, failure_percentage_threshold=60.0, failure_percentage_request_volume=20)
    bad = next(iter(made))
    ejected = []
    for number in range(30):
        if number % 4 == 3:
            made.succeeded(bad, number * 0.1)
        else:
            ejected.append(made.failed(bad, False, number * 0.1))
    assert [seconds for seconds in ejected if seconds is not None] == [1.0]
    assert bad not in {made.pick(2.1, DRAW) for _ in range(50)}


def test_failures_of_an_earlier_interval_do_not_count() -> None:
    made = peers(3, failure_percentage_threshold=60.0, failure_percentage_request_volume=10, interval=5.0)
    bad = next(iter(made))
    for number in range(40):  # three of four fail, but only six calls fall within five seconds
        if number % 4 == 3:
            made.succeeded(bad, float(number))
        else:
            assert made.failed(bad, False, float(number)) is None
