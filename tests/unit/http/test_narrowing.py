"""Subsets, zones, slow start and keys: alone, and through Peers."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tidelock.discovery.instance import Instance
from tidelock.http.balance import BalanceSettings, EjectionSettings, Peers
from tidelock.http.narrowing import subset
from tidelock.http.peer import Peer
from tidelock.http.pickers import Random

DRAW = random.Random(7).random


def instance(number: int, zone: str = "", up: int = 0) -> Instance:
    return Instance(
        app="o",
        instance_id=f"i{number}",
        host="127.0.0.1",
        ip="127.0.0.1",
        port=8000 + number,
        metadata={"zone": zone} if zone else {},
        service_up_timestamp=up,
    )


def made(instances: list[Instance], **settings: object) -> Peers:
    peers = Peers(EjectionSettings(), Random(), BalanceSettings(**settings))  # type: ignore[arg-type]  # as given
    peers.update(instances, 0.0)
    return peers


def counted(peers: Peers, now: float = 0.0, times: int = 2000) -> Counter[str]:
    chosen = [peers.pick(now, DRAW) for _ in range(times)]
    return Counter(each.instance.instance_id for each in chosen if each is not None)


def owners(peers: Peers) -> dict[int, Peer | None]:
    return {key: peers.pick(0.0, DRAW, (), f"customer-{key}") for key in range(400)}


def test_a_subset_is_stable_even_and_as_large_as_asked() -> None:
    all_of_them = [instance(number) for number in range(30)]
    assert subset(all_of_them, "me", 0) is all_of_them
    assert subset(all_of_them[:5], "me", 5) == all_of_them[:5]
    used: Counter[str] = Counter()
    for caller in range(300):
        mine = subset(all_of_them, f"caller-{caller}", 10)
        assert len({each.instance_id for each in mine}) == 10
        assert mine == subset(list(reversed(all_of_them)), f"caller-{caller}", 10)
        used.update(each.instance_id for each in mine)
        without = subset([each for each in all_of_them if each is not mine[0]], f"caller-{caller}", 10)
        assert all(each in without for each in mine[1:])
    assert all(60 < count < 140 for count in used.values())


def test_the_own_zone_takes_all_while_it_is_healthy_and_spills_over_as_it_is_not() -> None:
    peers = made([*(instance(n, "a") for n in range(4)), *(instance(n, "b") for n in range(4, 8))], zone="a")
    assert set(counted(peers)) == {"i0", "i1", "i2", "i3"}
    for number in (0, 1):
        gone = peers.get(f"i{number}")
        assert gone is not None
        peers.failed(gone, True, 0.0)
    chosen = counted(peers, 0.1, 4000)
    near = chosen["i2"] + chosen["i3"]
    assert near == pytest.approx(4000 * 0.7, rel=0.06)  # half of the zone, times 1.4
    assert not chosen["i0"] + chosen["i1"]
    for number in (2, 3):
        gone = peers.get(f"i{number}")
        assert gone is not None
        peers.failed(gone, True, 0.1)
    assert set(counted(peers, 0.2)) == {"i4", "i5", "i6", "i7"}


def test_a_zone_that_nobody_is_in_prefers_nobody() -> None:
    peers = made([instance(0, "a"), instance(1)], zone="c")
    assert set(counted(peers)) == {"i0", "i1"}


def test_a_new_instance_warms_up_but_the_first_ones_do_not() -> None:
    peers = made([instance(0), instance(1)], slow_start=10.0)
    assert counted(peers)["i0"] == pytest.approx(1000, rel=0.1)
    peers.update([instance(0), instance(1), instance(2)], 100.0)
    shares = [counted(peers, now, 6000)["i2"] / 2000 for now in (100.0, 105.0, 109.0, 110.0)]
    assert shares[0] < 0.15
    assert 0.3 < shares[1] < 0.6
    assert shares == sorted(shares)
    assert shares[3] == pytest.approx(1.0, rel=0.1)
    assert counted(peers, 500.0, 6000)["i2"] == pytest.approx(2000, rel=0.1)


def test_an_instance_that_started_again_warms_up_again_and_one_alone_gets_everything() -> None:
    peers = made([instance(0), instance(1)], slow_start=10.0)
    peers.update([instance(0), instance(1, up=5)], 50.0)
    assert counted(peers, 50.0, 2000)["i1"] < 200
    peers.update([instance(1, up=5)], 51.0)
    assert counted(peers, 51.0, 50) == {"i1": 50}


def test_a_key_stays_with_its_instance_and_only_the_keys_of_a_lost_one_move() -> None:
    peers = made([instance(number) for number in range(5)])
    before = owners(peers)
    assert owners(peers) == before
    spread = Counter(each.instance.instance_id for each in before.values() if each is not None)
    assert all(40 < count < 130 for count in spread.values())
    assert len(spread) == 5
    gone = peers.get("i2")
    assert gone is not None
    peers.failed(gone, True, 0.0)
    after = owners(peers)
    assert {key for key in before if before[key] is not after[key]} == {
        key for key in before if before[key] is gone
    }
    peers.succeeded(gone, 100.0)
    assert owners(peers) == before
