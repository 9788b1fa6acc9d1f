"""The requests of a classic group: what a JoinGroup, SyncGroup, Heartbeat or LeaveGroup leads to.

`ClassicRules` holds the limits; each method takes (group, request, now) and returns an Outcome, or raises
the KafkaError that is the whole answer. Nothing durable changes here: a new assignment, a replaced static
member or an emptied group is a record in the outcome, which `Group.apply` takes in after the append. Pure:
imports siblings only.

Source: Kafka `GroupMetadataManager.classicGroup*`; KIP-345 (static members), KIP-394 (member id required),
KIP-559 (protocol in SyncGroup), KIP-814 (skip assignment).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidelock.broker.groups.outcome import Joined, Outcome, Synced
from tidelock.broker.groups.rebalance import (
    NEW_MEMBER_JOIN_TIMEOUT,
    complete_if_all_joined,
    current_generation,
    prepare,
    rebalance_or_complete,
    remove_member,
    roster,
)
from tidelock.broker.groups.records import LONGEST_TEXT_BYTES
from tidelock.broker.groups.state import Group, GroupState, Member
from tidelock.broker.instant import Instant
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import ErrorCode

# A member id is an instance id or client id, a dash and a UUID.
LONGEST_STEM_BYTES = LONGEST_TEXT_BYTES - 37
# Ids of one group that were given out and not used yet (KIP-394).
MOST_PENDING = 1000


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A JoinGroup, with timeouts in seconds.

    Args:
        knows_member_id_required: v4+, the client can be told its id before it joins.
        can_skip_assignment: v9+, a returning static leader may be told to assign nothing.
        waiter: the parked request; comes back with the answer.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    knows_member_id_required: bool
    can_skip_assignment: bool
    waiter: object


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A SyncGroup; only the leader's has assignments."""

    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol: str | None
    assignments: dict[str, bytes]
    waiter: object


