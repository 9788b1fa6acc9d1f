"""A transactional producer that speaks to a node without a socket, in the ways of both versions.

Version 1 adds partitions and groups before it writes and keeps its epoch; version 2 (KIP-890) only writes,
and gets its next epoch with the end of each transaction. Every method returns the broker's error code.
"""

from __future__ import annotations

from tests.support.node import START_MS, MemoryBroker, fetch_request, produce_request
from tidelock.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from tidelock.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from tidelock.protocol.messages.end_txn import EndTxnRequest
from tidelock.protocol.messages.init_producer_id import InitProducerIdRequest
from tidelock.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from tidelock.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from tidelock.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tidelock.protocol.records import Producer, Record, build_batch, iter_batches, iter_records

Key = tuple[str, int]


class TransactionalClient:
    """One producer; `version` of transactions 1 or 2."""

    def __init__(self, broker: MemoryBroker, name: str, version: int = 2, timeout_ms: int = 60_000) -> None:
        self.broker = broker
        self.name = name
        self.version = version
        self.timeout_ms = timeout_ms
        self.id = -1
        self.epoch = -1
        self.sequences: dict[Key, int] = {}

    def init(self, *, keep: bool = False) -> int:
        """InitProducerId; with `keep` it says what it has (KIP-360)."""
        request = InitProducerIdRequest(
            transactional_id=self.name,
            transaction_timeout_ms=self.timeout_ms,
            producer_id=self.id if keep else -1,
            producer_epoch=self.epoch if keep else -1,
        )
        found = self.broker.send(request, 5)
        if not found.error_code:
            self._become(found.producer_id, found.producer_epoch)
        return int(found.error_code)

    def _become(self, producer_id: int, epoch: int) -> None:
        if (producer_id, epoch) != (self.id, self.epoch):
            self.sequences = {}
        self.id, self.epoch = producer_id, epoch

    def add(self, *keys: Key, version: int = 3) -> int:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.name,
            v3_and_below_producer_id=self.id,
            v3_and_below_producer_epoch=self.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=[one]) for name, one in keys],
        )
        topics = self.broker.send(request, version).results_by_topic_v3_and_below
        return max(one.partition_error_code for topic in topics for one in topic.results_by_partition)

    def write(self, key: Key, *values: bytes, api: int | None = None) -> int:
        """Produce; version 1 must have added the partition."""
        sequence = self.sequences.get(key, 0)
        batch = build_batch(
            [Record(i, START_MS, None, value) for i, value in enumerate(values)],
            producer=Producer(self.id, self.epoch, sequence),
            transactional=True,
        )
        request = produce_request(key[0], batch, partition=key[1])
        request.transactional_id = self.name
        found = self.broker.send(request, api or (12 if self.version == 2 else 11))
        code = int(found.responses[0].partition_responses[0].error_code)
        if not code:
            self.sequences[key] = sequence + len(values)
        return code

    def add_offsets(self, group: str) -> int:
        request = AddOffsetsToTxnRequest(
            transactional_id=self.name, producer_id=self.id, producer_epoch=self.epoch, group_id=group
        )
        return int(self.broker.send(request, 3).error_code)

    def commit_offset(self, group: str, key: Key, offset: int) -> int:
        partition = TxnOffsetCommitRequestPartition(partition_index=key[1], committed_offset=offset)
        request = TxnOffsetCommitRequest(
            transactional_id=self.name,
            group_id=group,
            producer_id=self.id,
            producer_epoch=self.epoch,
            topics=[TxnOffsetCommitRequestTopic(name=key[0], partitions=[partition])],
        )
        found = self.broker.send(request, 5 if self.version == 2 else 4)
        return int(found.topics[0].partitions[0].error_code)

    def end(self, *, commit: bool) -> int:
        request = EndTxnRequest(
            transactional_id=self.name, producer_id=self.id, producer_epoch=self.epoch, committed=commit
        )
        found = self.broker.send(request, 5 if self.version == 2 else 4)
        if not found.error_code and self.version == 2:
            self._become(found.producer_id, found.producer_epoch)
        return int(found.error_code)


def committed_view(broker: MemoryBroker, key: Key, offset: int = 0) -> tuple[list[tuple[int, bytes]], int]:
    """What a reader of committed data makes of the log, as clients do: (offset, value), and where it ends."""
    found: list[tuple[int, bytes]] = []
    while True:
        request = fetch_request(key[0], offset, partition=key[1], isolation_level=1)
        answer = broker.send(request, 11).responses[0].partitions[0]
        assert answer.error_code == 0
        data = bytes(answer.records or b"")
        if not data:
            return found, offset
        waiting = sorted((one.first_offset, one.producer_id) for one in answer.aborted_transactions or [])
        aborted: set[int] = set()
        for header, position in iter_batches(data):
            while waiting and waiting[0][0] <= header.last_offset:
                aborted.add(waiting.pop(0)[1])
            offset = header.last_offset + 1
            if header.is_control:
                aborted.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborted):
                found += [(one.offset, one.value or b"") for one in iter_records(data, position)]


def latest_offset(broker: MemoryBroker, key: Key, *, committed: bool) -> int:
    """ListOffsets -1."""
    request = ListOffsetsRequest(
        replica_id=-1,
        isolation_level=int(committed),
        topics=[
            ListOffsetsTopic(
                name=key[0], partitions=[ListOffsetsPartition(partition_index=key[1], timestamp=-1)]
            )
        ],
    )
    return int(broker.send(request, 7).topics[0].partitions[0].offset)


def position(broker: MemoryBroker, group: str, key: Key, *, stable: bool = True) -> tuple[int, int]:
    """OffsetFetch: (error code, offset)."""
    topic = OffsetFetchRequestTopics(name=key[0], partition_indexes=[key[1]])
    request = OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id=group, topics=[topic])], require_stable=stable
    )
    found = broker.send(request, 8).groups[0].topics[0].partitions[0]
    return int(found.error_code), int(found.committed_offset)
