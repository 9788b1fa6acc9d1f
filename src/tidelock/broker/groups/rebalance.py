"""The rebalance of a classic group: how one generation ends and the next begins.

    Empty/Stable/Completing --prepare--> PreparingRebalance --complete_join--> CompletingRebalance
      (leader's sync, in classic.py) --> Stable;   nobody left --> Empty

Every function takes (group, ..., now, outcome) and adds what has to happen to the outcome. Members that do
not come back before the rebalance timeout are dropped; so are members that do not sync. Pure: imports
siblings only.

Source: Kafka `GroupMetadataManager` (prepareRebalance, completeClassicGroupJoin, expirePendingSync),
KIP-134, KIP-345.
"""

from __future__ import annotations

import math

from tidelock.broker.groups.outcome import Joined, Outcome, Synced
from tidelock.broker.groups.state import Group, GroupState, Member
from tidelock.broker.instant import Instant
from tidelock.protocol.error_codes import ErrorCode

# How long a member that has never had an answer may wait in its first join (GroupMetadataManager).
NEW_MEMBER_JOIN_TIMEOUT = 300.0

_CAN_REBALANCE = (GroupState.STABLE, GroupState.COMPLETING_REBALANCE, GroupState.EMPTY)


def rebalance_or_complete(group: Group, initial_delay: float, now: Instant, outcome: Outcome) -> None:
    """Begin a rebalance, or end the running one if nobody is missing any more."""
    if group.state in _CAN_REBALANCE:
        prepare(group, initial_delay, now, outcome)
    elif group.state is GroupState.PREPARING_REBALANCE:
        complete_if_all_joined(group, now, outcome)


def prepare(group: Group, initial_delay: float, now: Instant, outcome: Outcome) -> None:
    """End the current generation and wait for the members to join the next one.

    `initial_delay` is how many seconds the first generation of an empty group waits for more members.
    """
    if group.state is GroupState.COMPLETING_REBALANCE:
        refuse_syncs(group, ErrorCode.REBALANCE_IN_PROGRESS, now, outcome)
    group.pending_sync.clear()
    group.sync_deadline = math.inf
    initial = group.state is GroupState.EMPTY
    group.move_to(GroupState.PREPARING_REBALANCE, now.wall_ms)
    timeout = _rebalance_timeout(group)
    group.new_member_added = False
    if initial and initial_delay > 0:
        group.join_deadline = now.monotonic + min(initial_delay, timeout)
        group.initial_join_end = now.monotonic + timeout
        return
    group.initial_join_end = math.inf
    group.join_deadline = now.monotonic + timeout
    complete_if_all_joined(group, now, outcome)


def complete_if_all_joined(group: Group, now: Instant, outcome: Outcome) -> None:
    """Begin the next generation if nobody is missing and no initial delay is running."""
    if group.initial_join_end == math.inf and group.all_joined():
        complete_join(group, now, outcome)


def join_time_is_over(group: Group, initial_delay: float, now: Instant, outcome: Outcome) -> None:
    """The join deadline passed: extend the initial delay for newcomers, or begin the next generation."""
    left = group.initial_join_end - now.monotonic
    if group.initial_join_end != math.inf and group.new_member_added and left > 0:
        group.new_member_added = False
        group.join_deadline = now.monotonic + min(initial_delay, left)
        return
    complete_join(group, now, outcome)


def complete_join(group: Group, now: Instant, outcome: Outcome) -> None:
    """Begin the next generation with the members that have joined."""
    group.initial_join_end = math.inf
    for member in [one for one in group.members.values() if one.awaiting_join is None]:
        if member.instance_id is None:
            group.remove(member.member_id)
    if group.members and not group.elect_joined_leader():
        # Only absent static members are left: wait for them, or for their sessions to end.
        group.join_deadline = now.monotonic + _rebalance_timeout(group)
        return
    group.join_deadline = math.inf
    group.generation += 1
    if not group.members:
        _become_empty(group, now, outcome)
        return
    group.protocol = group.select_protocol()
    group.move_to(GroupState.COMPLETING_REBALANCE, now.wall_ms)
    group.sync_deadline = now.monotonic + _rebalance_timeout(group)
    for member in list(group.members.values()):
        _begin_generation(group, member, now, outcome)


