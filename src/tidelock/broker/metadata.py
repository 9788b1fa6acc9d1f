"""Topics, ids, configs and producer id blocks: the metadata image and its log.

    record --encode--> metadata.log (length, CRC, JSON) --fsync--> image.apply(record)

At a start the same `apply` takes in what the log holds. A torn last record is cut off: its change was never
acknowledged. Damage with intact records behind it is refused, never skipped. When the log has grown past 1
MiB it is replaced in one step by the records that make up the current image. Imports the log's `Files` seam
only; no IO.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import ClassVar, TypeAlias

from tidelock.broker.log.files import Files, append_all, folder_of, read_all, replace
from tidelock.errors import TidelockError
from tidelock.protocol.checksum import crc32c

SNAPSHOT_BYTES = 1 << 20
LOG_NAME = "metadata.log"
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC, "__share_group_state"})
_FRAME = struct.Struct(">II")


class CorruptMetadata(TidelockError):
    """The metadata log is damaged before its end; the broker does not start over it."""

    code = "TID-251"


@dataclass(frozen=True, slots=True)
class ClusterNamed:
    """The data folder belongs to this cluster id from now on."""

    KIND: ClassVar[str] = "cluster"
    cluster_id: str


@dataclass(frozen=True, slots=True)
class TopicCreated:
    """A topic with its id (32 hex digits), partition count and config overrides."""

    KIND: ClassVar[str] = "topic"
    name: str
    topic_id: str
    partitions: int
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartitionsAdded:
    """A topic has this many partitions now."""

    KIND: ClassVar[str] = "partitions"
    name: str
    partitions: int


@dataclass(frozen=True, slots=True)
class TopicConfigured:
    """A topic's config overrides, all of them."""

    KIND: ClassVar[str] = "topic-configs"
    name: str
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class TopicDeleted:
    """A topic is gone."""

    KIND: ClassVar[str] = "topic-deleted"
    name: str


@dataclass(frozen=True, slots=True)
class BrokerConfigured:
    """The broker's dynamic configs, all of them."""

    KIND: ClassVar[str] = "broker-configs"
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class ProducerIdsReserved:
    """Producer ids below `end` may have been handed out."""

    KIND: ClassVar[str] = "producer-ids"
    end: int


MetadataRecord: TypeAlias = (
    ClusterNamed
    | TopicCreated
    | PartitionsAdded
    | TopicConfigured
    | TopicDeleted
    | BrokerConfigured
    | ProducerIdsReserved
)
_KINDS: dict[str, type[MetadataRecord]] = {
    kind.KIND: kind
    for kind in (
        ClusterNamed,
        TopicCreated,
        PartitionsAdded,
        TopicConfigured,
        TopicDeleted,
        BrokerConfigured,
        ProducerIdsReserved,
    )
}


@dataclass(slots=True)
class Topic:
    """One topic as the image has it."""

    name: str
    topic_id: bytes
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)

    @property
    def is_internal(self) -> bool:
        """Whether the broker itself writes it."""
        return self.name in INTERNAL_TOPICS


