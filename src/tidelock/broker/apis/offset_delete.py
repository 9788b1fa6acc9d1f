"""OffsetDelete (47), v0: forget single positions of a group (KIP-496).

Refused for topics that a member of the group is subscribed to (GROUP_SUBSCRIBED_TO_TOPIC), and altogether
for a group with members that is not a consumer group (NON_EMPTY_GROUP): nobody can tell what those use.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.groups.records import OffsetForgotten
from tidelock.broker.groups.state import CONSUMER, Group, GroupState
from tidelock.broker.groups.subscription import subscribed_topics
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


def handle(state: BrokerState, request: OffsetDeleteRequest, call: Call) -> OffsetDeleteResponse:
    """Forget the positions that may be forgotten."""
    group = state.groups.groups.get(request.group_id)
    if group is None:
        return OffsetDeleteResponse(error_code=int(ErrorCode.GROUP_ID_NOT_FOUND))
    if group.state is not GroupState.EMPTY and group.protocol_type != CONSUMER:
        return OffsetDeleteResponse(error_code=int(ErrorCode.NON_EMPTY_GROUP))
    gone: list[OffsetForgotten] = []
    used = subscribed_topics(group)
    response = OffsetDeleteResponse(
        topics=[_topic(group, topic, topic.name in used, gone) for topic in request.topics]
    )
    try:
        state.groups.commit(gone, call.now)
    except KafkaError as error:
        return OffsetDeleteResponse(error_code=error.error_code)
    return response


def _topic(
    group: Group, topic: OffsetDeleteRequestTopic, used: bool, gone: list[OffsetForgotten]
) -> OffsetDeleteResponseTopic:
    error = int(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC) if used else 0
    indexes = [one.partition_index for one in topic.partitions]
    if not used:
        gone += [
            OffsetForgotten(group.group_id, topic.name, index)
            for index in indexes
            if (topic.name, index) in group.offsets
        ]
    return OffsetDeleteResponseTopic(
        name=topic.name,
        partitions=[OffsetDeleteResponsePartition(partition_index=i, error_code=error) for i in indexes],
    )
