"""Metadata (3), v0-13: brokers, topics and partitions; creates a missing topic when asked and allowed.

KIP-4, KIP-516 (topic ids v10+, by id v12+), KIP-430 (authorized operations: everything is allowed here). v0
asks for all topics with an empty list, v1+ with null. Auto-creation: v4+ the client says whether it wants
it, before that it always does; `auto.create.topics.enable` decides. A partition that is offline has no
leader.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.limits import MOST_NEW_PARTITIONS, NewPartitions
from tidelock.broker.changes import Steps
from tidelock.broker.log import Partition
from tidelock.broker.metadata import INTERNAL_TOPICS, Topic
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from tidelock.protocol.primitives import ZERO_UUID

# AclOperation bits: all operations of a topic (READ WRITE CREATE DELETE ALTER DESCRIBE DESCRIBE_CONFIGS
# ALTER_CONFIGS) and of the cluster (CREATE ALTER DESCRIBE CLUSTER_ACTION DESCRIBE_CONFIGS ALTER_CONFIGS
# IDEMPOTENT_WRITE).
TOPIC_OPERATIONS = sum(1 << bit for bit in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << bit for bit in (5, 7, 8, 9, 10, 11, 12))
NOT_ASKED = -(1 << 31)


def handle(
    state: BrokerState, request: MetadataRequest, call: Call
) -> MetadataResponse | Steps[MetadataResponse]:
    """Describe the topics asked for, or all."""
    if request.topics is None or (call.version == 0 and not request.topics):
        return _response(state, request, [_described(state, one) for one in state.image.topics.values()])
    may_create = state.settings.auto_create_topics_enable and (
        call.version < 4 or request.allow_auto_topic_creation
    )
    if may_create and any(
        one.topic_id == ZERO_UUID and one.name not in state.image.topics for one in request.topics
    ):
        return _created(state, request, request.topics, call)
    return _response(state, request, [_asked(state, one, call) for one in request.topics])


def _created(
    state: BrokerState, request: MetadataRequest, asked: list[MetadataRequestTopic], call: Call
) -> Steps[MetadataResponse]:
    """Create what is missing, then describe everything as it is by then."""
    room = NewPartitions()
    refused: dict[int, KafkaError] = {}
    for number, one in enumerate(asked):
        if one.topic_id == ZERO_UUID:
            try:
                yield from _create(state, one.name or "", room, call)
            except KafkaError as error:
                refused[number] = error
    topics = [
        _refused(one, refused[number], call) if number in refused else _asked(state, one, call)
        for number, one in enumerate(asked)
    ]
    return _response(state, request, topics)


def _response(
    state: BrokerState, request: MetadataRequest, topics: list[MetadataResponseTopic]
) -> MetadataResponse:
    if request.include_topic_authorized_operations:
        for topic in topics:
            topic.topic_authorized_operations = TOPIC_OPERATIONS
    host, port = state.endpoint
    own = state.settings.node_id
    return MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=own, host=host, port=port)],
        cluster_id=state.image.cluster_id,
        controller_id=own,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )


def _asked(state: BrokerState, asked: MetadataRequestTopic, call: Call) -> MetadataResponseTopic:
    try:
        if asked.topic_id != ZERO_UUID:
            return _described(state, state.topic_by_id(asked.topic_id))
        name = asked.name or ""
        topic = state.image.topics.get(name)
        if topic is None:
            state.check_new_topic(name)
            raise errors.UnknownTopicOrPartition(f"there is no topic {name!r}")
        return _described(state, topic)
    except KafkaError as error:
        return _refused(asked, error, call)


def _refused(asked: MetadataRequestTopic, error: KafkaError, call: Call) -> MetadataResponseTopic:
    name = asked.name if asked.topic_id == ZERO_UUID else None
    if name is None and call.version < 12:
        name = ""
    return MetadataResponseTopic(
        error_code=error.error_code,
        name=name,
        topic_id=asked.topic_id,
        is_internal=name in INTERNAL_TOPICS,
    )


def _create(state: BrokerState, name: str, room: NewPartitions, call: Call) -> Steps[None]:
    if name in state.image.topics:
        return
    state.check_new_topic(name)
    if name in INTERNAL_TOPICS:
        raise errors.UnknownTopicOrPartition(f"there is no topic {name!r}")
    try:
        room.take(min(state.settings.num_partitions, MOST_NEW_PARTITIONS))
    except errors.PolicyViolation as error:
        # Clients ask again at this code; Kafka says it as well while it creates the topic.
        raise errors.LeaderNotAvailable(f"topic {name!r} is created when it is asked for again") from error
    yield from state.create_topic(name, state.settings.num_partitions, {}, call.now)


def _described(state: BrokerState, topic: Topic) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            _partition(state.settings.node_id, index, partition)
            for index, partition in enumerate(state.partitions[topic.name])
        ],
    )


def _partition(own: int, index: int, partition: Partition | None) -> MetadataResponsePartition:
    if partition is None or partition.offline:
        return MetadataResponsePartition(
            error_code=int(ErrorCode.LEADER_NOT_AVAILABLE),
            partition_index=index,
            leader_id=-1,
            replica_nodes=[own],
            isr_nodes=[own],
            offline_replicas=[own],
        )
    return MetadataResponsePartition(
        partition_index=index,
        leader_id=own,
        leader_epoch=partition.leader_epoch,
        replica_nodes=[own],
        isr_nodes=[own],
    )
