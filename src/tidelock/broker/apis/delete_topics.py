"""DeleteTopics (20), v1-6: delete topics by name, or by id (v6, KIP-516); v5 error messages.

Internal topics are refused (INVALID_TOPIC), everything is when `delete.topic.enable` is false
(TOPIC_DELETION_DISABLED, INVALID_REQUEST before v3). Positions that groups have committed in the topic go
with it.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.changes import Steps, in_order
from tidelock.broker.state import BrokerState, is_internal
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from tidelock.protocol.primitives import ZERO_UUID


def handle(state: BrokerState, request: DeleteTopicsRequest, call: Call) -> Steps[DeleteTopicsResponse]:
    """Delete each topic."""
    asked = (
        request.topics
        if call.version >= 6
        else [DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in request.topic_names]
    )
    results = yield from in_order(_delete(state, one, call) for one in asked)
    return DeleteTopicsResponse(responses=results)


def _delete(state: BrokerState, asked: DeleteTopicState, call: Call) -> Steps[DeletableTopicResult]:
    name, topic_id = asked.name, asked.topic_id
    try:
        if not state.settings.delete_topic_enable:
            kind = errors.TopicDeletionDisabled if call.version >= 3 else errors.InvalidRequest
            raise kind("delete.topic.enable is false")
        if topic_id != ZERO_UUID:
            if name is not None:
                raise errors.InvalidRequest("a topic is deleted by its name or by its id, not by both")
            name = state.topic_by_id(topic_id).name
        topic = state.image.topics.get(name or "")
        if topic is None:
            raise errors.UnknownTopicOrPartition(f"there is no topic {name!r}")
        if is_internal(topic.name):
            raise errors.InvalidTopic(f"topic {name!r} belongs to the broker")
        topic_id = topic.topic_id
        yield from state.delete_topic(topic.name, call.now)
    except KafkaError as error:
        return DeletableTopicResult(
            name=name, topic_id=asked.topic_id, error_code=error.error_code, error_message=error.what
        )
    return DeletableTopicResult(name=name, topic_id=topic_id)
