"""The group coordinator: owns every group, makes decisions durable, applies them, and hands out the answers.

    decide (classic.py, offsets.py)  ->  journal(records)  ->  apply(record)  ->  answers

At a start the same `apply` takes in the records read back from `__consumer_offsets`. Time acts through
`tick`, which looks only at groups whose earliest deadline has come. No IO: the journal is a function that
appends and raises KafkaError when it cannot.

Source: Kafka `GroupCoordinatorShard`, `GroupMetadataManager`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tidelock.broker.groups import offsets as offset_rules
from tidelock.broker.groups.classic import ClassicRules, JoinRequest, SyncRequest
from tidelock.broker.groups.outcome import Joined, Outcome, Synced
from tidelock.broker.groups.rebalance import expire
from tidelock.broker.groups.records import (
    GroupChanged,
    GroupForgotten,
    GroupRecord,
    OffsetCommitted,
    OffsetForgotten,
)
from tidelock.broker.groups.state import Group, GroupState
from tidelock.broker.instant import Instant
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import NO_PRODUCER, NO_PRODUCER_ID, Producer

# Records of one batch of `__consumer_offsets`; only expiry and deletions have more, and they may be cut.
BATCH_RECORDS = 1000


class Committer(NamedTuple):
    """Who commits offsets: nobody in particular by default."""

    member_id: str = ""
    instance_id: str | None = None
    generation: int = -1


Answers = list[tuple[object, Joined | Synced]]


class GroupCoordinator:
    """All groups of one broker.

    Args:
        rules: the classic protocol with its limits.
        journal: makes records durable in `__consumer_offsets`, as a part of a producer's transaction if one
            is given, and returns the first one's offset; raises KafkaError when it cannot.
        retention_ms: how long positions of an empty group are kept.
    """

    def __init__(
        self,
        rules: ClassicRules,
        journal: Callable[[Sequence[GroupRecord], Instant, Producer], int],
        retention_ms: int,
    ) -> None:
        self.rules = rules
        self.journal = journal
        self.retention_ms = retention_ms
        self.groups: dict[str, Group] = {}
        self._in_transaction: dict[int, set[str]] = {}
        self._wakes: list[tuple[float, str]] = []
        self._next_wake: dict[str, float] = {}

    # -- applying -----------------------------------------------------------------------------------

    def apply(self, record: GroupRecord, at: int, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take in one durable record, new or read back.

        Args:
            record: what happened.
            at: its offset in `__consumer_offsets`.
            producer_id: of the transaction that it is a part of, if it is.
        """
        match record:
            case OffsetCommitted(group, topic, partition) if producer_id >= 0:
                held = self._group(group).undecided.setdefault(producer_id, {})
                held[topic, partition] = record, at
                self._in_transaction.setdefault(producer_id, set()).add(group)
            case OffsetCommitted(group):
                self._group(group).take_offset(record, at)
            case OffsetForgotten(group, topic, partition):
                if group in self.groups:
                    self.groups[group].forget_offset((topic, partition))
            case GroupChanged(group):
                self._group(group).apply(record)
            case GroupForgotten(group):
                self.groups.pop(group, None)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """A marker in `__consumer_offsets`, new or read back: its transaction's positions count, or are gone.

        Of two positions of one partition the one whose record is later in the log holds.
        """
        for group_id in self._in_transaction.pop(producer_id, ()):
            group = self.groups.get(group_id)
            held = group.undecided.pop(producer_id, {}) if group else {}
            for record, at in held.values():
                if commit and group:
                    group.take_offset(record, at)

    def loaded(self, now: Instant) -> None:
        """After reading back: members have one session timeout from now to be heard."""
        for group in self.groups.values():
            for member in group.members.values():
                member.deadline = now.monotonic + member.session_timeout
            self._schedule(group)

    def _group(self, group_id: str) -> Group:
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = Group(group_id)
        return group

    def _carry_out(self, group: Group, outcome: Outcome, now: Instant) -> Answers:
        """Durable first, then applied, then answered."""
        try:
            if outcome.records:
                self.commit(outcome.records, now)
        except errors.KafkaError as error:
            refused = [(waiter, answer.refused(error.error_code)) for waiter, answer in outcome.answers]
            restart = self.rules.refused(group, now)
            self._schedule(group)
            return refused + restart.answers
        self._schedule(group)
        return outcome.answers

    def commit(self, records: Sequence[GroupRecord], now: Instant, producer: Producer = NO_PRODUCER) -> None:
        """Make records durable and apply them, as a part of a producer's transaction if one is given.

        Raises:
            KafkaError: they could not be appended; nothing has changed, or only the start of a long list.
        """
        for start in range(0, len(records), BATCH_RECORDS):
            part = records[start : start + BATCH_RECORDS]
            offset = self.journal(part, now, producer)
            for number, record in enumerate(part):
                self.apply(record, offset + number, producer.id)

    # -- requests -----------------------------------------------------------------------------------

    def find(self, group_id: str) -> Group:
        """Return a group.

        Raises:
            UnknownMemberId: it does not exist, so nobody can be its member.
        """
        group = self.groups.get(group_id)
        if group is None:
            raise errors.UnknownMemberId(f"there is no group {group_id!r}")
        return group

    def join(self, group_id: str, request: JoinRequest, now: Instant) -> Answers:
        """See ClassicRules.join; an unknown group comes into being with its first member."""
        if not group_id:
            raise errors.InvalidGroupId("the group id is empty")
        group = self.groups.get(group_id)
        if group is None:
            if request.member_id:
                raise errors.UnknownMemberId(f"there is no group {group_id!r}")
            group = Group(group_id)
        outcome = self.rules.join(group, request, now)
        self.groups[group_id] = group
        return self._carry_out(group, outcome, now)

    def sync(self, group_id: str, request: SyncRequest, now: Instant) -> Answers:
        """See ClassicRules.sync."""
        group = self.find(group_id)
        return self._carry_out(group, self.rules.sync(group, request, now), now)

    def heartbeat(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int, now: Instant
    ) -> None:
        """Keep a member's session alive.

        Raises:
            UnknownMemberId, FencedInstanceId, IllegalGeneration: it is not part of the generation.
            RebalanceInProgress: it should join again (its session is kept alive all the same).
        """
        group = self.find(group_id)
        member = self.rules.heartbeat(group, member_id, instance_id, generation)
        member.deadline = now.monotonic + member.session_timeout
        if group.state is GroupState.PREPARING_REBALANCE:
            raise errors.RebalanceInProgress(f"group {group_id!r} is rebalancing")

    def leave(self, group_id: str, member_id: str, instance_id: str | None, now: Instant) -> Answers:
        """See ClassicRules.leave."""
        group = self.find(group_id)
        return self._carry_out(group, self.rules.leave(group, member_id, instance_id, now), now)

    def check_commit(
        self, group_id: str, committer: Committer, now: Instant, *, transactional: bool = False
    ) -> None:
        """Decide whether offsets may be committed, and keep the committer's session alive.

        Raises:
            IllegalGeneration: a group that does not exist has no generation.
            UnknownMemberId, FencedInstanceId, RebalanceInProgress: see offsets.check_commit.
        """
        group = self.groups.get(group_id)
        if group is None:
            if committer.generation >= 0:
                raise errors.IllegalGeneration(f"there is no group {group_id!r}")
            return
        offset_rules.check_commit(group, *committer, transactional=transactional)
        member = group.members.get(committer.member_id)
        if member is not None:
            member.deadline = now.monotonic + member.session_timeout

    def delete(self, group_id: str, now: Instant) -> None:
        """Forget a group and its offsets.

        Raises:
            GroupIdNotFound: it does not exist.
            NonEmptyGroup: it has members.
            KafkaError: the tombstones could not be appended.
        """
        group = self.groups.get(group_id)
        if group is None:
            raise errors.GroupIdNotFound(f"there is no group {group_id!r}")
        if group.state is not GroupState.EMPTY:
            raise errors.NonEmptyGroup(f"group {group_id!r} has members")
        self.commit([*offset_rules.all_positions(group), GroupForgotten(group_id)], now)

    def forget_topic(self, topic: str, now: Instant) -> None:
        """Forget every position in a deleted topic."""
        gone = [
            OffsetForgotten(group.group_id, name, partition)
            for group in self.groups.values()
            for name, partition in group.offsets
            if name == topic
        ]
        self.commit(gone, now)

    # -- time ---------------------------------------------------------------------------------------

    def wake_at(self) -> float:
        """When `tick` is due; monotonic seconds, infinite if never."""
        return self._wakes[0][0] if self._wakes else math.inf

    def tick(self, now: Instant) -> Answers:
        """Let time act on the groups whose deadline has come."""
        answers: Answers = []
        while self._wakes and self._wakes[0][0] <= now.monotonic:
            wake, group_id = heapq.heappop(self._wakes)
            if self._next_wake.get(group_id) == wake:
                del self._next_wake[group_id]
            group = self.groups.get(group_id)
            if group is not None:
                answers += self._carry_out(group, expire(group, self.rules.initial_delay, now), now)
        return answers

    def _schedule(self, group: Group) -> None:
        wake = group.wake_at()
        if wake < self._next_wake.get(group.group_id, math.inf):
            self._next_wake[group.group_id] = wake
            heapq.heappush(self._wakes, (wake, group.group_id))

    def expire_offsets(self, now: Instant) -> int:
        """Forget positions whose time is over, and groups with nothing left; returns how many records."""
        records: list[GroupRecord] = []
        for group in self.groups.values():
            gone = offset_rules.expired(group, self.retention_ms, now.wall_ms)
            records += gone
            if (
                group.state is GroupState.EMPTY
                and len(gone) == len(group.offsets)
                and not group.pending
                and not any(group.undecided.values())
            ):
                records.append(GroupForgotten(group.group_id))
        self.commit(records, now)
        return len(records)

    def listed(self, states: Iterable[str], types: Iterable[str]) -> list[Group]:
        """Return the groups in the given states and of the given types (none given = all)."""
        wanted, kinds = {one.lower() for one in states}, {one.lower() for one in types}
        if kinds and "classic" not in kinds:
            return []
        return [one for one in self.groups.values() if not wanted or one.state.value.lower() in wanted]
