"""Committed offsets: who may commit, and when a position is forgotten.

Pure rules over one group: nothing here changes it. Times are wall-clock milliseconds, as Kafka records them.

Source: Kafka `ClassicGroup.validateOffsetCommit`, `OffsetMetadataManager`, KIP-211 (expiry since the group
is empty).
"""

from __future__ import annotations

from tidelock.broker.groups.records import OffsetCommitted, OffsetForgotten
from tidelock.broker.groups.state import CONSUMER, Group, GroupState
from tidelock.protocol import error_codes as errors


def check_commit(
    group: Group, member_id: str, instance_id: str | None, generation: int, *, transactional: bool = False
) -> None:
    """Decide whether a commit may be taken.

    A commit without member and generation comes from an administrator or a consumer that assigns itself, and
    is taken only while the group has no members; one inside a transaction always is: clients before KIP-447
    do not say who they are there.

    Raises:
        UnknownMemberId, FencedInstanceId, IllegalGeneration: the committer is not part of the generation.
        RebalanceInProgress: the generation has no assignment yet.
    """
    if generation < 0 and group.state is GroupState.EMPTY:
        return
    if generation < 0 and not member_id and instance_id is None:
        if transactional:
            return
        raise errors.UnknownMemberId(f"group {group.group_id!r} has members; only they may commit")
    if instance_id is not None:
        owner = group.static_ids.get(instance_id)
        if owner is None:
            raise errors.UnknownMemberId(f"group {group.group_id!r} has no instance {instance_id!r}")
        if owner != member_id:
            raise errors.FencedInstanceId(f"instance {instance_id!r} has joined again under another id")
    if member_id not in group.members:
        raise errors.UnknownMemberId(f"group {group.group_id!r} has no member {member_id!r}")
    if generation != group.generation:
        raise errors.IllegalGeneration(f"generation {generation} is not the current {group.generation}")
    if group.state is GroupState.COMPLETING_REBALANCE and not transactional:
        raise errors.RebalanceInProgress(f"group {group.group_id!r} has no assignment yet")


def expired(group: Group, retention_ms: int, now_ms: int) -> list[OffsetForgotten]:
    """Return the positions whose time is over.

    A consumer group's positions live until `retention_ms` after it became empty (or after the commit, if
    later); those of a group that never had members, until `retention_ms` after the commit.
    """
    if group.state is not GroupState.EMPTY:
        return []
    since = group.state_ms if group.protocol_type == CONSUMER and group.state_ms >= 0 else -1
    return [
        _forget(one)
        for one in group.offsets.values()
        if max(since, one.commit_ms) + retention_ms <= now_ms
        and not group.is_undecided((one.topic, one.partition))
    ]


def all_positions(group: Group) -> list[OffsetForgotten]:
    """The tombstones of everything a group has committed."""
    return [_forget(one) for one in group.offsets.values()]


def _forget(offset: OffsetCommitted) -> OffsetForgotten:
    return OffsetForgotten(offset.group, offset.topic, offset.partition)
