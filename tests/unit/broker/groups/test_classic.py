"""The classic group protocol, rule by rule."""

from typing import Any

import pytest

from tests.support.groups import GroupKit
from tidelock.broker.groups.classic import LONGEST_STEM_BYTES, MOST_PENDING
from tidelock.broker.groups.state import GroupState
from tidelock.protocol.error_codes import ErrorCode as E


@pytest.fixture
def kit() -> GroupKit:
    return GroupKit()


def test_the_first_member_leads_its_own_generation_at_once(kit: GroupKit) -> None:
    joined = kit.join().joined
    assert (joined.error_code, joined.generation, joined.protocol) == (0, 1, "range")
    assert joined.leader == joined.member_id
    assert joined.members == ((joined.member_id, None, b"m"),)
    assert kit.sync(joined.member_id, 1, {joined.member_id: b"all"}).synced.assignment == b"all"
    assert kit.group.state is GroupState.STABLE


def test_a_member_that_knows_kip_394_gets_its_id_first(kit: GroupKit) -> None:
    answer = kit.join(version=4).joined
    assert answer.error_code == E.MEMBER_ID_REQUIRED
    assert answer.member_id.startswith("c-")
    assert kit.group.members == {}
    assert kit.join(answer.member_id, version=4).joined.generation == 1


def test_an_id_that_nobody_comes_back_with_is_forgotten(kit: GroupKit) -> None:
    pending = kit.join(version=4, session=10.0).joined.member_id
    kit.advance(10.0)
    assert kit.join(pending, version=4).joined.error_code == E.UNKNOWN_MEMBER_ID