def _begin_generation(group: Group, member: Member, now: Instant, outcome: Outcome) -> None:
    member.is_new = False
    member.deadline = now.monotonic + member.session_timeout
    group.pending_sync.add(member.member_id)
    if member.awaiting_join is not None:
        outcome.answer(member.awaiting_join, current_generation(group, member))
        member.awaiting_join = None


def current_generation(group: Group, member: Member) -> Joined:
    """The answer that tells a member about the current generation; the leader gets the members."""
    members: tuple[tuple[str, str | None, bytes], ...] = ()
    if member.member_id == group.leader:
        members = roster(group)
    return Joined(
        member_id=member.member_id,
        generation=group.generation,
        protocol_type=group.protocol_type,
        protocol=group.protocol,
        leader=group.leader or "",
        members=members,
    )


def roster(group: Group) -> tuple[tuple[str, str | None, bytes], ...]:
    """Every member with its metadata under the group's protocol, for the leader."""
    return tuple(
        (one.member_id, one.instance_id, one.metadata(group.protocol)) for one in group.members.values()
    )


def _become_empty(group: Group, now: Instant, outcome: Outcome) -> None:
    group.protocol = None
    group.leader = None
    group.move_to(GroupState.EMPTY, now.wall_ms)
    outcome.records.append(group.image({}, now.wall_ms))


def refuse_syncs(group: Group, error: ErrorCode, now: Instant, outcome: Outcome) -> None:
    """Answer every waiting sync with an error; the assignment is void."""
    for member in group.members.values():
        member.assignment = b""
        if member.awaiting_sync is not None:
            outcome.answer(member.awaiting_sync, Synced(int(error)))
            member.awaiting_sync = None
            member.deadline = now.monotonic + member.session_timeout


def remove_member(group: Group, member_id: str, now: Instant, outcome: Outcome) -> None:
    """Take a member out for good and let the others rebalance."""
    member = group.remove(member_id)
    if member is None:
        return
    unknown = int(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.awaiting_join is not None:
        outcome.answer(member.awaiting_join, Joined(unknown, member_id))
    if member.awaiting_sync is not None:
        outcome.answer(member.awaiting_sync, Synced(unknown))
    if group.state is not GroupState.EMPTY:
        rebalance_or_complete(group, 0.0, now, outcome)


def expire(group: Group, initial_delay: float, now: Instant) -> Outcome:
    """Let time act on the group: sessions, pending ids, the join phase and the sync phase."""
    outcome = Outcome()
    for member_id in [name for name, end in group.pending.items() if end <= now.monotonic]:
        del group.pending[member_id]
        if group.state is GroupState.PREPARING_REBALANCE:
            complete_if_all_joined(group, now, outcome)
    for member in list(group.members.values()):
        if member.expires_at() <= now.monotonic:
            remove_member(group, member.member_id, now, outcome)
    if group.state is GroupState.PREPARING_REBALANCE and group.join_deadline <= now.monotonic:
        join_time_is_over(group, initial_delay, now, outcome)
    if group.sync_deadline <= now.monotonic:
        _sync_time_is_over(group, now, outcome)
    return outcome


def _sync_time_is_over(group: Group, now: Instant, outcome: Outcome) -> None:
    group.sync_deadline = math.inf
    late = [name for name in group.pending_sync if name in group.members]
    group.pending_sync.clear()
    if not late or group.state not in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
        return
    # Kafka drops them all before it rebalances once, so that no answer goes to a half-dropped group.
    for member_id in late:
        group.remove(member_id)
    prepare(group, 0.0, now, outcome)


def _rebalance_timeout(group: Group) -> float:
    return max((one.rebalance_timeout for one in group.members.values()), default=0.0)
