"""DescribeLogDirs (35), v1-4: the data folder, and how many bytes each partition takes in it.

KIP-113; v3 error code, v4 size of the volume (KIP-827), which is not looked up here: -1, as Kafka says where
it does not know. Null asks for every partition; unknown ones are left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)


def handle(state: BrokerState, request: DescribeLogDirsRequest, call: Call) -> DescribeLogDirsResponse:
    """Measure what is asked for."""
    asked: Iterable[tuple[str, Iterable[int]]]
    if request.topics is None:
        asked = [(name, range(len(partitions))) for name, partitions in state.partitions.items()]
    else:
        asked = [(topic.topic, topic.partitions) for topic in request.topics]
    topics = [
        DescribeLogDirsTopic(name=name, partitions=found)
        for name, indexes in asked
        if (found := _sizes(state, name, indexes))
    ]
    return DescribeLogDirsResponse(
        results=[DescribeLogDirsResult(log_dir=state.settings.log_dirs, topics=topics)]
    )


def _sizes(state: BrokerState, name: str, indexes: Iterable[int]) -> list[DescribeLogDirsPartition]:
    found = ((index, state.readable(name, index)) for index in indexes)
    return [
        DescribeLogDirsPartition(partition_index=index, partition_size=partition.size_bytes, offset_lag=0)
        for index, partition in found
        if partition is not None
    ]
