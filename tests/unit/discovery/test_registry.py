from typing import Any

import pytest

from tests.unit.discovery.making import EPOCH, an_instance, at
from tidelock.discovery.instance import Action, Instance, Status
from tidelock.discovery.lease import LeaseKey
from tidelock.discovery.registry import Policy, Registry, Renewal

KEY = ("ORDERS", "h:orders:80")


def registered(*instances: Instance, policy: Policy | None = None) -> Registry:
    registry = Registry(policy or Policy())
    for instance in instances or (an_instance(last_dirty_timestamp=100),):
        registry.register(instance, at(0))
    return registry


def listed(registry: Registry, now: float = 0) -> Instance:
    instance = registry.instance(*KEY, at(now))
    assert instance is not None
    return instance


def fleet(count: int, **changes: Any) -> list[Instance]:
    return [an_instance(instance_id=f"i{number}", **changes) for number in range(count)]


# registration


def test_a_registered_instance_is_found_in_every_way() -> None:
    registry = registered(an_instance(vip="orders, shop", secure_vip="sorders"))
    shown = listed(registry)
    assert registry.application("Orders") == [shown]
    assert registry.applications() == {"ORDERS": [shown]}
    assert registry.instance("orders", KEY[1], at(0)) == shown
    assert registry.instance_by_id(KEY[1], at(0)) == shown
    assert registry.by_vip("shop") == registry.by_vip("sorders", is_secure=True) == [shown]
    assert registry.by_vip("sho") == registry.by_vip("Shop") == []
    assert (len(registry), registry.hashcode()) == (1, "UP_1_")


def test_ids_compare_with_case_and_belong_to_their_app() -> None:
    registry = registered()
    assert registry.instance("orders", KEY[1].upper(), at(0)) is None
    assert registry.instance("users", KEY[1], at(0)) is None


def test_registration_dates_the_instance() -> None:
    registry = registered(an_instance())
    ms = int(EPOCH * 1000)
    shown = listed(registry)
    assert shown.last_dirty_timestamp == shown.last_updated_timestamp == ms
    assert shown.registration_timestamp == shown.service_up_timestamp == ms
    assert shown.action is Action.ADDED


@pytest.mark.parametrize(("dirty", "kept"), [(99, "old"), (100, "new"), (101, "new")])
def test_the_younger_version_of_an_instance_wins_and_equal_takes_the_new(dirty: int, kept: str) -> None:
    registry = registered(an_instance(last_dirty_timestamp=100, metadata={"v": "old"}))
    registry.register(an_instance(last_dirty_timestamp=dirty, metadata={"v": "new"}), at(50))
    assert listed(registry, 50).metadata == {"v": kept}
    assert registry.renew(*KEY, at(130)) is Renewal.RENEWED  # either way the lease starts anew


def test_the_time_since_when_it_is_up_survives_registering_again() -> None:
    registry = registered()
    registry.register(an_instance(status=Status.DOWN), at(5))
    registry.register(an_instance(status=Status.UP), at(9))
    assert listed(registry, 9).service_up_timestamp == int(EPOCH * 1000)


def test_an_override_sent_with_a_registration_is_taken_unless_there_is_one() -> None:
    registry = registered(an_instance(overridden=Status.OUT_OF_SERVICE))
    assert listed(registry).status is Status.OUT_OF_SERVICE
    registry.register(an_instance(overridden=Status.UP), at(1))
    assert listed(registry).overridden is Status.OUT_OF_SERVICE


# heartbeats


@pytest.mark.parametrize(
    ("dirty", "replica", "result"),
    [
        (None, False, Renewal.RENEWED),
        (100, False, Renewal.RENEWED),
        (101, False, Renewal.STALE_HERE),
        (101, True, Renewal.STALE_HERE),
        (99, False, Renewal.RENEWED),
        (99, True, Renewal.STALE_THERE),
    ],
)
def test_a_heartbeat_compares_when_the_instance_changed(
    dirty: int | None, replica: bool, result: Renewal
) -> None:
    registry = registered()
    assert registry.renew(*KEY, at(80), dirty=dirty, is_replica=replica) is result
    assert not registry.evict(at(100)).evicted  # renewed in every case


def test_a_heartbeat_of_an_unknown_lease_asks_for_registration() -> None:
    assert registered().renew("orders", "other", at(0)) is Renewal.UNKNOWN
    assert registered().renew("users", KEY[1], at(0)) is Renewal.UNKNOWN


def test_a_heartbeat_changes_nothing_that_readers_see() -> None:
    registry = registered()
    before = registry.version
    registry.renew(*KEY, at(1))
    assert registry.version == before


