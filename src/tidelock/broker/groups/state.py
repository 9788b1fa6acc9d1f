"""A classic group as data: its members, its state, and the questions that rules ask of it.

Durable parts (generation, members' subscriptions and assignments, offsets) change only through `apply`,
with the records that the coordinator has appended or reads back at a start. Everything about requests in
flight (who waits for a join or a sync, pending member ids, deadlines) is lost at a restart on purpose:
members rejoin. Deadlines are monotonic seconds. Pure: imports sibling records only.

Source: Kafka `ClassicGroup`, `ClassicGroupMember`, `ClassicGroupState`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TypeAlias

from tidelock.broker.groups.records import GroupChanged, MemberImage, OffsetCommitted

CONSUMER = "consumer"
TopicPartition: TypeAlias = tuple[str, int]


class GroupState(enum.Enum):
    """The states of a classic group, spelled as DescribeGroups reports them."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


# Every legal move; `Group.move_to` refuses the others.
TRANSITIONS = {
    GroupState.EMPTY: {GroupState.PREPARING_REBALANCE, GroupState.DEAD},
    GroupState.PREPARING_REBALANCE: {GroupState.COMPLETING_REBALANCE, GroupState.EMPTY, GroupState.DEAD},
    GroupState.COMPLETING_REBALANCE: {GroupState.STABLE, GroupState.PREPARING_REBALANCE, GroupState.DEAD},
    GroupState.STABLE: {GroupState.PREPARING_REBALANCE, GroupState.DEAD},
    GroupState.DEAD: set(),
}


