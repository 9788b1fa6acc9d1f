"""The pickers: who is chosen among candidates."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tidelock.discovery.instance import Instance
from tidelock.http.peer import Peer
from tidelock.http.pickers import PICKERS, PeakEwma, Weighted

DRAW = random.Random(7).random


def peer(name: str, **metadata: str) -> Peer:
    return Peer(
        Instance(app="o", instance_id=name, host="127.0.0.1", ip="127.0.0.1", port=80, metadata=metadata)
    )


@pytest.mark.parametrize("name", PICKERS)
def test_every_picker_takes_each_candidate_of_equals_and_a_single_one(name: str) -> None:
    picker = PICKERS[name]()
    made = [peer(f"i{number}") for number in range(3)]
    assert {picker.pick(made, DRAW, 0.0) for _ in range(200)} == set(made)
    assert picker.pick(made[:1], DRAW, 0.0) is made[0]


def test_weights_are_proportions() -> None:
    made = [peer("a", weight="3"), peer("b"), peer("c", weight="0"), peer("d", weight="many")]
    chosen = Counter(Weighted().pick(made, DRAW, 0.0).instance.instance_id for _ in range(5000))
    assert chosen["a"] == pytest.approx(3000, rel=0.1)
    assert chosen["b"] == pytest.approx(1000, rel=0.15)
    assert chosen["d"] == pytest.approx(1000, rel=0.15)
    assert chosen["c"] == 0
    idle = [peer("a", weight="0"), peer("b", weight="0")]
    assert {Weighted().pick(idle, DRAW, 0.0) for _ in range(50)} == set(idle)


def test_the_faster_one_is_preferred_until_it_is_loaded() -> None:
    picker = PeakEwma()
    slow, fast = peer("slow"), peer("fast")
    picker.observed(slow, 0.1, False, 0.0)
    picker.observed(fast, 0.01, False, 0.0)
    assert {picker.pick([slow, fast], DRAW, 0.0) for _ in range(30)} == {fast}
    fast.in_flight = 10
    assert {picker.pick([slow, fast], DRAW, 0.0) for _ in range(30)} == {slow}


def test_a_peak_counts_at_once_and_a_faster_answer_slowly() -> None:
    picker, one = PeakEwma(), peer("a")
    picker.observed(one, 0.01, False, 0.0)
    picker.observed(one, 1.0, False, 1.0)
    assert one.latency == 1.0
    picker.observed(one, 0.01, False, 2.0)
    assert 0.85 < one.latency < 0.95


def test_a_failure_never_looks_fast_and_a_slow_past_fades() -> None:
    picker = PeakEwma()
    failing, good = peer("failing"), peer("good")
    picker.observed(failing, 0.5, False, 0.0)
    picker.observed(failing, 0.001, True, 0.0)
    assert failing.latency == 0.5
    picker.observed(good, 0.1, False, 0.0)
    assert picker.pick([failing, good], DRAW, 0.0) is good
    picker.observed(good, 0.1, False, 40.0)
    assert picker.pick([failing, good], DRAW, 40.0) is failing
