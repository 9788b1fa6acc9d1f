"""A topic whose records are damaged ends its reader with a reason: whoever waits for its end is told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from tidelock.client.errors import DamagedRecords
from tidelock.client.wire import Cluster
from tidelock.connect.distributed.topic_log import TopicLog, TopicSpec
from tidelock.protocol.error_codes import ErrorCode
from tidelock.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from tidelock.protocol.messages.list_offsets import (
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from tidelock.protocol.messages.metadata import MetadataResponsePartition, MetadataResponseTopic
from tidelock.protocol.records import Record, build_batch
from tidelock.runtime import SystemClock

E = ErrorCode
GARBLED = bytes(61)
"""A batch header of a magic that is none."""


class OneBroker:
    """A broker and the connection to it: one topic of one partition; what a fetch answers is set."""

    timeout = 5.0

    def __init__(self) -> None:
        self.end = 0
        self.fetched: tuple[ErrorCode, bytes] = (E.NONE, b"")
        self.fetches = 0
        self.fetched_twice = asyncio.Event()

    async def metadata(self, topics: list[str]) -> dict[str, MetadataResponseTopic]:
        partition = MetadataResponsePartition(partition_index=0, leader_id=1)
        return {topics[0]: MetadataResponseTopic(name=topics[0], partitions=[partition])}

    async def node(self, number: int, purpose: str = "") -> OneBroker:
        return self

    async def call(self, request: object, version: int, kind: type[Any], patience: float) -> object:
        await asyncio.sleep(0)
        if isinstance(request, ListOffsetsRequest):
            is_end = request.topics[0].partitions[0].timestamp == -1
            found = ListOffsetsPartitionResponse(partition_index=0, offset=self.end if is_end else 0)
            return ListOffsetsResponse(topics=[ListOffsetsTopicResponse(name="t", partitions=[found])])
        assert isinstance(request, FetchRequest)
        self.fetches += 1
        if self.fetches == 2:
            self.fetched_twice.set()
        code, records = self.fetched
        if request.topics[0].partitions[0].fetch_offset >= self.end:
            code, records = E.NONE, b""
        data = PartitionData(partition_index=0, error_code=code, records=records)
        return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[data])])


def made(broker: OneBroker) -> tuple[TopicLog, list[bytes | None]]:
    applied: list[bytes | None] = []
    log = TopicLog(
        cast("Cluster", broker),
        TopicSpec("t", 1),
        on_record=lambda offset, key, value: applied.append(value),
        clock=SystemClock(),
    )
    return log, applied


@pytest.mark.parametrize("fetched", [(E.CORRUPT_MESSAGE, b""), (E.NONE, GARBLED)])
def test_damage_ends_a_start_and_a_wait(
    fetched: tuple[ErrorCode, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        broker = OneBroker()
        log, applied = made(broker)
        broker.end, broker.fetched = 1, (E.NONE, bytes(build_batch([Record(0, 5, None, b"a")])))
        await log.start()
        assert applied == [b"a"]
        broker.end, broker.fetched = 2, fetched
        for _ in range(2):
            with pytest.raises(DamagedRecords, match="from offset 1 on") as told:
                await log.read_to_end()
            assert told.value.where == "topic t-0"
            assert not told.value.retriable
        seen = broker.fetches
        for _ in range(20):
            await asyncio.sleep(0)
        assert broker.fetches == seen, "it is asked no more"
        await log.stop()

        log, _ = made(broker)
        broker.end = 1
        with pytest.raises(DamagedRecords, match="from offset 0 on"):
            await log.start()
        await log.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(story(), 30))
    assert [one.levelname for one in caplog.records] == ["ERROR", "ERROR"]


def test_other_trouble_is_waited_out() -> None:
    async def story() -> None:
        broker = OneBroker()
        log, applied = made(broker)
        broker.end, broker.fetched = 1, (E.KAFKA_STORAGE_ERROR, b"")
        starting = asyncio.create_task(log.start())
        await broker.fetched_twice.wait()
        broker.fetched = E.NONE, bytes(build_batch([Record(0, 5, None, b"a")]))
        await starting
        assert applied == [b"a"]
        await log.stop()

    asyncio.run(asyncio.wait_for(story(), 30))