# status


def test_an_override_holds_against_the_instance_until_it_is_removed() -> None:
    registry = registered()
    registry.override(*KEY, Status.OUT_OF_SERVICE, at(1))
    registry.register(an_instance(), at(2))
    assert registry.renew(*KEY, at(3)) is Renewal.RENEWED
    assert listed(registry).status is listed(registry).overridden is Status.OUT_OF_SERVICE
    assert registry.overrides() == {KEY[1]: Status.OUT_OF_SERVICE}

    registry.remove_override(*KEY, Status.UNKNOWN, at(4))
    assert listed(registry).status is listed(registry).overridden is Status.UNKNOWN
    assert registry.renew(*KEY, at(5)) is Renewal.UNKNOWN
    registry.register(an_instance(), at(6))
    assert listed(registry).status is Status.UP
    assert registry.renew(*KEY, at(7)) is Renewal.RENEWED


def test_an_override_can_be_removed_with_a_new_status() -> None:
    registry = registered()
    registry.override(*KEY, Status.OUT_OF_SERVICE, at(1))
    registry.remove_override(*KEY, Status.UP, at(2))
    assert listed(registry).status is Status.UP


def test_an_override_to_the_present_status_only_renews() -> None:
    registry = registered()
    before = registry.version
    registry.override(*KEY, Status.UP, at(80))
    assert (registry.version, registry.overrides()) == (before, {})
    assert not registry.evict(at(100)).evicted


def test_removing_no_override_changes_nothing() -> None:
    registry = registered()
    before = registry.version
    registry.remove_override(*KEY, Status.DOWN, at(1))
    assert (registry.version, listed(registry).status) == (before, Status.UP)


@pytest.mark.parametrize(("dirty", "stored"), [(50, 100), (200, 200)])
def test_an_override_from_a_peer_moves_the_dirty_timestamp_only_forward(dirty: int, stored: int) -> None:
    registry = registered()
    registry.override(*KEY, Status.DOWN, at(1), dirty=dirty)
    assert listed(registry).last_dirty_timestamp == stored


def test_an_override_ends_with_its_lease() -> None:
    registry = registered()
    registry.override(*KEY, Status.OUT_OF_SERVICE, at(1))
    registry.cancel(*KEY, at(2))
    registry.register(an_instance(), at(3))
    assert listed(registry).status is Status.UP


def test_operations_on_an_unknown_lease_say_so() -> None:
    registry = registered()
    unknown = ("orders", "other")
    assert registry.cancel(*unknown, at(0)) is None
    assert registry.override(*unknown, Status.UP, at(0)) is None
    assert registry.remove_override(*unknown, Status.UP, at(0)) is None
    assert registry.update_metadata(*unknown, {}, at(0)) is None
    assert registry.instance(*unknown, at(0)) is registry.instance_by_id("other", at(0)) is None


def test_metadata_is_merged() -> None:
    registry = registered(an_instance(metadata={"a": "1", "b": "2"}))
    registry.update_metadata(*KEY, {"b": "3", "c": "4"}, at(1))
    assert listed(registry).metadata == {"a": "1", "b": "3", "c": "4"}


# eviction


def test_an_expired_lease_is_evicted_and_the_app_goes_with_its_last_one() -> None:
    registry = registered()
    assert not registry.evict(at(90)).evicted
    gone = registry.evict(at(90.5)).evicted
    assert [instance.action for instance in gone] == [Action.DELETED]
    assert gone[0].eviction_timestamp == int((EPOCH + 90.5) * 1000)
    assert (registry.applications(), registry.hashcode()) == ({}, "")


def test_an_expired_lease_is_hidden_from_look_ups_but_not_from_lists() -> None:
    registry = registered()
    assert registry.instance(*KEY, at(91)) is registry.instance_by_id(KEY[1], at(91)) is None
    assert len(registry.application("orders")) == 1


def expire(registry: Registry, count: int, of: int, refused: frozenset[LeaseKey] = frozenset()) -> list[str]:
    """Let the last `count` of `of` leases end; returns the ids that are still listed."""
    registry.evict(at(79))
    for number in range(of - count):
        registry.renew("orders", f"i{number}", at(80))
    for second in range(80, 95):
        registry.evict(at(second), refused)
    return [instance.instance_id for instance in registry.application("orders")]


def test_few_expired_leases_are_evicted() -> None:
    assert len(expire(registered(*fleet(10)), 2, of=10)) == 8


