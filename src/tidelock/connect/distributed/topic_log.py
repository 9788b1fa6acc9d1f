"""One of Connect's three topics: read from its beginning, followed, written, and read up to its present end.

    log = TopicLog(cluster, TopicSpec("connect-configs", 1, 1, {}), on_record=apply, clock=clock)
    await log.start()                              # made if it is absent; everything in it was applied
    await log.send([(key, value)])                 # durable: all replicas have it
    await log.read_to_end()                        # what was written before this call was applied

asyncio, one task; records are applied in the order of their partition. A broker that is away is waited for;
damaged records end the following, as they end Java's, and whoever waits for an end behind them is told. A
record goes where Java's partitioner puts its key. A transaction that was aborted is not applied.

Source: Kafka `org.apache.kafka.connect.util.{KafkaBasedLog, TopicAdmin}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidelock.client.errors import BrokerUnreachable, DamagedRecords, LoginRefused
from tidelock.client.murmur2 import partition_of
from tidelock.client.transactions import Transactions, fenced
from tidelock.client.wire import Cluster
from tidelock.connect.runtime.offset_state import Keyed
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import (
    CorruptMessage,
    ErrorCode,
    InvalidProducerEpoch,
    InvalidRecord,
    InvalidReplicationFactor,
    KafkaError,
    OffsetOutOfRange,
    ProducerFenced,
    TopicAlreadyExists,
    UnknownTopicOrPartition,
    error_for,
)
from tidelock.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from tidelock.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from tidelock.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from tidelock.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from tidelock.protocol.records import NO_PRODUCER, Record, build_batch, iter_batches, iter_records
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

CREATE_VERSION, FETCH_VERSION, LIST_VERSION, PRODUCE_VERSION = 2, 4, 2, 3
READ_COMMITTED, EARLIEST, LATEST = 1, -2, -1
FETCH_WAIT, FETCH_BYTES = 0.5, 1 << 20
RETRY_PAUSE, SEND_PATIENCE = 0.1, 30.0
AWAY = (BrokerUnreachable, LoginRefused, KafkaError)  # a topic that was there is waited for


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is made if it is absent; it is compacted in any case.

    Attributes:
        replicas: -1 for the broker's default; fewer where there are not as many brokers.
    """

    name: str
    partitions: int
    replicas: int = -1
    configs: Mapping[str, str] = field(default_factory=dict)


OnRecord = Callable[[int, bytes | None, bytes | None], None]


