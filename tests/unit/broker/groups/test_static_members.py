"""Static members (KIP-345): restarts without a rebalance, fencing, removal by an administrator."""

import pytest

from tests.support.groups import GroupKit
from tidelock.broker.groups.state import GroupState
from tidelock.protocol.error_codes import ErrorCode as E


@pytest.fixture
def kit() -> GroupKit:
    return GroupKit()


def test_a_static_member_needs_no_second_join(kit: GroupKit) -> None:
    joined = kit.join(instance_id="a", version=5).joined
    assert joined.generation == 1
    assert joined.member_id.startswith("a-")


def test_a_restarted_follower_keeps_its_assignment(kit: GroupKit) -> None:
    _, two = kit.stable("a", "b")
    generation = kit.group.generation
    back = kit.join(instance_id="b", version=5).joined
    assert back.error_code == 0
    assert back.member_id != two
    assert (back.generation, back.members) == (generation, ())
    assert kit.group.state is GroupState.STABLE
    assert kit.sync(back.member_id, generation, instance_id="b").synced.assignment == two.encode()


def test_the_old_id_is_fenced(kit: GroupKit) -> None:
    _, two = kit.stable("a", "b")
    generation = kit.group.generation
    kit.join(instance_id="b", version=5)
    assert kit.heartbeat(two, generation, "b") == E.FENCED_INSTANCE_ID
    assert kit.sync(two, generation, instance_id="b").synced.error_code == E.FENCED_INSTANCE_ID
    assert kit.leave(two, "b") == E.FENCED_INSTANCE_ID
    assert kit.join(two, instance_id="b", version=5).joined.error_code == E.FENCED_INSTANCE_ID


def test_a_restarted_leader_does_not_assign(kit: GroupKit) -> None:
    one, _ = kit.stable("a", "b")
    old = kit.join(instance_id="a", version=5).joined
    assert old.leader == one != old.member_id
    new = kit.join(instance_id="a", version=9).joined
    assert new.leader == new.member_id
    assert new.skip_assignment
    assert len(new.members) == 2


def test_a_restart_with_another_protocol_is_a_rebalance(kit: GroupKit) -> None:
    kit.stable("a")
    kit.join(instance_id="a", version=5, protocols=(("sticky", b""), ("range", b"")))
    assert kit.group.state is GroupState.COMPLETING_REBALANCE


def test_a_restart_before_the_sync_is_a_rebalance(kit: GroupKit) -> None:
    one = kit.join(instance_id="a").joined.member_id
    two = kit.join(instance_id="b")
    kit.join(one, instance_id="a")
    assert two.joined.generation == 2
    back = kit.join(instance_id="b", version=5)
    assert back.answer is None
    assert kit.group.state is GroupState.PREPARING_REBALANCE


def test_waiting_requests_of_the_old_id_are_fenced(kit: GroupKit) -> None:
    kit.stable("a", "b")
    waiting = kit.join(instance_id="b", version=5, protocols=(("range", b"new"), ("other", b"")))
    kit.group.select_protocol()
    (id_b,) = [one for one in kit.group.members if one == kit.group.static_ids["b"]]
    parked = kit.join(id_b, instance_id="b", protocols=(("range", b"newer"),))
    assert waiting.answer is not None
    kit.join(instance_id="b", version=5)
    assert parked.joined.error_code == E.FENCED_INSTANCE_ID


def test_static_members_survive_a_rebalance_that_they_miss(kit: GroupKit) -> None:
    one, _ = kit.stable("a", "b")
    again = kit.join(one, instance_id="a", session=60.0)
    kit.advance(9.0)
    kit.heartbeat(kit.group.static_ids["b"], kit.group.generation, "b")
    for _ in range(5):
        kit.advance(5.0)
        kit.heartbeat(kit.group.static_ids["b"], kit.group.generation, "b")
    assert len(again.joined.members) == 2


def test_an_administrator_removes_a_static_member_by_its_instance(kit: GroupKit) -> None:
    kit.stable("a", "b")
    assert kit.leave("", "b") == 0
    assert list(kit.group.static_ids) == ["a"]
    assert kit.leave("", "b") == E.UNKNOWN_MEMBER_ID


def test_the_replacement_must_be_durable(kit: GroupKit) -> None:
    kit.stable("a", "b")
    kit.disk_full = True
    assert kit.join(instance_id="b", version=5).joined.error_code == E.KAFKA_STORAGE_ERROR
