"""Parked fetches."""

from __future__ import annotations

import math

from tidelock.broker.purgatory import ParkedFetch, Purgatory


def parked(purgatory: Purgatory, *keys: str, missing: int = 1, deadline: float = 1.0) -> ParkedFetch:
    fetch = ParkedFetch(keys, missing, deadline, list)
    purgatory.park(fetch)
    return fetch


def test_bytes_of_any_of_its_partitions_count() -> None:
    purgatory = Purgatory()
    fetch = parked(purgatory, "a", "b", missing=10)
    assert purgatory.appended("a", 4) == []
    assert purgatory.appended("c", 100) == []
    assert purgatory.appended("b", 6) == [fetch]
    assert purgatory.appended("b", 6) == []
    assert purgatory.waiting == {}


def test_the_deadline() -> None:
    purgatory = Purgatory()
    late, soon = parked(purgatory, "a", deadline=2.0), parked(purgatory, "a", deadline=1.0)
    assert purgatory.wake_at() == 1.0
    assert purgatory.overdue(0.9) == []
    assert purgatory.overdue(1.0) == [soon]
    assert purgatory.wake_at() == 2.0
    assert purgatory.overdue(5.0) == [late]
    assert purgatory.wake_at() == math.inf


def test_what_was_answered_has_no_deadline_any_more() -> None:
    purgatory = Purgatory()
    parked(purgatory, "a")
    purgatory.appended("a", 1)
    assert purgatory.wake_at() == math.inf
    assert purgatory.overdue(5.0) == []


def test_a_disturbed_partition_ends_every_wait_for_it() -> None:
    purgatory = Purgatory()
    one, two = parked(purgatory, "a", missing=99), parked(purgatory, "a", "b", missing=99)
    assert purgatory.disturbed("a") == [one, two]
    assert purgatory.waiting == {}


def test_forgetting_twice() -> None:
    purgatory = Purgatory()
    fetch = parked(purgatory, "a", "b")
    assert purgatory.forget(fetch)
    assert not purgatory.forget(fetch)