def test_a_pending_id_holds_the_generation_up_until_it_is_forgotten(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    kit.join(version=4, session=6.0)
    again = kit.join(one, protocols=(("range", b"changed"),))
    assert again.answer is None
    kit.advance(6.0)
    assert again.joined.generation == 2


def test_a_second_member_makes_the_first_rejoin(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    second = kit.join()
    assert second.answer is None
    assert kit.heartbeat(one, 1) == E.REBALANCE_IN_PROGRESS
    first = kit.join(one)
    assert first.joined.generation == second.joined.generation == 2
    assert first.joined.leader == one
    assert len(first.joined.members) == 2
    assert second.joined.members == ()


def test_followers_wait_for_the_leaders_assignment(kit: GroupKit) -> None:
    one, two = kit.stable(None, None)
    waiters = [kit.join(one, protocols=(("range", b"n"),)), kit.join(two, protocols=(("range", b"n"),))]
    generation = waiters[0].joined.generation
    follower = kit.sync(two, generation)
    assert follower.answer is None
    assert kit.heartbeat(two, generation) == 0
    leader = kit.sync(one, generation, {two: b"2"})
    assert (follower.synced.assignment, leader.synced.assignment) == (b"2", b"")


def test_a_follower_with_nothing_new_learns_the_current_generation(kit: GroupKit) -> None:
    _, two = kit.stable(None, None)
    generation = kit.group.generation
    answer = kit.join(two).joined
    assert (answer.generation, answer.members) == (generation, ())
    assert kit.group.state is GroupState.STABLE


def test_a_follower_with_new_metadata_starts_a_rebalance(kit: GroupKit) -> None:
    _, two = kit.stable(None, None)
    assert kit.join(two, protocols=(("range", b"new"),)).answer is None
    assert kit.group.state is GroupState.PREPARING_REBALANCE


def test_the_leader_starts_a_rebalance_by_rejoining(kit: GroupKit) -> None:
    one, _ = kit.stable(None, None)
    assert kit.join(one).answer is None


def test_a_join_repeated_before_the_sync_gets_the_same_generation(kit: GroupKit) -> None:
    joined = kit.join().joined
    assert kit.join(joined.member_id).joined == joined


def test_who_does_not_rejoin_in_time_is_dropped(kit: GroupKit) -> None:
    one, two = kit.stable(None, None)
    again = kit.join(one)
    for _ in range(6):
        kit.advance(5.0)
        kit.heartbeat(two, kit.group.generation)
    assert again.joined.members == ((one, None, b"m"),)
    assert kit.heartbeat(two, 3) == E.UNKNOWN_MEMBER_ID


def test_who_does_not_sync_in_time_is_dropped(kit: GroupKit) -> None:
    one, two = kit.stable(None, None)
    first, second = kit.join(one), kit.join(two)
    assert first.answer is not None
    assert second.answer is not None
    generation = kit.group.generation
    follower = kit.sync(two, generation)
    for _ in range(6):
        kit.advance(5.0)
        kit.heartbeat(one, generation)
    assert follower.synced.error_code == E.REBALANCE_IN_PROGRESS
    assert kit.group.state is GroupState.PREPARING_REBALANCE
    assert list(kit.group.members) == [two]


def test_a_silent_member_loses_its_session(kit: GroupKit) -> None:
    one, two = kit.stable(None, None)
    generation = kit.group.generation
    kit.advance(9.0)
    assert kit.heartbeat(one, generation) == 0
    kit.advance(2.0)
    assert kit.heartbeat(two, generation) == E.UNKNOWN_MEMBER_ID
    assert kit.heartbeat(one, generation) == E.REBALANCE_IN_PROGRESS


def test_a_waiting_member_does_not_lose_its_session(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    second = kit.join()
    for _ in range(5):
        kit.advance(5.0)
        kit.heartbeat(one, 1)
    assert second.answer is None
    assert len(kit.group.members) == 2


def test_the_last_member_leaves_an_empty_group(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    assert kit.leave(one) == 0
    assert (kit.group.state, kit.group.generation, kit.group.members) == (GroupState.EMPTY, 2, {})
    assert kit.leave(one) == E.UNKNOWN_MEMBER_ID


def test_leaving_while_joining_is_answered(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    second = kit.join()
    newcomer = next(name for name in kit.group.members if name != one)
    assert kit.leave(newcomer) == 0
    assert second.joined.error_code == E.UNKNOWN_MEMBER_ID


def test_old_generations_are_refused(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    assert kit.heartbeat(one, 0) == E.ILLEGAL_GENERATION
    assert kit.sync(one, 0).synced.error_code == E.ILLEGAL_GENERATION


def test_a_sync_during_the_join_phase_is_refused(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    kit.join()
    assert kit.sync(one, 1).synced.error_code == E.REBALANCE_IN_PROGRESS


def test_a_sync_with_another_protocol_is_refused(kit: GroupKit) -> None:
    (one,) = kit.stable(None)
    assert kit.sync(one, 1, protocol="sticky").synced.error_code == E.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("session", [5.9, 1800.1])
def test_session_timeouts_have_limits(kit: GroupKit, session: float) -> None:
    assert kit.join(session=session).joined.error_code == E.INVALID_SESSION_TIMEOUT


def test_members_must_share_a_protocol(kit: GroupKit) -> None:
    kit.stable(None)
    assert kit.join(protocols=(("sticky", b""),)).joined.error_code == E.INCONSISTENT_GROUP_PROTOCOL
    assert kit.join(protocol_type="connect").joined.error_code == E.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize(("kind", "protocols"), [("", (("range", b""),)), ("consumer", ())])
def test_the_first_member_must_name_a_protocol(
    kit: GroupKit, kind: str, protocols: tuple[tuple[str, bytes], ...]
) -> None:
    joined = kit.join(protocol_type=kind, protocols=protocols).joined
    assert joined.error_code == E.INCONSISTENT_GROUP_PROTOCOL


def test_the_majority_chooses_among_the_shared_protocols(kit: GroupKit) -> None:
    a, b, c = b"a", b"b", b"c"
    one = kit.join(protocols=(("range", a), ("sticky", a), ("own", a))).joined.member_id
    others = [kit.join(protocols=(("sticky", x), ("range", x))) for x in (b, c)]
    first = kit.join(one, protocols=(("range", a), ("sticky", a), ("own", a)))
    assert first.joined.protocol == others[0].joined.protocol == "sticky"


def test_a_full_group_refuses_newcomers() -> None:
    kit = GroupKit(max_size=1)
    (one,) = kit.stable(None)
    assert kit.join().joined.error_code == E.GROUP_MAX_SIZE_REACHED
    assert kit.join(one).joined.error_code == 0


def test_an_unknown_member_of_an_unknown_group(kit: GroupKit) -> None:
    assert kit.join("ghost").joined.error_code == E.UNKNOWN_MEMBER_ID
    assert kit.heartbeat("ghost", 1) == E.UNKNOWN_MEMBER_ID
    assert kit.leave("ghost") == E.UNKNOWN_MEMBER_ID
    assert kit.coordinator.groups == {}


def test_the_initial_delay_collects_members_and_is_extended_by_newcomers() -> None:
    kit = GroupKit(initial_delay=3.0)
    first = kit.join()
    kit.advance(2.0)
    second = kit.join()
    kit.advance(1.5)
    assert first.answer is None
    kit.advance(2.6)
    assert first.joined.generation == second.joined.generation == 1
    assert len(first.joined.members) == 2


def test_the_disk_is_full_when_the_leader_assigns(kit: GroupKit) -> None:
    one, two = kit.stable(None, None)
    kit.join(one)
    kit.join(two)
    generation = kit.group.generation
    follower = kit.sync(two, generation)
    kit.disk_full = True
    leader = kit.sync(one, generation, {two: b"2"})
    assert leader.synced.error_code == follower.synced.error_code == E.KAFKA_STORAGE_ERROR
    assert kit.group.state is GroupState.PREPARING_REBALANCE


LONG = "x" * 33_000


@pytest.mark.parametrize(
    "given",
    [
        {"instance_id": LONG},
        {"instance_id": "\u00e9" * 16_400},
        {"instance_id": LONG[: 32_767 - 36]},
        {"protocols": (("range", b"m"), (LONG, b"m"))},
        {"protocol_type": LONG},
    ],
)
def test_a_name_that_no_record_could_hold_is_refused_before_it_joins(
    kit: GroupKit, given: dict[str, Any]
) -> None:
    assert kit.join(**given).joined.error_code == E.INVALID_REQUEST
    (member,) = kit.stable("fine")
    assert kit.join(**given).joined.error_code != 0
    assert kit.heartbeat(member, kit.group.generation, "fine") == 0


def test_the_longest_instance_id_gets_through(kit: GroupKit) -> None:
    kit.stable("x" * LONGEST_STEM_BYTES)


def test_ids_that_were_given_out_do_not_pile_up(kit: GroupKit) -> None:
    first = kit.join(version=4).joined.member_id
    for _ in range(MOST_PENDING):
        last = kit.join(version=4).joined.member_id
    assert len(kit.group.pending) == MOST_PENDING
    assert kit.join(first, version=4).joined.error_code == E.UNKNOWN_MEMBER_ID
    assert kit.join(last, version=4).answer is None