@dataclass(frozen=True, slots=True)
class ClassicRules:
    """The rules with their limits, in seconds; `new_id` makes an unguessable suffix."""

    min_session_timeout: float
    max_session_timeout: float
    initial_delay: float
    max_size: int
    new_id: Callable[[], str]

    # -- join ---------------------------------------------------------------------------------------

    def join(self, group: Group, request: JoinRequest, now: Instant) -> Outcome:
        """Take a member into the next generation, or tell it about the current one.

        Raises:
            InvalidSessionTimeout: outside the limits.
            InconsistentGroupProtocol: it shares no protocol with the group.
            UnknownMemberId, FencedInstanceId: the id is not, or no longer, a member.
            GroupMaxSizeReached: the group is full.
        """
        if not self.min_session_timeout <= request.session_timeout <= self.max_session_timeout:
            raise errors.InvalidSessionTimeout(
                f"session timeout {request.session_timeout} s is not between"
                f" {self.min_session_timeout} and {self.max_session_timeout} s"
            )
        self._check_size(group, request)
        _check_names(group, request)
        if not group.supports(request.protocol_type, request.protocols):
            raise errors.InconsistentGroupProtocol(
                f"no protocol of type {request.protocol_type!r} is shared with group {group.group_id!r}"
            )
        outcome = Outcome()
        if request.member_id:
            self._join_again(group, request, now, outcome)
        else:
            self._join_first(group, request, now, outcome)
        return outcome

    def _check_size(self, group: Group, request: JoinRequest) -> None:
        returning = request.member_id in group.members or (
            request.instance_id is not None and request.instance_id in group.static_ids
        )
        if not returning and len(group.members) >= self.max_size:
            raise errors.GroupMaxSizeReached(f"group {group.group_id!r} has {self.max_size} members")

    def _join_first(self, group: Group, request: JoinRequest, now: Instant, outcome: Outcome) -> None:
        member_id = f"{request.instance_id or request.client_id}-{self.new_id()}"
        if request.instance_id is not None:
            if request.instance_id in group.static_ids:
                self._replace_static(group, request, member_id, now, outcome)
            else:
                self._add(group, request, member_id, now, outcome)
        elif request.knows_member_id_required:
            if len(group.pending) >= MOST_PENDING:
                del group.pending[
                    next(iter(group.pending))
                ]  # whoever asked first is the likeliest to be gone
            group.pending[member_id] = now.monotonic + request.session_timeout
            outcome.answer(request.waiter, Joined(int(ErrorCode.MEMBER_ID_REQUIRED), member_id))
        else:
            self._add(group, request, member_id, now, outcome)

    def _join_again(self, group: Group, request: JoinRequest, now: Instant, outcome: Outcome) -> None:
        if request.member_id in group.pending and request.instance_id is None:
            self._add(group, request, request.member_id, now, outcome)
            return
        member = _member(group, request.member_id, request.instance_id)
        same = member.protocols == request.protocols
        leads = member.member_id == group.leader
        if group.state is GroupState.EMPTY or group.state is GroupState.DEAD:
            raise errors.UnknownMemberId(f"group {group.group_id!r} has no members")
        if (group.state is GroupState.COMPLETING_REBALANCE and same) or (
            group.state is GroupState.STABLE and same and not leads
        ):
            # The first answer may have been lost, or only this member restarted its join: nothing changes.
            outcome.answer(request.waiter, current_generation(group, member))
            return
        _await_join(group, member, request, outcome)
        rebalance_or_complete(group, self.initial_delay, now, outcome)

    def _add(
        self, group: Group, request: JoinRequest, member_id: str, now: Instant, outcome: Outcome
    ) -> None:
        member = Member(
            member_id,
            request.instance_id,
            request.client_id,
            request.client_host,
            request.session_timeout,
            request.rebalance_timeout,
            request.protocols,
            is_new=True,
            deadline=now.monotonic + NEW_MEMBER_JOIN_TIMEOUT,
            awaiting_join=request.waiter,
        )
        group.protocol_type = request.protocol_type
        group.add(member)
        group.new_member_added = True
        rebalance_or_complete(group, self.initial_delay, now, outcome)

    def _replace_static(
        self, group: Group, request: JoinRequest, member_id: str, now: Instant, outcome: Outcome
    ) -> None:
        instance_id = request.instance_id
        assert instance_id is not None
        old_leader = group.leader or ""
        old_id = group.static_ids[instance_id]
        member = group.replace_static(instance_id, member_id)
        _fence(member, old_id, outcome)
        member.deadline = now.monotonic + request.session_timeout
        _update(member, request)
        if group.state is GroupState.STABLE and group.select_protocol() == group.protocol:
            # KIP-345: it keeps its assignment and nobody else notices; only its new id must be durable.
            assignments = {one.member_id: one.assignment for one in group.members.values()}
            outcome.records.append(group.image(assignments, now.wall_ms))
            outcome.answer(request.waiter, _static_rejoin(group, member, request, old_leader))
            return
        member.awaiting_join = request.waiter
        rebalance_or_complete(group, self.initial_delay, now, outcome)

    # -- sync ---------------------------------------------------------------------------------------

    def sync(self, group: Group, request: SyncRequest, now: Instant) -> Outcome:
        """Take the leader's assignment, or wait for it.

        Raises:
            UnknownMemberId, FencedInstanceId, IllegalGeneration, InconsistentGroupProtocol: it is not, or no
                longer, part of this generation.
            RebalanceInProgress: the generation has ended.
        """
        member = _member(group, request.member_id, request.instance_id)
        _check_generation(group, request.generation)
        _check_protocol(group, request)
        outcome = Outcome()
        if group.state is GroupState.PREPARING_REBALANCE:
            raise errors.RebalanceInProgress(f"group {group.group_id!r} is rebalancing")
        group.pending_sync.discard(member.member_id)
        if not group.pending_sync:
            group.sync_deadline = float("inf")
        if group.state is GroupState.STABLE:
            member.deadline = now.monotonic + member.session_timeout
            outcome.answer(request.waiter, _synced(group, member.assignment))
            return outcome
        if member.awaiting_sync is not None:
            # A client that gave up waiting and asks again: only its newest request counts.
            outcome.answer(member.awaiting_sync, Synced(int(ErrorCode.REBALANCE_IN_PROGRESS)))
        member.awaiting_sync = request.waiter
        if member.member_id == group.leader:
            _assign(group, request.assignments, now, outcome)
        return outcome

    # -- heartbeat, leave ---------------------------------------------------------------------------

    def heartbeat(self, group: Group, member_id: str, instance_id: str | None, generation: int) -> Member:
        """Check that a member is part of the current generation.

        Raises:
            UnknownMemberId, FencedInstanceId, IllegalGeneration: it is not.
        """
        member = _member(group, member_id, instance_id)
        _check_generation(group, generation)
        return member

    def leave(self, group: Group, member_id: str, instance_id: str | None, now: Instant) -> Outcome:
        """Take a member out at its own wish, or a static one at an administrator's (by instance id alone).

        Raises:
            UnknownMemberId, FencedInstanceId: no such member.
        """
        outcome = Outcome()
        if not member_id and instance_id is not None:
            member_id = group.static_ids.get(instance_id, "")
        if member_id in group.pending:
            del group.pending[member_id]
            if group.state is GroupState.PREPARING_REBALANCE:
                complete_if_all_joined(group, now, outcome)
            return outcome
        _member(group, member_id, instance_id)
        remove_member(group, member_id, now, outcome)
        return outcome

    def refused(self, group: Group, now: Instant) -> Outcome:
        """A record of this group could not be appended: start over with the members that are there."""
        outcome = Outcome()
        if group.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            prepare(group, 0.0, now, outcome)
        return outcome