def test_many_at_once_are_held_and_stay_visible() -> None:
    registry = registered(*fleet(10))
    assert len(expire(registry, 3, of=10)) == 10
    assert registry.instance("orders", "i9", at(95)) is not None
    run = registry.evict(at(95))
    assert (run.evicted, len(run.held), run.preservation.is_active) == ((), 3, True)
    assert registry.preservation(at(95)) == run.preservation


def test_it_ends_when_they_renew() -> None:
    registry = registered(*fleet(10))
    expire(registry, 3, of=10)
    registry.renew("orders", "i9", at(95))
    run = registry.evict(at(96))
    assert (len(run.evicted), run.preservation.is_active) == (2, False)


def test_a_host_that_refuses_is_evicted_in_any_case_and_not_counted() -> None:
    refused = frozenset({("ORDERS", "i7"), ("ORDERS", "i8"), ("ORDERS", "i9")})
    assert len(expire(registered(*fleet(10)), 3, of=10, refused=refused)) == 7


def test_an_instance_that_refuses_but_renewed_meanwhile_stays() -> None:
    registry = registered()
    registry.renew(*KEY, at(80))
    assert not registry.evict(at(95), {KEY}).evicted


def test_leases_that_end_one_after_the_other_within_a_minute_count_together() -> None:
    registry = registered(*(an_instance(instance_id=f"i{n}", duration=90 + 5 * n) for n in range(4)))
    for second in range(80, 140):
        registry.evict(at(second))
    assert len(registry) == 2  # the first two went, the third showed a pattern
    registry.renew("orders", "i3", at(140))
    for second in range(141, 170):
        registry.evict(at(second))
    assert [instance.instance_id for instance in registry.application("orders")] == ["i3"]


def test_it_can_be_switched_off() -> None:
    assert expire(registered(*fleet(10), policy=Policy(preserve=False)), 10, of=10) == []


def test_a_late_run_gives_the_lost_time_back() -> None:
    registry = registered()
    registry.evict(at(80))
    assert not registry.evict(at(180)).evicted  # the process slept 99 s; nobody could renew
    assert registry.evict(at(181)).evicted == ()
    for second in range(182, 190):
        registry.evict(at(second))
    assert len(registry) == 1
    for second in range(190, 195):
        registry.evict(at(second))
    assert len(registry) == 0


# what readers see


def test_the_delta_has_the_latest_change_of_each_instance_for_three_minutes() -> None:
    registry = registered(*fleet(2))
    registry.override("orders", "i0", Status.DOWN, at(10))
    registry.cancel("orders", "i1", at(20))
    changes = [(change.instance_id, change.action, change.status) for change in registry.delta(at(21))]
    assert changes == [("i0", Action.MODIFIED, Status.DOWN), ("i1", Action.DELETED, Status.UP)]
    assert registry.delta_starts() == 10
    assert [change.instance_id for change in registry.delta(at(191))] == ["i1"]
    assert registry.delta(at(201)) == []
    assert registry.delta_starts() is None


def test_every_visible_change_raises_the_version() -> None:
    registry = registered()
    versions = [registry.version]
    for change in (
        lambda: registry.override(*KEY, Status.DOWN, at(1)),
        lambda: registry.remove_override(*KEY, Status.UP, at(2)),
        lambda: registry.update_metadata(*KEY, {"a": "b"}, at(3)),
        lambda: registry.register(an_instance(), at(4)),
        lambda: registry.cancel(*KEY, at(5)),
    ):
        change()
        versions.append(registry.version)
    assert versions == sorted(set(versions))


def test_history_tells_what_happened_but_not_every_heartbeat() -> None:
    registry = registered()
    registry.renew(*KEY, at(1))
    registry.register(an_instance(), at(2))
    registry.override(*KEY, Status.DOWN, at(3))
    registry.remove_override(*KEY, Status.UP, at(4))
    registry.evict(at(100))
    assert [entry.what for entry in registry.history] == [
        "registered as UP",
        "was set to DOWN",
        "lost its override",
        "was evicted: no heartbeat for 90 s",
    ]


def test_a_restored_lease_gets_its_full_duration_and_keeps_its_past() -> None:
    first = registered()
    first.override(*KEY, Status.OUT_OF_SERVICE, at(5))
    second = Registry()
    second.restore([instance for found in first.applications().values() for instance in found], at(1000))
    shown = listed(second, 1090)
    assert shown.registration_timestamp == int(EPOCH * 1000)
    assert shown.status is shown.overridden is Status.OUT_OF_SERVICE
    assert second.renew(*KEY, at(1080), dirty=100) is Renewal.RENEWED
    assert [change.instance_id for change in second.delta(at(1001))] == [KEY[1]]
