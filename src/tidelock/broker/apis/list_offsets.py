"""ListOffsets (2), v1-11: find an offset by time, or one of the special ones.

-1 latest (the high watermark; the last stable offset for read_committed), -2 earliest, -3 of the largest
timestamp (KIP-734, v7), -4 earliest local (KIP-405, v8), -5 last tiered (KIP-1005, v9), -6 earliest not yet
tiered (KIP-1023, v11). Without tiered storage -4 is the earliest, -5 is unknown (-1), and -6 is the
earliest. Readers of committed data find nothing from the last stable offset on. A timestamp gives the first
record at or after it, searched for inside the batch; of records that are too many to look at in one request
the batch's first stands for all, so that a reader starts early rather than late.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.apis.leader_epoch import check_leader_epoch
from tidelock.broker.log import Opening, Partition
from tidelock.broker.state import BrokerState
from tidelock.protocol import error_codes as errors
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -1, -2, -3, -4, -5, -6
READ_COMMITTED = 1
_SINCE = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING: 11}


def handle(state: BrokerState, request: ListOffsetsRequest, call: Call) -> ListOffsetsResponse:
    """Look each partition up."""
    committed = request.isolation_level == READ_COMMITTED
    opening = Opening()
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    _look_up(state, (topic.name, one), call, committed, opening) for one in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _look_up(
    state: BrokerState,
    place: tuple[str, ListOffsetsPartition],
    call: Call,
    committed: bool,
    opening: Opening,
) -> ListOffsetsPartitionResponse:
    topic, asked = place
    answer = ListOffsetsPartitionResponse(partition_index=asked.partition_index, timestamp=-1, offset=-1)
    try:
        partition = state.partition(topic, asked.partition_index)
        check_leader_epoch(partition, asked.current_leader_epoch)
        if call.version < _SINCE.get(asked.timestamp, 0):
            raise errors.UnsupportedVersion(f"timestamp {asked.timestamp} needs a newer ListOffsets")
        limit = partition.last_stable_offset if committed else partition.high_watermark
        answer.timestamp, answer.offset = _find(partition, asked.timestamp, limit, opening)
        if answer.offset >= 0:
            answer.leader_epoch = partition.leader_epoch
    except KafkaError as error:
        answer.error_code = error.error_code
    return answer


def _find(partition: Partition, timestamp: int, limit: int, opening: Opening) -> tuple[int, int]:
    if timestamp == LATEST:
        return -1, limit
    if timestamp in (EARLIEST, EARLIEST_LOCAL, EARLIEST_PENDING):
        return -1, partition.log_start_offset
    if timestamp == LATEST_TIERED:
        return -1, -1
    newest = timestamp == MAX_TIMESTAMP
    found = partition.max_timestamp(opening) if newest else partition.offset_for_timestamp(timestamp, opening)
    return found if found is not None and found[1] < limit else (-1, -1)
