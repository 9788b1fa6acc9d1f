"""CreatePartitions (37), v0-3: raise a topic's partition count (KIP-195).

The count is the new total; it must grow. Assignments may name this broker only, one list per new partition.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.create_topics import MAX_PARTITIONS
from tidelock.broker.apis.limits import NewPartitions
from tidelock.broker.changes import Steps, in_order
from tidelock.broker.state import BrokerState, is_internal
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


def handle(
    state: BrokerState, request: CreatePartitionsRequest, call: Call
) -> Steps[CreatePartitionsResponse]:
    """Grow each topic."""
    room = NewPartitions()
    results = yield from in_order(
        _grow(state, topic, call, room, validate_only=request.validate_only) for topic in request.topics
    )
    return CreatePartitionsResponse(results=results)


def _grow(
    state: BrokerState, asked: CreatePartitionsTopic, call: Call, room: NewPartitions, *, validate_only: bool
) -> Steps[CreatePartitionsTopicResult]:
    try:
        room.take(_check(state, asked))
        if not validate_only:
            yield from state.add_partitions(asked.name, asked.count, call.now)
    except KafkaError as error:
        return CreatePartitionsTopicResult(
            name=asked.name, error_code=error.error_code, error_message=error.what
        )
    return CreatePartitionsTopicResult(name=asked.name, error_message=None)


def _check(state: BrokerState, asked: CreatePartitionsTopic) -> int:
    """Return how many partitions are to be created."""
    topic = state.image.topics.get(asked.name)
    if topic is None:
        raise errors.UnknownTopicOrPartition(f"there is no topic {asked.name!r}")
    if is_internal(asked.name):
        raise errors.InvalidTopic(f"topic {asked.name!r} belongs to the broker")
    new = asked.count - topic.partitions
    if new <= 0 or asked.count > MAX_PARTITIONS:
        raise errors.InvalidPartitions(
            f"topic {asked.name!r} has {topic.partitions} partitions; {asked.count} is not an increase to at"
            f" most {MAX_PARTITIONS}"
        )
    if asked.assignments is None:
        return new
    if len(asked.assignments) != new:
        raise errors.InvalidReplicaAssignment(f"{new} new partitions need {new} assignments")
    if any(one.broker_ids != [state.settings.node_id] for one in asked.assignments):
        raise errors.InvalidReplicaAssignment(
            f"each partition can only be assigned to broker {state.settings.node_id}, which is alone"
        )
    return new
