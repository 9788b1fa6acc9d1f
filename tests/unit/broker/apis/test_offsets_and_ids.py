"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords, InitProducerId."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import START_MS, MemoryBroker, produce_request
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from tidelock.protocol.messages.init_producer_id import InitProducerIdRequest
from tidelock.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tidelock.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tidelock.protocol.records import Record, build_batch


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t")
    for first in (0, 30):
        records = [Record(i, START_MS + first + 10 * i, None, b"x") for i in range(3)]
        found.send(produce_request("t", build_batch(records)), 9)
    return found


def offsets(
    broker: MemoryBroker, timestamp: int, version: int = 11, topic: str = "t", epoch: int = -1
) -> Any:
    partition = ListOffsetsPartition(partition_index=0, timestamp=timestamp, current_leader_epoch=epoch)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])])
    return broker.send(request, version).topics[0].partitions[0]


@pytest.mark.parametrize("version", range(1, 12))
def test_offsets_by_time_in_every_version(broker: MemoryBroker, version: int) -> None:
    for wanted, expected in (
        (-2, (-1, 0)),
        (-1, (-1, 6)),
        (START_MS, (START_MS, 0)),
        (START_MS + 15, (START_MS + 20, 2)),
        (START_MS + 31, (START_MS + 40, 4)),
        (START_MS + 51, (-1, -1)),
    ):
        found = offsets(broker, wanted, version)
        assert (found.error_code, found.timestamp, found.offset) == (0, *expected)


@pytest.mark.parametrize(
    ("special", "since", "expected"),
    [(-3, 7, (START_MS + 50, 5)), (-4, 8, (-1, 0)), (-5, 9, (-1, -1)), (-6, 11, (-1, 0))],
)
def test_special_timestamps(
    broker: MemoryBroker, special: int, since: int, expected: tuple[int, int]
) -> None:
    found = offsets(broker, special, since)
    assert (found.error_code, found.timestamp, found.offset) == (0, *expected)
    assert offsets(broker, special, since - 1).error_code == E.UNSUPPORTED_VERSION


def test_offsets_of_what_is_not_there(broker: MemoryBroker) -> None:
    assert offsets(broker, -1, topic="u").error_code == E.UNKNOWN_TOPIC_OR_PARTITION
    assert offsets(broker, -1, epoch=5).error_code == E.UNKNOWN_LEADER_EPOCH
    broker.restart()
    assert offsets(broker, -1, epoch=0).error_code == E.FENCED_LEADER_EPOCH


@pytest.mark.parametrize("version", range(2, 5))
def test_where_an_epoch_ended(broker: MemoryBroker, version: int) -> None:
    broker.restart()
    broker.produce("t", b"x")

    def ask(epoch: int, current: int = -1) -> tuple[int, int, int]:
        partition = OffsetForLeaderPartition(partition=0, leader_epoch=epoch, current_leader_epoch=current)
        request = OffsetForLeaderEpochRequest(
            topics=[OffsetForLeaderTopic(topic="t", partitions=[partition])]
        )
        found = broker.send(request, version).topics[0].partitions[0]
        return found.error_code, found.leader_epoch, found.end_offset

    assert ask(0) == (0, 0, 6)
    assert ask(1) == (0, 1, 7)
    assert ask(1, current=0)[0] == E.FENCED_LEADER_EPOCH


@pytest.mark.parametrize("version", range(3))
def test_records_are_deleted(broker: MemoryBroker, version: int) -> None:
    broker.create("c", cleanup_policy="compact")

    def delete(offset: int, topic: str = "t") -> tuple[int, int]:
        partitions = [DeleteRecordsPartition(partition_index=0, offset=offset)]
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=partitions)])
        found = broker.send(request, version).topics[0].partitions[0]
        return found.error_code, found.low_watermark

    assert delete(4) == (0, 4)
    assert delete(99) == (E.OFFSET_OUT_OF_RANGE, -1)
    assert delete(-1) == (0, 6)
    assert delete(0, "c") == (E.POLICY_VIOLATION, -1)
    assert delete(0, "u") == (E.UNKNOWN_TOPIC_OR_PARTITION, -1)


@pytest.mark.parametrize("version", range(6))
def test_producer_ids(broker: MemoryBroker, version: int) -> None:
    request = InitProducerIdRequest(transactional_id=None)
    found = [broker.send(request, version) for _ in range(3)]
    assert len({one.producer_id for one in found}) == 3
    assert {(one.error_code, one.producer_epoch) for one in found} == {(0, 0)}


@pytest.mark.parametrize(("name", "epoch"), [("", -1), ("mine", 4), (None, 4)])
def test_requests_for_ids_that_make_no_sense(broker: MemoryBroker, name: str | None, epoch: int) -> None:
    request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=1000, producer_epoch=epoch)
    found = broker.send(request, 5)
    assert (found.error_code, found.producer_id) == (E.INVALID_REQUEST, -1)


def test_no_ids_without_a_disk(broker: MemoryBroker) -> None:
    broker.files.fail("sync")
    request = InitProducerIdRequest(transactional_id=None)
    assert broker.send(request, 5).error_code == E.KAFKA_STORAGE_ERROR
    assert broker.send(request, 5).error_code == 0
