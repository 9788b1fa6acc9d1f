"""Incremental cooperative assignment: who gets what, what waits, and what never has to stop."""

import pytest

from tests.unit.connect.distributed.cluster_model import MAX_DELAY, ModelCluster
from tidelock.connect.distributed.assignor import assign_eagerly
from tidelock.connect.distributed.group_protocol import NOTHING, ConnectorsAndTasks, TaskId


def cluster(members: int = 5, connectors: int = 1000, tasks: int = 2) -> ModelCluster:
    made = ModelCluster()
    made.configure(connectors, tasks)
    made.running = {f"w{number}": NOTHING for number in range(members)}
    made.settle()
    return made


def test_new_work_is_spread_evenly() -> None:
    cluster().assert_complete_and_balanced()


def test_a_member_that_comes_gets_its_share_and_only_that_share_stops() -> None:
    group = cluster(members=4)
    group.running["w4"] = NOTHING
    group.settle()
    group.wait()
    group.assert_complete_and_balanced()
    assert len(group.stopped.connectors) == 200
    assert len(group.stopped.tasks) == 400


def test_a_member_that_bounces_within_the_delay_gets_its_work_back_and_nobody_else_stops_any() -> None:
    group = cluster()
    lost = group.running.pop("w2")
    group.settle()
    assert not any(held & lost for held in group.owners()), "lost work waits"
    group.now += 10
    group.running["w2-again"] = NOTHING
    group.settle()
    group.wait()
    assert group.running["w2-again"] == lost
    assert not group.stopped
    group.assert_complete_and_balanced()


def test_the_work_of_a_member_that_dies_moves_after_the_delay_only() -> None:
    group = cluster()
    lost = group.running.pop("w2")
    group.settle()
    assert group.wake_at == group.now + MAX_DELAY
    group.now += MAX_DELAY - 1
    group.settle()
    assert not any(held & lost for held in group.owners())
    group.now += 1
    group.settle()
    group.assert_complete_and_balanced()
    assert not group.stopped


def test_one_of_two_that_left_does_not_end_the_delay() -> None:
    group = cluster()
    lost = group.running.pop("w1") | group.running.pop("w2")
    group.settle()
    group.running["w1-again"] = NOTHING
    group.settle()
    assert not group.running["w1-again"]
    group.now += MAX_DELAY
    group.settle()
    assert len(group.running["w1-again"] & lost) == 750, "whoever came back empty gets its share of it"
    assert not group.stopped
    group.assert_complete_and_balanced()


def test_a_delay_of_zero_waits_for_nobody() -> None:
    group = ModelCluster(max_delay=0)
    group.configure(10, 2)
    group.running = {"a": NOTHING, "b": NOTHING}
    group.settle()
    del group.running["b"]
    group.settle()
    group.assert_complete_and_balanced()


def test_an_assignment_that_never_arrived_is_given_out_again_at_once() -> None:
    group = cluster(members=2, connectors=4)
    group.running["w0"] = NOTHING  # did not get it
    group.settle()
    group.assert_complete_and_balanced()


def test_work_that_two_members_claim_is_taken_from_both_and_given_to_one() -> None:
    group = cluster(members=2, connectors=4, tasks=1)
    twice = ConnectorsAndTasks.of({"c0000"}, {("c0000", 0)})
    group.running = {name: held | twice for name, held in group.running.items()}
    plan = group.round()
    assert all(twice & revoked == twice for revoked in plan.revoked.values())
    group.settle()
    group.assert_complete_and_balanced()


def test_what_is_deleted_stops() -> None:
    group = cluster(members=3, connectors=9)
    group.configure(6, 2)
    group.settle()
    group.wait()
    group.assert_complete_and_balanced()


def test_a_new_leader_stops_what_it_finds_running_without_a_configuration() -> None:
    group = cluster(members=3, connectors=9)
    group.lead_anew()
    group.configure(6, 2)
    group.settle()
    group.wait()
    group.assert_complete_and_balanced()


def test_a_round_that_failed_makes_the_leader_forget_what_it_gave() -> None:
    group = cluster(members=2, connectors=6)
    group.generation += 1  # a round took place, of which the leader saw no end
    group.running["w1"] = NOTHING
    group.settle()
    group.assert_complete_and_balanced()


def test_rounds_that_revoke_again_and_again_pause_longer_each_time() -> None:
    group = cluster(members=2, connectors=60, tasks=1)
    pauses = []
    for number in range(3, 6):
        group.running[f"w{number}"] = NOTHING
        group.round()
        group.running[f"x{number}"] = NOTHING
        plan = group.round()
        pauses.append(round(plan.delay, 4))
        group.wait()
    assert pauses[0] == 0.001
    group.assert_complete_and_balanced()


@pytest.mark.parametrize("members", [1, 2, 3])
def test_eager_assignment_goes_round_all_connectors_and_then_all_tasks(members: int) -> None:
    configured = ConnectorsAndTasks.of({"a", "b"}, {("a", 0), ("a", 1), ("b", 0)})
    given = assign_eagerly(configured, [f"m{number}" for number in range(members)])
    assert sum(len(work) for work in given.values()) == 5
    if members == 2:
        assert given["m0"] == ConnectorsAndTasks.of({"a"}, {("a", 0), ("b", 0)})
        assert given["m1"] == ConnectorsAndTasks.of({"b"}, {TaskId("a", 1)})
