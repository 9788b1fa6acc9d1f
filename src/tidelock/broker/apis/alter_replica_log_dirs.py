"""AlterReplicaLogDirs (34), v1-2: move replicas between data folders, of which there is one.

KIP-113. A move to the folder where everything is anyway succeeds; any other is LOG_DIR_NOT_FOUND.
"""

from __future__ import annotations

from tidelock.broker.apis.call import Call
from tidelock.broker.state import BrokerState
from tidelock.protocol.error_codes import ErrorCode, KafkaError
from tidelock.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


def handle(
    state: BrokerState, request: AlterReplicaLogDirsRequest, call: Call
) -> AlterReplicaLogDirsResponse:
    """Say of every partition whether it is there."""
    topics: dict[str, list[AlterReplicaLogDirPartitionResult]] = {}
    for folder in request.dirs:
        for topic in folder.topics:
            topics.setdefault(topic.name, []).extend(
                AlterReplicaLogDirPartitionResult(
                    partition_index=index, error_code=_moved(state, folder.path, topic.name, index)
                )
                for index in topic.partitions
            )
    return AlterReplicaLogDirsResponse(
        results=[AlterReplicaLogDirTopicResult(topic_name=name, partitions=r) for name, r in topics.items()]
    )


def _moved(state: BrokerState, path: str, topic: str, index: int) -> int:
    if path != state.settings.log_dirs:
        return int(ErrorCode.LOG_DIR_NOT_FOUND)
    try:
        state.partition(topic, index)
    except KafkaError as error:
        return error.error_code
    return 0