class MetadataImage:
    """Everything that is known about the cluster; changes only through `apply`."""

    def __init__(self) -> None:
        self.cluster_id = ""
        self.topics: dict[str, Topic] = {}
        self.by_id: dict[bytes, Topic] = {}
        self.broker_configs: dict[str, str] = {}
        self.producer_ids_end = 0
        self.epoch = 0

    def apply(self, record: MetadataRecord) -> None:
        """Take in one durable record, new or read back."""
        self.epoch += 1
        match record:
            case ClusterNamed(cluster_id):
                self.cluster_id = cluster_id
            case TopicCreated(name, topic_id, partitions, configs):
                topic = Topic(name, bytes.fromhex(topic_id), partitions, dict(configs))
                self.topics[name] = self.by_id[topic.topic_id] = topic
            case PartitionsAdded(name, partitions):
                self.topics[name].partitions = partitions
            case TopicConfigured(name, configs):
                self.topics[name].configs = dict(configs)
            case TopicDeleted(name):
                del self.by_id[self.topics.pop(name).topic_id]
            case BrokerConfigured(configs):
                self.broker_configs = dict(configs)
            case ProducerIdsReserved(end):
                self.producer_ids_end = end

    def records(self) -> Iterator[MetadataRecord]:
        """Return the records that make up this image."""
        if self.cluster_id:
            yield ClusterNamed(self.cluster_id)
        for topic in self.topics.values():
            yield TopicCreated(topic.name, topic.topic_id.hex(), topic.partitions, topic.configs)
        if self.broker_configs:
            yield BrokerConfigured(self.broker_configs)
        if self.producer_ids_end:
            yield ProducerIdsReserved(self.producer_ids_end)


def encode(record: MetadataRecord) -> bytes:
    """Return the frame of a record: length, CRC-32C, JSON."""
    body = json.dumps({"kind": record.KIND, **asdict(record)}, separators=(",", ":")).encode()
    return _FRAME.pack(len(body), crc32c(body)) + body


def decode(data: bytes, where: str = LOG_NAME) -> tuple[list[MetadataRecord], int]:
    """Read frames; returns the records and how many bytes of `data` are intact.

    Raises:
        CorruptMetadata: a damaged frame has an intact one behind it, or holds no known record.
    """
    records: list[MetadataRecord] = []
    position = 0
    while True:
        body = _body_at(data, position)
        if body is None:
            break
        records.append(_record(body, f"{where} byte {position}"))
        position += _FRAME.size + len(body)
    if position + _FRAME.size <= len(data):
        length, _ = _FRAME.unpack_from(data, position)
        if length and _body_at(data, position + _FRAME.size + length) is not None:
            raise CorruptMetadata(
                "the metadata log is damaged",
                where=f"{where} byte {position}",
                hint="restore the data folder from a copy, or move it away to start empty",
            )
    return records, position


def _body_at(data: bytes, position: int) -> bytes | None:
    if position + _FRAME.size > len(data):
        return None
    length, crc = _FRAME.unpack_from(data, position)
    body = data[position + _FRAME.size : position + _FRAME.size + length]
    return body if length and len(body) == length and crc32c(body) == crc else None


def _record(body: bytes, where: str) -> MetadataRecord:
    try:
        fields = json.loads(body)
        return _KINDS[fields.pop("kind")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptMetadata(
            f"a metadata record is not one this version knows: {error}",
            where=where,
            hint="the folder may have been written by a newer version",
        ) from None


class MetadataLog:
    """The image with its durable log; owns the file."""

    def __init__(self, files: Files, path: str = LOG_NAME) -> None:
        self.image = MetadataImage()
        self._files = files
        self._path = path
        data = read_all(files, path) if path in files.list("") else b""
        records, intact = decode(data, path)
        for record in records:
            self.image.apply(record)
        self._file = files.open(path)
        self._size = intact
        if intact < len(data):
            self._file.truncate(intact)
        files.sync(folder_of(path))

    def commit(self, *records: MetadataRecord) -> None:
        """Make records durable, together, and apply them.

        Raises:
            OSError: the disk took less than everything; nothing has changed.
        """
        data = b"".join(map(encode, records))
        try:
            append_all(self._file, data)
            self._files.sync(self._path)
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(data)
        for record in records:
            self.image.apply(record)
        if self._size > SNAPSHOT_BYTES:
            self._snapshot()

    def _snapshot(self) -> None:
        data = b"".join(map(encode, self.image.records()))
        if len(data) > self._size // 2:
            return
        self._file.close()
        replace(self._files, self._path, data)
        self._file = self._files.open(self._path)
        self._size = len(data)

    def close(self) -> None:
        """Release the file."""
        self._file.close()