class TopicLog:
    """See the module.

    Args:
        cluster: the brokers.
        spec: of the topic.
        on_record: takes offset, key and value of each record.
        clock: for the timestamps of records, and for patience.
    """

    def __init__(self, cluster: Cluster, spec: TopicSpec, *, on_record: OnRecord, clock: Clock) -> None:
        self.spec = spec
        self._cluster = cluster
        self._on_record = on_record
        self._clock = clock
        self._leaders: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None
        self._damage: DamagedRecords | None = None
        self._sending = asyncio.Lock()

    async def start(self) -> None:
        """Make the topic if it is absent, and apply all that is in it.

        Raises:
            KafkaError, DamagedRecords: it cannot be made or read.
        """
        self._damage = None
        while True:
            try:
                await self._prepare()
                self._positions = await self._offsets(EARLIEST)
                break
            except TidelockError as error:
                if not error.retriable and not isinstance(error, UnknownTopicOrPartition):
                    raise
                await asyncio.sleep(RETRY_PAUSE)
        self._following = asyncio.create_task(self._follow(), name=f"topic {self.spec.name}")
        await self.read_to_end()

    async def stop(self) -> None:
        """Stop following."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def read_to_end(self) -> None:
        """Return when everything that was in the topic at the time of the call has been applied.

        Raises:
            BrokerUnreachable, KafkaError: the end cannot be asked for.
            DamagedRecords: records before it cannot be read.
        """
        await self._reach(await self._offsets(LATEST))

    async def send(self, records: Sequence[Keyed]) -> None:
        """Write records, those of one partition in their order; returns when all replicas have them.

        Raises:
            BrokerUnreachable: not within 30 s; some may have been written.
            KafkaError: the topic does not take them.
        """
        async with self._sending:
            for partition, some in self._parted(records).items():
                await self._patiently_produce(partition, some)

    async def send_within(self, transactions: Transactions, records: Sequence[Keyed]) -> None:
        """Write records in one transaction; returns when this log has applied them, its end included.

        After an error the transaction may be open: `transactions` has to be initialised again.

        Raises:
            ProducerFenced: somebody else has the transactional id; nothing is visible.
            BrokerUnreachable, KafkaError: as `send`.
            DamagedRecords: as `read_to_end`; the records are written.
        """
        parted, ends = self._parted(records), {}
        async with self._sending:
            await transactions.begin(self.spec.name, parted)
            for partition, some in parted.items():
                ends[partition] = await self._patiently_produce(partition, some, transactions) + len(some)
            await transactions.commit()
        # The markers follow the answer: the end of the topic as readers may see it can still be before them.
        await self._reach(ends)

    def _parted(self, records: Sequence[Keyed]) -> dict[int, list[Keyed]]:
        parted: dict[int, list[Keyed]] = {}
        for key, value in records:
            parted.setdefault(partition_of(key, len(self._leaders)), []).append((key, value))
        return parted

    async def _reach(self, ends: Mapping[int, int]) -> None:
        def is_there() -> bool:
            return all(self._positions[one] >= end for one, end in ends.items())

        async with self._moved:
            await self._moved.wait_for(lambda: self._damage is not None or is_there())
        if self._damage is not None and not is_there():
            raise DamagedRecords(self._damage.what, where=self._damage.where, hint=self._damage.hint)

    async def _patiently_produce(
        self, partition: int, records: list[Keyed], transactions: Transactions | None = None
    ) -> int:
        """Write a batch, again and again for 30 s; returns the offset of its first record."""
        end = self._clock.monotonic() + SEND_PATIENCE
        now = int(self._clock.wall() * 1000)
        made = [Record(at, now, key, value) for at, (key, value) in enumerate(records)]
        transactional_id, producer = None, NO_PRODUCER
        if transactions is not None:
            transactional_id = transactions.transactional_id
            producer = transactions.stamp(self.spec.name, partition, len(made))
        batch = build_batch(made, producer=producer, transactional=transactions is not None)
        while True:
            try:
                return await self._produce(partition, bytes(batch), transactional_id)
            except (InvalidProducerEpoch, ProducerFenced) as error:
                raise fenced(error.where or self.spec.name) from error
            except TidelockError as error:
                if not error.retriable or self._clock.monotonic() > end:
                    raise
            await asyncio.sleep(RETRY_PAUSE)
            with contextlib.suppress(*AWAY):
                await self._learn()

    async def _produce(self, partition: int, batch: bytes, transactional_id: str | None) -> int:
        data = TopicProduceData(
            name=self.spec.name, partition_data=[PartitionProduceData(index=partition, records=batch)]
        )
        request = ProduceRequest(
            transactional_id=transactional_id,
            acks=-1,
            timeout_ms=int(self._cluster.timeout * 1000),
            topic_data=[data],
        )
        connection = await self._cluster.node(self._leaders[partition])
        answer = await connection.call(request, PRODUCE_VERSION, ProduceResponse, self._cluster.timeout)
        written = -1
        for topic in answer.responses:
            for one in topic.partition_responses:
                self._check(one.error_code, one.index)
                written = one.base_offset
        return written

    async def _follow(self) -> None:
        while True:
            try:
                await asyncio.gather(*(self._fetch(*group) for group in self._by_leader().items()))
            except OffsetOutOfRange:
                self._positions.update(await self._patient_offsets(EARLIEST))
            except DamagedRecords as error:
                log.error("the topic is followed no more: %s", error)
                self._damage = error
                async with self._moved:
                    self._moved.notify_all()
                return
            except TidelockError as error:
                log.debug("topic %s cannot be read now: %s", self.spec.name, error.what)
                await asyncio.sleep(RETRY_PAUSE)
                with contextlib.suppress(*AWAY):
                    await self._learn()

    async def _patient_offsets(self, when: int) -> dict[int, int]:
        while True:
            with contextlib.suppress(*AWAY):
                return await self._offsets(when)
            await asyncio.sleep(RETRY_PAUSE)

    def _by_leader(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for partition, leader in self._leaders.items():
            found.setdefault(leader, []).append(partition)
        return found

    async def _fetch(self, leader: int, partitions: list[int]) -> None:
        asked = [
            FetchPartition(partition=one, fetch_offset=self._positions[one], partition_max_bytes=FETCH_BYTES)
            for one in partitions
        ]
        request = FetchRequest(
            replica_id=-1,
            max_wait_ms=int(FETCH_WAIT * 1000),
            min_bytes=1,
            max_bytes=FETCH_BYTES * 8,
            isolation_level=READ_COMMITTED,
            topics=[FetchTopic(topic=self.spec.name, partitions=asked)],
        )
        connection = await self._cluster.node(leader, f"topic {self.spec.name}")
        answer = await connection.call(
            request, FETCH_VERSION, FetchResponse, self._cluster.timeout + FETCH_WAIT
        )
        for topic in answer.responses:
            for one in topic.partitions:
                try:
                    self._check(one.error_code, one.partition_index)
                    self._take(one)
                except (CorruptMessage, InvalidRecord) as error:
                    raise self._damaged(one.partition_index, error) from error
        async with self._moved:
            self._moved.notify_all()

    def _damaged(self, partition: int, error: KafkaError) -> DamagedRecords:
        return DamagedRecords(
            f"the records from offset {self._positions[partition]} on are damaged: {error.what}",
            where=f"topic {self.spec.name}-{partition}",
            hint="restore them on the broker and start the worker again, or let it have another topic",
        )

    def _take(self, data: PartitionData) -> None:
        """Apply what one partition has brought."""
        partition = data.partition_index
        position = self._positions[partition]
        records = bytes(data.records or b"")
        aborted = sorted((one.first_offset, one.producer_id) for one in data.aborted_transactions or ())
        open_aborts: set[int] = set()
        for header, at in iter_batches(records):
            while aborted and aborted[0][0] <= header.last_offset:
                open_aborts.add(aborted.pop(0)[1])
            if header.is_control:
                open_aborts.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in open_aborts):
                self._apply(records, at, position)
            self._positions[partition] = position = max(position, header.last_offset + 1)

    def _apply(self, records: bytes, at: int, position: int) -> None:
        for record in iter_records(records, at):
            if record.offset >= position:
                self._on_record(record.offset, record.key, record.value)

    async def _offsets(self, when: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for leader, partitions in self._by_leader().items():
            asked = [ListOffsetsPartition(partition_index=one, timestamp=when) for one in partitions]
            request = ListOffsetsRequest(
                replica_id=-1,
                isolation_level=READ_COMMITTED,
                topics=[ListOffsetsTopic(name=self.spec.name, partitions=asked)],
            )
            connection = await self._cluster.node(leader)
            answer = await connection.call(request, LIST_VERSION, ListOffsetsResponse, self._cluster.timeout)
            for topic in answer.topics:
                for one in topic.partitions:
                    self._check(one.error_code, one.partition_index)
                    found[one.partition_index] = one.offset
        return found

    async def _prepare(self) -> None:
        try:
            await self._learn()
        except UnknownTopicOrPartition:
            await self._create(self.spec.replicas)
            await self._learn()

    async def _learn(self) -> None:
        """Ask who leads the partitions."""
        topic = (await self._cluster.metadata([self.spec.name]))[self.spec.name]
        self._check(topic.error_code)
        for partition in topic.partitions:
            if partition.leader_id < 0:
                self._check(ErrorCode.LEADER_NOT_AVAILABLE, partition.partition_index)
        self._leaders = {one.partition_index: one.leader_id for one in topic.partitions}

    async def _create(self, replicas: int) -> None:
        configs = {"cleanup.policy": "compact", **self.spec.configs}
        topic = CreatableTopic(
            name=self.spec.name,
            num_partitions=self.spec.partitions,
            replication_factor=max(replicas, 1),
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in configs.items()],
        )
        request = CreateTopicsRequest(topics=[topic], timeout_ms=int(self._cluster.timeout * 1000))
        connection = await self._cluster.any()
        answer = await connection.call(request, CREATE_VERSION, CreateTopicsResponse, self._cluster.timeout)
        for one in answer.topics:
            try:
                self._check(one.error_code)
            except TopicAlreadyExists:
                return
            except InvalidReplicationFactor:
                if replicas <= 1:
                    raise
                log.warning("topic %s gets one replica: the brokers are too few", self.spec.name)
                await self._create(1)

    def _check(self, code: int, partition: int | None = None) -> None:
        if code != ErrorCode.NONE:
            where = self.spec.name if partition is None else f"{self.spec.name}-{partition}"
            raise error_for(code, where=f"topic {where}")
