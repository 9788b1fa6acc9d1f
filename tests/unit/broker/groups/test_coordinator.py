"""The coordinator: durable first, read back after a restart, offsets and their end."""

import pytest

from tests.support.groups import GROUP, START_MS, GroupKit
from tidelock.broker.groups.coordinator import Committer
from tidelock.broker.groups.records import OffsetCommitted
from tidelock.broker.groups.state import GroupState
from tidelock.protocol import error_codes as errors

HOUR = 3600.0


@pytest.fixture
def kit() -> GroupKit:
    return GroupKit()


def commit(
    kit: GroupKit, offset: int = 5, *, member: str = "", generation: int = -1, topic: str = "t"
) -> None:
    kit.coordinator.check_commit(GROUP, Committer(member, None, generation), kit.now)
    kit.coordinator.commit([OffsetCommitted(GROUP, topic, 0, offset, -1, "", kit.now.wall_ms)], kit.now)


def test_a_restart_brings_the_generation_back(kit: GroupKit) -> None:
    one, two = kit.stable(None, "b")
    before = kit.group
    kit.restart()
    after = kit.group
    assert (after.state, after.generation, after.leader) == (GroupState.STABLE, before.generation, one)
    assert after.static_ids == {"b": two}
    assert {m.member_id: m.assignment for m in after.members.values()} == {
        one: one.encode(),
        two: two.encode(),
    }
    assert kit.heartbeat(one, after.generation) == 0


def test_after_a_restart_members_have_one_session_timeout(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    kit.restart()
    kit.advance(9.9)
    assert kit.heartbeat(one, 1) == 0
    kit.advance(10.1)
    assert kit.group.state is GroupState.EMPTY


def test_a_generation_without_assignment_does_not_survive_a_restart(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    kit.join(one)
    assert kit.group.generation == 2
    kit.restart()
    assert kit.group.generation == 1
    assert kit.heartbeat(one, 2) == errors.IllegalGeneration.error_code


def test_offsets_of_a_group_without_members(kit: GroupKit) -> None:
    commit(kit, 7)
    kit.restart()
    assert kit.group.offsets["t", 0].offset == 7


def test_only_members_commit_while_there_are_any(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    commit(kit, member=one, generation=1)
    with pytest.raises(errors.UnknownMemberId):
        commit(kit)
    with pytest.raises(errors.IllegalGeneration):
        commit(kit, member=one, generation=0)
    with pytest.raises(errors.UnknownMemberId):
        commit(kit, member="ghost", generation=1)


def test_nobody_commits_before_the_assignment(kit: GroupKit) -> None:
    one = kit.join().joined.member_id
    with pytest.raises(errors.RebalanceInProgress):
        commit(kit, member=one, generation=1)


def test_members_may_commit_while_they_rejoin(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    kit.join()
    commit(kit, member=one, generation=1)
    assert kit.group.offsets["t", 0].offset == 5


def test_a_generation_of_an_unknown_group_is_illegal(kit: GroupKit) -> None:
    with pytest.raises(errors.IllegalGeneration):
        commit(kit, member="m", generation=3)


def test_a_commit_keeps_the_session_alive(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    for _ in range(4):
        kit.advance(6.0)
        commit(kit, member=one, generation=1)
    assert kit.heartbeat(one, 1) == 0


def test_a_commit_that_cannot_be_written_changes_nothing(kit: GroupKit) -> None:
    commit(kit, 1)
    kit.disk_full = True
    with pytest.raises(errors.KafkaStorageError):
        commit(kit, 2)
    assert kit.group.offsets["t", 0].offset == 1


def test_positions_expire_after_the_group_is_empty(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    commit(kit, member=one, generation=1)
    for _ in range(int(2 * HOUR / 6)):
        kit.advance(6.0)
        kit.heartbeat(one, 1)
    assert kit.coordinator.expire_offsets(kit.now) == 0
    kit.leave(one)
    kit.advance(HOUR - 1)
    assert kit.coordinator.expire_offsets(kit.now) == 0
    kit.advance(1)
    assert kit.coordinator.expire_offsets(kit.now) == 2
    assert kit.coordinator.groups == {}
    kit.restart()
    assert kit.coordinator.groups == {}


def test_positions_of_a_simple_group_expire_one_by_one(kit: GroupKit) -> None:
    commit(kit, topic="old")
    kit.advance(HOUR / 2)
    commit(kit, topic="young")
    kit.advance(HOUR / 2)
    assert kit.coordinator.expire_offsets(kit.now) == 1
    assert list(kit.group.offsets) == [("young", 0)]


def test_deleting_a_group(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    commit(kit, member=one, generation=1)
    with pytest.raises(errors.NonEmptyGroup):
        kit.coordinator.delete(GROUP, kit.now)
    kit.leave(one)
    kit.coordinator.delete(GROUP, kit.now)
    with pytest.raises(errors.GroupIdNotFound):
        kit.coordinator.delete(GROUP, kit.now)
    kit.restart()
    assert kit.coordinator.groups == {}


def test_a_deleted_topic_takes_its_positions_along(kit: GroupKit) -> None:
    commit(kit, topic="t")
    commit(kit, topic="u")
    kit.coordinator.forget_topic("t", kit.now)
    assert list(kit.group.offsets) == [("u", 0)]


def test_groups_are_listed_by_state_and_type(kit: GroupKit) -> None:
    kit.stable(None)
    listed = kit.coordinator.listed
    assert [one.group_id for one in listed(["stable"], [])] == [GROUP]
    assert listed(["Empty"], []) == []
    assert listed([], ["consumer"]) == []
    assert len(listed([], ["Classic"])) == 1


def test_commit_times_are_wall_clock_times(kit: GroupKit) -> None:
    kit.advance(3.0)
    commit(kit)
    assert kit.group.offsets["t", 0].commit_ms == START_MS + 3000