@dataclass(slots=True, eq=False)
class Member:
    """One member. Timeouts are seconds; a waiter is the parked request, opaque to the rules.

    Args:
        protocols: (name, metadata) in the member's order of preference.
        is_new: it has not had an answer to its first join yet, so it does not heartbeat.
        deadline: when its session ends, unless it waits for a join (not new) or a sync.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocols: tuple[tuple[str, bytes], ...]
    assignment: bytes = b""
    is_new: bool = False
    deadline: float = math.inf
    awaiting_join: object | None = None
    awaiting_sync: object | None = None

    def metadata(self, protocol: str | None) -> bytes:
        """What the member said under a protocol; empty if it does not know it."""
        return next((data for name, data in self.protocols if name == protocol), b"")

    def image(self, protocol: str | None, assignment: bytes) -> MemberImage:
        """The durable part."""
        return MemberImage(
            self.member_id,
            self.instance_id,
            self.client_id,
            self.client_host,
            round(self.rebalance_timeout * 1000),
            round(self.session_timeout * 1000),
            self.metadata(protocol),
            assignment,
        )

    def expires_at(self) -> float:
        """When the session ends if nothing is heard; infinite while an answer is owed."""
        waits = self.awaiting_sync is not None or (self.awaiting_join is not None and not self.is_new)
        return math.inf if waits else self.deadline


@dataclass(slots=True, eq=False)
class Group:
    """One group: classic members, or only offsets (a simple group has no protocol type).

    Args:
        committed_at: where in `__consumer_offsets` the record of each position is.
        undecided: by producer id, positions committed in its open transaction, and where their records are.
    """

    group_id: str
    state: GroupState = GroupState.EMPTY
    state_ms: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    generation: int = 0
    leader: str | None = None
    members: dict[str, Member] = field(default_factory=dict)
    static_ids: dict[str, str] = field(default_factory=dict)
    pending: dict[str, float] = field(default_factory=dict)
    pending_sync: set[str] = field(default_factory=set)
    join_deadline: float = math.inf
    initial_join_end: float = math.inf
    new_member_added: bool = False
    sync_deadline: float = math.inf
    offsets: dict[TopicPartition, OffsetCommitted] = field(default_factory=dict)
    committed_at: dict[TopicPartition, int] = field(default_factory=dict)
    undecided: dict[int, dict[TopicPartition, tuple[OffsetCommitted, int]]] = field(default_factory=dict)

    def move_to(self, state: GroupState, wall_ms: int) -> None:
        """Change state; an illegal move is a bug of ours."""
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
        self.state_ms = wall_ms

    # -- members ------------------------------------------------------------------------------------

    def add(self, member: Member) -> None:
        """Take a member in; the first one becomes the leader."""
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id
        self.pending.pop(member.member_id, None)

    def remove(self, member_id: str) -> Member | None:
        """Take a member out; another one becomes the leader if it was the leader."""
        member = self.members.pop(member_id, None)
        if member is None:
            return None
        if member.instance_id is not None and self.static_ids.get(member.instance_id) == member_id:
            del self.static_ids[member.instance_id]
        self.pending_sync.discard(member_id)
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        return member

    def replace_static(self, instance_id: str, new_id: str) -> Member:
        """Give a static member its new id; the old one is fenced from now on."""
        old_id = self.static_ids[instance_id]
        member = self.members.pop(old_id)
        member.member_id = new_id
        self.members[new_id] = member
        self.static_ids[instance_id] = new_id
        if old_id in self.pending_sync:
            self.pending_sync.remove(old_id)
            self.pending_sync.add(new_id)
        if self.leader == old_id:
            self.leader = new_id
        return member

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is a member that has rejoined; False if none has."""
        leader = self.members.get(self.leader) if self.leader is not None else None
        if leader is not None and leader.awaiting_join is not None:
            return True
        joined = next((one for one in self.members.values() if one.awaiting_join is not None), None)
        if joined is not None:
            self.leader = joined.member_id
        return joined is not None

    def all_joined(self) -> bool:
        """Whether nobody is missing for the next generation."""
        return not self.pending and all(one.awaiting_join is not None for one in self.members.values())

    # -- protocols ----------------------------------------------------------------------------------

    def common_protocols(self) -> list[str]:
        """The protocols that every member supports, in the first member's order."""
        if not self.members:
            return []
        supported = [{name for name, _ in one.protocols} for one in self.members.values()]
        shared = set.intersection(*supported)
        first = next(iter(self.members.values()))
        return [name for name, _ in first.protocols if name in shared]

    def supports(self, protocol_type: str, protocols: tuple[tuple[str, bytes], ...]) -> bool:
        """Whether a member with these protocols can be in this group."""
        if not self.members:
            return bool(protocol_type) and bool(protocols)
        if protocol_type != self.protocol_type:
            return False
        shared = set(self.common_protocols())
        return any(name in shared for name, _ in protocols)

    def select_protocol(self) -> str | None:
        """Choose by majority: each member votes for the first of its protocols that all support."""
        shared = self.common_protocols()
        if not shared:
            return None
        votes = dict.fromkeys(shared, 0)
        for member in self.members.values():
            votes[next(name for name, _ in member.protocols if name in votes)] += 1
        return max(shared, key=votes.__getitem__)

    # -- time ---------------------------------------------------------------------------------------

    def wake_at(self) -> float:
        """The next moment at which time alone changes this group."""
        sessions = min((member.expires_at() for member in self.members.values()), default=math.inf)
        pending = min(self.pending.values(), default=math.inf)
        return min(sessions, pending, self.join_deadline, self.sync_deadline)

    # -- offsets ------------------------------------------------------------------------------------

    def is_undecided(self, key: TopicPartition) -> bool:
        """Whether an open transaction holds a position of this partition."""
        return any(key in positions for positions in self.undecided.values())

    def take_offset(self, record: OffsetCommitted, at: int) -> None:
        """Take in a position whose record lies at `at`, unless a later one is known."""
        key = record.topic, record.partition
        if at >= self.committed_at.get(key, -1):
            self.offsets[key] = record
            self.committed_at[key] = at

    def forget_offset(self, key: TopicPartition) -> None:
        """Forget a position, also where a transaction still holds one."""
        self.offsets.pop(key, None)
        self.committed_at.pop(key, None)
        for positions in self.undecided.values():
            positions.pop(key, None)

    # -- durable ------------------------------------------------------------------------------------

    def image(self, assignments: dict[str, bytes], wall_ms: int) -> GroupChanged:
        """The record that makes the current generation durable."""
        return GroupChanged(
            self.group_id,
            self.protocol_type or "",
            self.generation,
            self.protocol,
            self.leader if self.members else None,
            wall_ms,
            tuple(
                one.image(self.protocol, assignments.get(one.member_id, b"")) for one in self.members.values()
            ),
        )

    def apply(self, record: GroupChanged) -> None:
        """Become what the record says; requests in flight and deadlines of known members stay."""
        self.protocol_type = record.protocol_type or None
        self.generation = record.generation
        self.protocol = record.protocol
        self.leader = record.leader
        self.state_ms = record.state_ms
        self.state = GroupState.STABLE if record.members else GroupState.EMPTY
        known = self.members
        self.members = {one.member_id: _restored(one, known, record.protocol) for one in record.members}
        self.static_ids = {one.instance_id: one.member_id for one in record.members if one.instance_id}


def _restored(image: MemberImage, known: dict[str, Member], protocol: str | None) -> Member:
    member = known.get(image.member_id)
    if member is None:
        member = Member(
            image.member_id,
            image.instance_id,
            image.client_id,
            image.client_host,
            image.session_timeout_ms / 1000,
            image.rebalance_timeout_ms / 1000,
            ((protocol, image.subscription),) if protocol else (),
        )
    member.assignment = image.assignment
    return member
