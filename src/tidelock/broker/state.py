"""Everything one broker knows, and the few changes that several APIs share: topics come and go, data arrives.

The APIs (one file per key) read and change this object; `node` builds it and gives it the requests. Order
is always: metadata record durable, then the folders, so that a crash between the two is repaired at the
next start from the image. What waits for the disk comes as `Steps`: see `changes`. No IO of its own: files
come in through the log's seam, random bytes and `now` as arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tidelock.broker import configs
from tidelock.broker.changes import Pause, Steps, at_once
from tidelock.broker.fetch_sessions import FetchSessions
from tidelock.broker.groups.coordinator import GroupCoordinator
from tidelock.broker.groups.outcome import Joined, Synced
from tidelock.broker.groups.records import GroupRecord, encode
from tidelock.broker.instant import Instant
from tidelock.broker.log import (
    MARKER_BYTES,
    Files,
    Logs,
    LogSettings,
    Marker,
    OpenReport,
    Partition,
    PartitionKey,
)
from tidelock.broker.metadata import (
    INTERNAL_TOPICS,
    OFFSETS_TOPIC,
    TRANSACTIONS_TOPIC,
    MetadataLog,
    MetadataRecord,
    PartitionsAdded,
    ProducerIdsReserved,
    Topic,
    TopicConfigured,
    TopicCreated,
    TopicDeleted,
)
from tidelock.broker.purgatory import Parked, ParkedFetch, Purgatory
from tidelock.broker.settings import BrokerSettings
from tidelock.broker.transactions.coordinator import TransactionCoordinator
from tidelock.broker.transactions.records import encode_key, encode_value
from tidelock.broker.transactions.state import Transaction
from tidelock.protocol import error_codes as errors
from tidelock.protocol.records import NO_PRODUCER, Producer, Record, build_batch

Chunks: TypeAlias = list[bytes | bytearray | memoryview]

PRODUCER_ID_BLOCK = 1000
# Partitions created or deleted before others have a turn; each takes about a millisecond.
SLICE = 2
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
# Segments are small, because only sealed ones are compacted and a start reads all of them back.
_OFFSETS_CONFIGS = {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "4194304"}
_TRANSACTIONS_CONFIGS = {**_OFFSETS_CONFIGS, "compression.type": "uncompressed"}


class ParkedGroup(Parked):
    """A JoinGroup or SyncGroup whose answer its group's coordinator will give.

    Args:
        reply: turns the coordinator's answer into bytes.
    """

    __slots__ = ("reply",)

    def __init__(self, reply: Callable[[Joined | Synced], Chunks]) -> None:
        super().__init__()
        self.reply = reply


class BrokerState:
    """One broker's state.

    Args:
        new_bytes: n random bytes.

    Attributes:
        partitions: by topic and index; None where one could not be opened and is offline.
        endpoint: host and port that clients are told; the shell sets it once it listens.
        finished: parked requests that have got their reply; the node hands them to the shell.
        unflushed: partitions appended to since the last flush.
        understaffed: topics that want more in-sync replicas than the one there is.
        unsent_bytes: of replies to clients that read slowly; the shell counts them.
        commits: how often the metadata image, or what a topic makes of it, has changed.
        settle: finishes the change at hand (see `changes`), for whoever has to make one without waiting.
        touched: under the policy `group`, what the request at hand has appended to, and where in the reply
            its result is, which a failed flush will change; -1 where only the whole reply can be taken back.
    """

    def __init__(
        self, settings: BrokerSettings, metadata: MetadataLog, files: Files, new_bytes: Callable[[int], bytes]
    ) -> None:
        self.settings = settings
        self.metadata = metadata
        self.image = metadata.image
        self.logs = Logs(files, self.log_settings)
        self.new_bytes = new_bytes
        self.groups: GroupCoordinator
        self.transactions: TransactionCoordinator
        self.purgatory = Purgatory()
        self.fetch_sessions = FetchSessions(settings.max_incremental_fetch_session_cache_slots, new_bytes)
        self.partitions: dict[str, list[Partition | None]] = {}
        self.endpoint = ("127.0.0.1", 9092)
        self.finished: list[tuple[Parked, Chunks]] = []
        self.unflushed: dict[Partition, None] = {}
        self.settle: Callable[[], None] = lambda: None
        self.commits = 0
        self.unsent_bytes = 0
        self.touched: list[tuple[PartitionKey, int]] = []
        self._holds = settings.tidelock_flush_policy == "group"
        self.understaffed: set[str] = set()
        self._stable_seen: dict[Partition, int] = {}
        self._next_producer_id = self.image.producer_ids_end

    # -- looking up ---------------------------------------------------------------------------------

    def partition(self, topic: str, index: int) -> Partition:
        """Return a partition.

        Raises:
            UnknownTopicOrPartition: there is no such topic or index.
            KafkaStorageError: it is offline.
        """
        partitions = self.partitions.get(topic)
        if partitions is None or not 0 <= index < len(partitions):
            raise errors.UnknownTopicOrPartition(f"there is no partition {topic}-{index}")
        partition = partitions[index]
        if partition is None:
            raise errors.KafkaStorageError(f"partition {topic}-{index} is offline")
        return partition

    def readable(self, topic: str | bytes, index: int) -> Partition | None:
        """Return a partition by its topic's name or id; None where a fetch of it meets an error."""
        if isinstance(topic, bytes):
            found = self.image.by_id.get(topic)
            if found is None:
                return None
            topic = found.name
        partitions = self.partitions.get(topic, ())
        return partitions[index] if 0 <= index < len(partitions) else None

    def topic_by_id(self, topic_id: bytes) -> Topic:
        """Return a topic by its id.

        Raises:
            UnknownTopicId: no topic has it; it may have been deleted.
        """
        topic = self.image.by_id.get(topic_id)
        if topic is None:
            raise errors.UnknownTopicId("no topic has this id")
        return topic

    # -- topics -------------------------------------------------------------------------------------

    def check_new_topic(self, name: str) -> None:
        """Decide whether a topic may be created under a name.

        Raises:
            InvalidTopic: not a legal name, or one that differs from another only in `.` and `_`.
            TopicAlreadyExists: it is there.

        Source: Kafka `Topic.validate`, `Topic.hasCollision` (metric names cannot tell `.` from `_`).
        """
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise errors.InvalidTopic(
                f"{name!r} is not a topic name: 1 to 249 of a-z A-Z 0-9 . _ -, and neither '.' nor '..'"
            )
        if name in self.image.topics:
            raise errors.TopicAlreadyExists(f"topic {name!r} exists")
        if "." in name or "_" in name:
            folded = name.replace(".", "_")
            twin = next((one for one in self.image.topics if one.replace(".", "_") == folded), None)
            if twin is not None:
                raise errors.InvalidTopic(f"topic {name!r} collides with {twin!r}: . and _ count as the same")

    def create_topic(
        self, name: str, partitions: int, overrides: dict[str, str], now: Instant
    ) -> Steps[Topic]:
        """Create a topic that `check_new_topic` has passed; nobody sees it before all of it is there.

        Raises:
            KafkaStorageError: the disk does not take it, or not all partitions: a start creates the others.
        """
        record = TopicCreated(name, self._new_topic_id().hex(), partitions, overrides)
        yield from self._durable(record)
        made: list[Partition | None] = []
        try:
            yield from self._opened(made, name, bytes.fromhex(record.topic_id), partitions, now)
        except errors.KafkaStorageError:
            self._publish(record, made)
            raise
        self._publish(record, made)
        return self.image.topics[name]

    def _publish(self, record: TopicCreated | PartitionsAdded, partitions: list[Partition | None]) -> None:
        self._apply(record)
        self.partitions[record.name] = partitions
        self._configure(record.name)

    def commit(self, record: MetadataRecord) -> Steps[None]:
        """Make a change of the metadata durable and apply it.

        Raises:
            KafkaStorageError: the disk does not take it; nothing has changed.
        """
        yield from self._durable(record)
        self._apply(record)

    def _durable(self, record: MetadataRecord) -> Steps[None]:
        shortening = self.metadata.shorten()
        if shortening is not None:
            yield shortening
        write = self.metadata.begin(record)
        yield write
        try:
            write.check()
        except OSError as error:
            self.logs.troubles.note("changes are refused with KAFKA_STORAGE_ERROR", "metadata.log", error)
            raise errors.KafkaStorageError(f"the metadata log cannot be written: {error.strerror}") from error

    def _apply(self, record: MetadataRecord) -> None:
        self.image.apply(record)
        self.commits += 1

    def _new_topic_id(self) -> bytes:
        while True:
            raw = bytearray(self.new_bytes(16))
            raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
            # Kafka's tools print ids in base64, where a leading dash would look like an option.
            if raw[0] >> 2 != 62 and bytes(raw) not in self.image.by_id:
                return bytes(raw)

    def open_logs(self, now: Instant) -> OpenReport:
        """At a start: open every log found, drop those of deleted topics, create those that a crash left out.

        Records of a topic that nobody is known to have deleted are set aside, never deleted.

        Raises:
            OSError: the data folder cannot be read, or a folder cannot be set aside.
            KafkaStorageError: a missing partition cannot be created.
        """
        report = self.logs.open_all(now.wall_ms)
        for key in [*self.logs.partitions, *self.logs.offline]:
            topic = self.image.topics.get(key[0])
            found = self.logs.partitions.get(key)
            if topic is not None and (found is None or found.topic_id == topic.topic_id):
                continue
            if found is not None and (found.topic_id in self.metadata.deleted or not found.size_bytes):
                self.logs.delete(*key)
            else:
                report.strays[key] = self.logs.set_aside(*key)
        for topic in self.image.topics.values():
            made = self.partitions[topic.name] = []
            at_once(self._opened(made, topic.name, topic.topic_id, topic.partitions, now))
            self._configure(topic.name)
        return report

    def _opened(
        self, into: list[Partition | None], name: str, topic_id: bytes, count: int, now: Instant
    ) -> Steps[None]:
        """Make sure that a topic's partitions up to `count` have their folders."""
        for index in range(len(into), count):
            key = name, index
            if key in self.logs.offline:
                into.append(None)
                continue
            found = self.logs.partitions.get(key)
            if found is None:
                found = self.logs.create(*key, topic_id, now.wall_ms)
            into.append(found)
            if index % SLICE == SLICE - 1:
                yield Pause()

    def add_partitions(self, name: str, count: int, now: Instant) -> Steps[None]:
        """Raise a topic's partition count to `count`."""
        record = PartitionsAdded(name, count)
        yield from self._durable(record)
        made = list(self.partitions[name])
        try:
            yield from self._opened(made, name, self.image.topics[name].topic_id, count, now)
        except errors.KafkaStorageError:
            self._publish(record, made)
            raise
        self._publish(record, made)

    def delete_topic(self, name: str, now: Instant) -> Steps[None]:
        """Delete a topic, its data and every position in it."""
        yield from self.commit(TopicDeleted(name))
        self.understaffed.discard(name)
        partitions = self.partitions.pop(name, [])
        for partition in partitions:
            if partition is not None:
                self.wake(self.purgatory.disturbed(partition))
                self.wake(self.purgatory.disturbed(stable_key(partition)))
                self._stable_seen.pop(partition, None)
                self.unflushed.pop(partition, None)
        for index in range(len(partitions)):
            self.logs.delete(name, index)
            if index % SLICE == SLICE - 1:
                yield Pause()
        self.groups.forget_topic(name, now)

    def configure_topic(self, name: str, overrides: dict[str, str]) -> Steps[None]:
        """Replace a topic's config overrides."""
        yield from self.commit(TopicConfigured(name, overrides))
        self._configure(name)

    def configure_all(self) -> Steps[None]:
        """Let every log obey the broker's changed defaults."""
        for name in list(self.partitions):
            self._configure(name)
            yield Pause()

    def _configure(self, name: str) -> None:
        settings = self.log_settings(name)
        for partition in self.partitions[name]:
            if partition is not None:
                partition.configure(settings)
        overrides = self.image.topics[name].configs
        wanted = configs.effective(self.settings, self.image.broker_configs, overrides).min_insync_replicas
        (self.understaffed.add if wanted > 1 else self.understaffed.discard)(name)
        self.commits += 1  # changed defaults reach one topic after the other

    def log_settings(self, name: str) -> LogSettings:
        """What the log of a topic obeys."""
        overrides = topic.configs if (topic := self.image.topics.get(name)) else {}
        return configs.log_settings(self.settings, self.image.broker_configs, overrides)

    # -- data ---------------------------------------------------------------------------------------

    def appended(self, partition: Partition, size: int, result_at: int = -1) -> None:
        """Bytes have arrived in a partition: remember to flush it, and wake those who wait for them.

        Args:
            partition: where.
            size: how many.
            result_at: see `touched`.
        """
        if self._holds:
            self.touched.append((partition.key, result_at))
        self.unflushed[partition] = None
        if (self.purgatory.waiting or self._stable_seen) and not partition.settings.commits_when_durable:
            self._committed(partition, size)

    def flushed(self, partition: Partition, start: int) -> None:
        """Everything from `start` on that a partition had has become durable, or it has failed."""
        if partition.offline:
            self.failed(partition)
        elif partition.settings.commits_when_durable and start < partition.high_watermark:
            self._committed(partition, partition.size_between(start, partition.high_watermark))

    def failed(self, partition: Partition) -> None:
        """A partition may be offline: tell those who wait for its records."""
        if partition.offline:
            self.wake(self.purgatory.disturbed(partition))
            self.wake(self.purgatory.disturbed(stable_key(partition)))
            self._stable_seen.pop(partition, None)

    def _committed(self, partition: Partition, size: int) -> None:
        if partition in self.purgatory.waiting:
            self.wake(self.purgatory.appended(partition, size))
        if self._stable_seen and partition in self._stable_seen:
            self._stable_moved(partition)

    def park(self, fetch: ParkedFetch, committed: Sequence[Partition]) -> None:
        """Let a fetch wait; `committed` are the partitions of which only decided records count for it."""
        for partition in committed:
            self._stable_seen.setdefault(partition, partition.last_stable_offset)
        self.purgatory.park(fetch)

    def _stable_moved(self, partition: Partition) -> None:
        """Readers of committed data wait here; tell them how much has been decided since they last looked."""
        key = stable_key(partition)
        if key not in self.purgatory.waiting:
            del self._stable_seen[partition]
            return
        seen, stable = self._stable_seen[partition], partition.last_stable_offset
        if stable > seen:
            self._stable_seen[partition] = stable
            self.wake(self.purgatory.appended(key, partition.size_between(seen, stable)))

    def wake(self, fetches: Sequence[ParkedFetch]) -> None:
        """Answer parked fetches with what there is now."""
        for fetch in fetches:
            if not fetch.cancelled:
                self.finished.append((fetch, fetch.answer()))

    def journal(self, records: Sequence[GroupRecord], now: Instant, producer: Producer = NO_PRODUCER) -> int:
        """Append group records to `__consumer_offsets`; returns the offset of the first.

        Raises:
            KafkaError: the log did not take them.
        """
        batch = build_batch(
            [Record(i, now.wall_ms, *encode(one)) for i, one in enumerate(records)],
            producer=producer,
            transactional=producer.id >= 0,
        )
        partition = self.offsets_partition(now)
        at = partition.append(memoryview(batch), now.wall_ms, internal=True).base_offset
        self.appended(partition, len(batch))
        return at

    def offsets_partition(self, now: Instant) -> Partition:
        """The one partition of `__consumer_offsets`, created at its first use."""
        if OFFSETS_TOPIC not in self.partitions:
            self._create_internal(OFFSETS_TOPIC, _OFFSETS_CONFIGS, now)
        return self.partition(OFFSETS_TOPIC, 0)

    def _create_internal(self, name: str, overrides: Mapping[str, str], now: Instant) -> None:
        """Create a topic of the broker's own, once in a data folder's life: everybody waits."""
        self.settle()
        if name not in self.partitions:
            at_once(self.create_topic(name, 1, dict(overrides), now))

    def journal_transaction(self, name: str, image: Transaction | None, now: Instant) -> int:
        """Append a transactional id's image to `__transaction_state`; returns the coordinator's epoch.

        An outcome is made durable before anybody can see its markers, where acknowledging waits for flushes
        (policy `group`).

        Raises:
            NotCoordinator: the log did not take it; the client asks again.
        """
        value = None if image is None else encode_value(image)
        batch = build_batch([Record(0, now.wall_ms, encode_key(name), value)])
        try:
            if TRANSACTIONS_TOPIC not in self.partitions:
                self._create_internal(TRANSACTIONS_TOPIC, _TRANSACTIONS_CONFIGS, now)
            partition = self.partition(TRANSACTIONS_TOPIC, 0)
            partition.append(memoryview(batch), now.wall_ms, internal=True)
            self.appended(partition, len(batch))
            if image is not None and image.is_ending and self._holds:
                partition.flush()
        except errors.KafkaError as error:
            raise errors.NotCoordinator(f"the transaction log took nothing: {error.what}") from error
        return partition.leader_epoch

    def write_marker(self, key: tuple[str, int], marker: Marker, now: Instant) -> None:
        """End a producer's transaction in one partition.

        Raises:
            UnknownTopicOrPartition, KafkaStorageError: there is no such partition, or it takes nothing.
            InvalidProducerEpoch, TransactionCoordinatorFenced: see Partition.append_marker.
        """
        partition = self.partition(*key)
        partition.append_marker(marker, now.wall_ms)
        if key[0] == OFFSETS_TOPIC:
            self.groups.end_transaction(marker.producer_id, marker.commit)
        self.appended(partition, MARKER_BYTES)

    def answer_groups(self, answers: list[tuple[object, Joined | Synced]]) -> None:
        """Turn a coordinator's answers into replies of the parked requests."""
        for waiter, answer in answers:
            assert isinstance(waiter, ParkedGroup)
            if not waiter.cancelled:
                self.finished.append((waiter, waiter.reply(answer)))

    @property
    def has_producer_ids(self) -> bool:
        """Whether a producer id can be handed out without a wait for the disk."""
        return self._next_producer_id < self.image.producer_ids_end

    def reserve_producer_ids(self) -> Steps[None]:
        """Make a block of producer ids durable before the first use of one of them.

        Raises:
            KafkaStorageError: the disk does not take the reservation.
        """
        if not self.has_producer_ids:
            yield from self.commit(ProducerIdsReserved(self._next_producer_id + PRODUCER_ID_BLOCK))

    def next_producer_id(self) -> int:
        """Hand out a producer id.

        Raises:
            KafkaStorageError: a block had to be reserved, and the disk does not take that.
        """
        if not self.has_producer_ids:
            self.settle()
            at_once(self.reserve_producer_ids())
        self._next_producer_id += 1
        return self._next_producer_id - 1


def stable_key(partition: Partition) -> tuple[str, Partition]:
    """What a reader of committed data waits for, beside the partition that other readers wait for."""
    return "stable", partition


def is_internal(name: str) -> bool:
    """Whether only the broker itself writes a topic."""
    return name in INTERNAL_TOPICS
