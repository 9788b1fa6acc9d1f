"""CreateTopics (19), v2-7: create topics, or only check that they could be.

-1 partitions or replicas = the broker's default (KIP-464), v5 answers with the effective configs (KIP-525),
v7 with the id (KIP-516). Replica assignments may name this broker only. What is wrong is said per topic:
INVALID_TOPIC 17, TOPIC_ALREADY_EXISTS 36, INVALID_PARTITIONS 37, INVALID_REPLICATION_FACTOR 38,
INVALID_REPLICA_ASSIGNMENT 39, INVALID_CONFIG 40, INVALID_REQUEST 42 (named twice), POLICY_VIOLATION 44 (too
many partitions in one request).
"""

from __future__ import annotations

from collections import Counter

from tidelock.broker import configs
from tidelock.broker.apis.call import Call
from tidelock.broker.apis.limits import NewPartitions
from tidelock.broker.changes import Steps
from tidelock.broker.metadata import INTERNAL_TOPICS
from tidelock.broker.settings import TopicSettings
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from tidelock.protocol.primitives import ZERO_UUID

MAX_PARTITIONS = 10_000


def handle(state: BrokerState, request: CreateTopicsRequest, call: Call) -> Steps[CreateTopicsResponse]:
    """Create each topic."""
    named = Counter(topic.name for topic in request.topics)
    twice = {name for name, count in named.items() if count > 1}
    results = [
        CreatableTopicResult(
            name=name,
            error_code=errors.InvalidRequest.error_code,
            error_message=f"topic {name!r} is named twice in the request",
        )
        for name in sorted(twice)
    ]
    room = NewPartitions()
    for topic in request.topics:
        if topic.name not in twice:
            made = yield from _create(state, topic, call, room, validate_only=request.validate_only)
            results.append(made)
    return CreateTopicsResponse(topics=results)


def _create(
    state: BrokerState, topic: CreatableTopic, call: Call, room: NewPartitions, *, validate_only: bool
) -> Steps[CreatableTopicResult]:
    try:
        if topic.name in INTERNAL_TOPICS and topic.name in state.image.topics:
            raise errors.TopicAlreadyExists(f"topic {topic.name!r} exists")
        state.check_new_topic(topic.name)
        count = _partition_count(state, topic)
        room.take(count)
        given = {one.name: one.value for one in topic.configs}
        problem = configs.problem_of(TopicSettings, given)
        if problem is not None:
            raise errors.InvalidConfig(problem)
        overrides = {name: value for name, value in given.items() if value is not None}
        topic_id = ZERO_UUID
        if not validate_only:
            topic_id = (yield from state.create_topic(topic.name, count, overrides, call.now)).topic_id
    except KafkaError as error:
        return CreatableTopicResult(name=topic.name, error_code=error.error_code, error_message=error.what)
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic_id,
        error_message=None,
        num_partitions=count,
        replication_factor=1,
        configs=_effective(state, overrides),
    )


def _partition_count(state: BrokerState, topic: CreatableTopic) -> int:
    if topic.assignments:
        if topic.num_partitions != -1 or topic.replication_factor != -1:
            raise errors.InvalidRequest("an assignment goes with partitions -1 and replication factor -1")
        _check_assignments(state, topic)
        return len(topic.assignments)
    if topic.num_partitions == 0 or not -1 <= topic.num_partitions <= MAX_PARTITIONS:
        raise errors.InvalidPartitions(f"{topic.num_partitions} is not a number of partitions")
    if topic.replication_factor not in (-1, 1):
        raise errors.InvalidReplicationFactor(
            f"replication factor {topic.replication_factor} with 1 broker: this broker keeps one copy"
        )
    return state.settings.num_partitions if topic.num_partitions == -1 else topic.num_partitions


def _check_assignments(state: BrokerState, topic: CreatableTopic) -> None:
    indexes = sorted(one.partition_index for one in topic.assignments)
    if indexes != list(range(len(indexes))):
        raise errors.InvalidReplicaAssignment("the assigned partitions are not 0, 1, 2, ... without gaps")
    if any(one.broker_ids != [state.settings.node_id] for one in topic.assignments):
        raise errors.InvalidReplicaAssignment(
            f"each partition can only be assigned to broker {state.settings.node_id}, which is alone"
        )


def _effective(state: BrokerState, overrides: dict[str, str]) -> list[CreatableTopicConfigs]:
    return [
        CreatableTopicConfigs(name=one.key.name, value=one.value, config_source=int(one.source))
        for one in configs.topic_configs(state.settings, state.image.broker_configs, overrides)
    ]