def _check_names(group: Group, request: JoinRequest) -> None:
    """Refuse what a record of the group could not hold: every later generation would fail at it.

    Raises:
        InvalidRequest: a name is too long.
    """
    stem = request.instance_id if request.instance_id is not None else request.client_id
    names = (
        group.group_id,
        request.client_id,
        request.protocol_type,
        *(name for name, _ in request.protocols),
    )
    if len(stem.encode()) > LONGEST_STEM_BYTES or any(
        len(name.encode()) > LONGEST_TEXT_BYTES for name in names
    ):
        raise errors.InvalidRequest("a group id, instance id, client id or protocol name is too long")


def _member(group: Group, member_id: str, instance_id: str | None) -> Member:
    """Find a member and check its identity.

    Raises:
        UnknownMemberId: no such member id or instance id.
        FencedInstanceId: the instance id belongs to another, newer member id.
    """
    if instance_id is not None:
        owner = group.static_ids.get(instance_id)
        if owner is None:
            raise errors.UnknownMemberId(f"group {group.group_id!r} has no instance {instance_id!r}")
        if owner != member_id:
            raise errors.FencedInstanceId(f"instance {instance_id!r} has joined again under another id")
    member = group.members.get(member_id)
    if member is None:
        raise errors.UnknownMemberId(f"group {group.group_id!r} has no member {member_id!r}")
    return member


def _check_generation(group: Group, generation: int) -> None:
    if generation != group.generation:
        raise errors.IllegalGeneration(f"generation {generation} is not the current {group.generation}")


def _check_protocol(group: Group, request: SyncRequest) -> None:
    kind, name = request.protocol_type, request.protocol
    if (kind is not None and kind != group.protocol_type) or (name is not None and name != group.protocol):
        raise errors.InconsistentGroupProtocol(
            f"{kind}/{name} is not the group's {group.protocol_type}/{group.protocol}"
        )


def _update(member: Member, request: JoinRequest) -> None:
    member.protocols = request.protocols
    member.client_id, member.client_host = request.client_id, request.client_host
    member.session_timeout, member.rebalance_timeout = request.session_timeout, request.rebalance_timeout


def _await_join(group: Group, member: Member, request: JoinRequest, outcome: Outcome) -> None:
    if member.awaiting_join is not None and member.awaiting_join is not request.waiter:
        # A client that gave up waiting and asks again: only its newest request counts.
        outcome.answer(member.awaiting_join, Joined(int(ErrorCode.UNKNOWN_MEMBER_ID), member.member_id))
    _update(member, request)
    member.awaiting_join = request.waiter


def _fence(member: Member, old_id: str, outcome: Outcome) -> None:
    fenced = int(ErrorCode.FENCED_INSTANCE_ID)
    if member.awaiting_join is not None:
        outcome.answer(member.awaiting_join, Joined(fenced, old_id))
        member.awaiting_join = None
    if member.awaiting_sync is not None:
        outcome.answer(member.awaiting_sync, Synced(fenced))
        member.awaiting_sync = None


def _static_rejoin(group: Group, member: Member, request: JoinRequest, old_leader: str) -> Joined:
    leads = member.member_id == group.leader
    skip = request.can_skip_assignment and leads
    return Joined(
        member_id=member.member_id,
        generation=group.generation,
        protocol_type=group.protocol_type,
        protocol=group.protocol,
        # An old client must not see itself as the leader, or it would assign partitions in mid generation.
        leader=(group.leader or "") if request.can_skip_assignment else old_leader,
        members=roster(group) if skip else (),
        skip_assignment=skip,
    )


def _assign(group: Group, assignments: dict[str, bytes], now: Instant, outcome: Outcome) -> None:
    """The leader has spoken: make it durable, then answer everyone who waits."""
    outcome.records.append(group.image(assignments, now.wall_ms))
    for member in group.members.values():
        member.deadline = now.monotonic + member.session_timeout
        if member.awaiting_sync is not None:
            outcome.answer(member.awaiting_sync, _synced(group, assignments.get(member.member_id, b"")))
            member.awaiting_sync = None


def _synced(group: Group, assignment: bytes) -> Synced:
    return Synced(0, group.protocol_type, group.protocol, assignment)
