"""Reading `__consumer_offsets` back skips replaced records; the groups are as if all had been applied."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from tests.support.node import MemoryBroker
from tidelock.broker.groups.coordinator import GroupCoordinator
from tidelock.broker.groups.records import (
    GroupChanged,
    GroupForgotten,
    GroupRecord,
    OffsetCommitted,
    OffsetForgotten,
)
from tidelock.broker.log import Marker
from tidelock.broker.metadata import OFFSETS_TOPIC
from tidelock.protocol.records import NO_PRODUCER, Producer

groups, partitions, producers = st.sampled_from("ab"), st.integers(0, 2), st.sampled_from([7, 8])
positions = st.builds(
    lambda group, partition, offset: OffsetCommitted(group, "t", partition, offset, 0, "", 0),
    *(groups, partitions, st.integers(0, 1000)),
)
# A group is deleted with its positions; every list of changes is written as one batch.
deletions = groups.map(
    lambda group: [*(OffsetForgotten(group, "t", partition) for partition in range(3)), GroupForgotten(group)]
)
changes = st.one_of(
    positions.map(lambda one: [one]),
    st.builds(lambda group, partition: [OffsetForgotten(group, "t", partition)], groups, partitions),
    st.builds(
        lambda group, number: [GroupChanged(group, "consumer", number, None, None, 0, ())], groups, partitions
    ),
    deletions,
)
batches = st.lists(changes, min_size=1, max_size=5).map(lambda found: [one for some in found for one in some])
steps = st.one_of(
    st.tuples(st.just(NO_PRODUCER.id), batches),
    st.tuples(producers, st.lists(positions, min_size=1, max_size=3)),
    st.tuples(producers, st.booleans()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, max_size=25))
def test_the_groups_are_as_if_every_record_had_been_applied(
    history: list[tuple[int, list[GroupRecord] | bool]],
) -> None:
    broker = MemoryBroker()
    state = broker.state
    state.offsets_partition(broker.now())
    expected = GroupCoordinator(state.groups.rules, state.journal, 0)
    for producer_id, step in [*history, (7, True), (8, True)]:
        if isinstance(step, bool):
            state.write_marker((OFFSETS_TOPIC, 0), Marker(producer_id, 0, step, 0), broker.now())
            expected.end_transaction(producer_id, step)
            continue
        producer = Producer(producer_id, 0) if producer_id >= 0 else NO_PRODUCER
        at = state.journal(step, broker.now(), producer)
        for number, record in enumerate(step):
            expected.apply(record, at + number, producer_id)
    broker.kill()
    assert what_is_left(broker.state.groups) == what_is_left(expected)


def what_is_left(coordinator: GroupCoordinator) -> dict[str, object]:
    """Each group's positions and generation; one that has neither may be gone, as after a compaction."""
    found = coordinator.groups.items()
    return {name: (one.offsets, one.generation) for name, one in found if one.offsets or one.generation}
