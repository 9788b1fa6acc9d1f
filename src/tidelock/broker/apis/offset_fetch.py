"""OffsetFetch (9), v1-10: read a group's positions; -1 where there is none.

v2 null topics = all, v5 leader epoch, v7 require stable (KIP-447: a partition of which an open transaction
holds a position is UNSTABLE_OFFSET_COMMIT), v8 many groups (KIP-709), v9 member epoch (KIP-848), v10 topic
ids. An unknown group has no positions: not an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple, TypeVar

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.records import OffsetCommitted
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from tidelock.protocol.primitives import ZERO_UUID

Part = TypeVar("Part", OffsetFetchResponsePartition, OffsetFetchResponsePartitions)


class Positions(NamedTuple):
    """A group's positions, and of which partitions they are not to be told yet."""

    committed: dict[tuple[str, int], OffsetCommitted]
    undecided: Set[tuple[str, int]]


def handle(state: BrokerState, request: OffsetFetchRequest, call: Call) -> OffsetFetchResponse:
    """Read positions."""
    if call.version >= 8:
        return OffsetFetchResponse(
            groups=[_group(state, one, request.require_stable, call) for one in request.groups]
        )
    positions = _positions(state, request.group_id, request.require_stable)
    wanted = (
        _all(positions)
        if request.topics is None
        else [(topic.name, topic.partition_indexes) for topic in request.topics]
    )
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=_partitions(OffsetFetchResponsePartition, positions, name, indexes),
            )
            for name, indexes in wanted
        ]
    )


def _group(
    state: BrokerState, asked: OffsetFetchRequestGroup, require_stable: bool, call: Call
) -> OffsetFetchResponseGroup:
    positions = _positions(state, asked.group_id, require_stable)
    if asked.topics is None:
        topics = [
            OffsetFetchResponseTopics(
                name=name,
                topic_id=_id_of(state, name),
                partitions=_partitions(OffsetFetchResponsePartitions, positions, name, indexes),
            )
            for name, indexes in _all(positions)
        ]
    else:
        topics = [_topic(state, positions, topic, call) for topic in asked.topics]
    return OffsetFetchResponseGroup(group_id=asked.group_id, topics=topics)


def _topic(
    state: BrokerState, positions: Positions, topic: OffsetFetchRequestTopics, call: Call
) -> OffsetFetchResponseTopics:
    name, error = topic.name, 0
    if call.version >= 10:
        found = state.image.by_id.get(topic.topic_id)
        name = found.name if found else ""
        error = 0 if found else errors.UnknownTopicId.error_code
    partitions = _partitions(OffsetFetchResponsePartitions, positions, name, topic.partition_indexes)
    for partition in partitions:
        partition.error_code = error or partition.error_code
    return OffsetFetchResponseTopics(name=topic.name, topic_id=topic.topic_id, partitions=partitions)


def _positions(state: BrokerState, group_id: str, require_stable: bool) -> Positions:
    group = state.groups.groups.get(group_id)
    if group is None:
        return Positions({}, frozenset())
    held = group.undecided.values() if require_stable else ()
    return Positions(group.offsets, frozenset(key for positions in held for key in positions))


def _all(positions: Positions) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for name, index in positions.committed:
        found.setdefault(name, []).append(index)
    return list(found.items())


def _id_of(state: BrokerState, name: str) -> bytes:
    topic = state.image.topics.get(name)
    return topic.topic_id if topic else ZERO_UUID


def _partitions(kind: type[Part], positions: Positions, name: str, indexes: Iterable[int]) -> list[Part]:
    return [_partition(kind, positions, (name, index)) for index in indexes]


def _partition(kind: type[Part], positions: Positions, key: tuple[str, int]) -> Part:
    index, position = key[1], positions.committed.get(key)
    if position is None or key in positions.undecided:
        error = errors.UnstableOffsetCommit.error_code if key in positions.undecided else 0
        return kind(
            partition_index=index,
            committed_offset=-1,
            committed_leader_epoch=-1,
            metadata="",
            error_code=error,
        )
    return kind(
        partition_index=index,
        committed_offset=position.offset,
        committed_leader_epoch=position.leader_epoch,
        metadata=position.metadata,
    )
