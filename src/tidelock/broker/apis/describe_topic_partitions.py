"""DescribeTopicPartitions (75), v0: topics in pages, in the order of their names (KIP-966).

A response holds at most `response_partition_limit` partitions (and never more than 2000); the cursor says
where the next page begins. An empty list of topics asks for all of them.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.metadata import TOPIC_OPERATIONS
from tidelock.broker.log import Partition
from tidelock.broker.metadata import INTERNAL_TOPICS
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

MAX_PARTITIONS = 2000


def handle(
    state: BrokerState, request: DescribeTopicPartitionsRequest, call: Call
) -> DescribeTopicPartitionsResponse:
    """Fill one page."""
    names = sorted({one.name for one in request.topics} or set(state.image.topics))
    first = request.cursor
    room = max(1, min(request.response_partition_limit, MAX_PARTITIONS))
    response = DescribeTopicPartitionsResponse()
    for name in names:
        if first is not None and name < first.topic_name:
            continue
        start = first.partition_index if first is not None and name == first.topic_name else 0
        if room <= 0:
            response.next_cursor = Cursor(topic_name=name, partition_index=start)
            break
        topic = _topic(state, name, start, room)
        response.topics.append(topic)
        room -= len(topic.partitions)
        end = start + len(topic.partitions)
        if end < len(state.partitions.get(name, ())):
            response.next_cursor = Cursor(topic_name=name, partition_index=end)
            break
    return response


def _topic(state: BrokerState, name: str, start: int, room: int) -> DescribeTopicPartitionsResponseTopic:
    topic = state.image.topics.get(name)
    if topic is None:
        return DescribeTopicPartitionsResponseTopic(
            error_code=int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            name=name,
            is_internal=name in INTERNAL_TOPICS,
        )
    return DescribeTopicPartitionsResponseTopic(
        name=name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        topic_authorized_operations=TOPIC_OPERATIONS,
        partitions=[
            _partition(state.settings.node_id, start + number, one)
            for number, one in enumerate(state.partitions[name][start : start + room])
        ],
    )


def _partition(own: int, index: int, partition: Partition | None) -> DescribeTopicPartitionsResponsePartition:
    offline = partition is None or partition.offline is not None
    return DescribeTopicPartitionsResponsePartition(
        partition_index=index,
        error_code=int(ErrorCode.LEADER_NOT_AVAILABLE) if offline else 0,
        leader_id=-1 if offline else own,
        leader_epoch=-1 if partition is None else partition.leader_epoch,
        replica_nodes=[own],
        isr_nodes=[own],
        eligible_leader_replicas=[],
        last_known_elr=[],
        offline_replicas=[own] if offline else [],
    )
