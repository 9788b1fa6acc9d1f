"""Topics, ids, configs and producer id blocks: the metadata image and its log.

    record --encode--> metadata.log (length, CRC, JSON) --fsync--> image.apply(record)

At a start the same `apply` takes in what the log holds. A torn last record is cut off: its change was never
acknowledged. Anything else that is not intact (also a log that is missing beside partitions) is refused,
never skipped: behind it every topic would look deleted. When the log has grown past 1 MiB it is replaced in
one step by the records that make up the current image. Writing, syncing and shortening are jobs that another
thread may run. Imports the log's `Files` seam only; no IO.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import ClassVar, TypeAlias

from tidelock.broker.log.files import Files, append_all, folder_of, read_all, replace
from tidelock.broker.log.logs import FOLDER_NAME
from tidelock.errors import TidelockError
from tidelock.protocol.checksum import crc32c

SNAPSHOT_BYTES = 1 << 20
LOG_NAME = "metadata.log"
# Every folder that Apache Kafka has formatted contains it.
KAFKAS_OWN = "meta.properties"
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC, "__share_group_state"})
_FRAME = struct.Struct(">II")
_RESTORE = "restore the data folder from a copy, or move it away to start empty"


class CorruptMetadata(TidelockError):
    """The metadata log is damaged or missing; the broker does not start over it."""

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
    """The dynamic configs of all brokers, or (`own`) of this one: all of them."""

    KIND: ClassVar[str] = "broker-configs"
    configs: dict[str, str]
    own: bool = False


@dataclass(frozen=True, slots=True)
class GroupConfigured:
    """A group's config overrides, all of them; the group itself need not exist."""

    KIND: ClassVar[str] = "group-configs"
    name: str
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
    | GroupConfigured
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
        GroupConfigured,
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


@dataclass(frozen=True, slots=True)
class DynamicConfigs:
    """Broker configs that were changed on the running broker: its own come before those of all brokers."""

    own: Mapping[str, str] = field(default_factory=dict)
    default: Mapping[str, str] = field(default_factory=dict)


class MetadataImage:
    """Everything that is known about the cluster; changes only through `apply`."""

    def __init__(self) -> None:
        self.cluster_id = ""
        self.topics: dict[str, Topic] = {}
        self.by_id: dict[bytes, Topic] = {}
        self.broker_configs = DynamicConfigs()
        self.group_configs: dict[str, dict[str, str]] = {}
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
            case BrokerConfigured(configs, own):
                place = "own" if own else "default"
                self.broker_configs = dataclasses.replace(self.broker_configs, **{place: dict(configs)})
            case GroupConfigured(name, configs):
                self.group_configs.pop(name, None)
                if configs:
                    self.group_configs[name] = dict(configs)
            case ProducerIdsReserved(end):
                self.producer_ids_end = end

    def records(self) -> Iterator[MetadataRecord]:
        """Return the records that make up this image."""
        if self.cluster_id:
            yield ClusterNamed(self.cluster_id)
        for topic in self.topics.values():
            yield TopicCreated(topic.name, topic.topic_id.hex(), topic.partitions, topic.configs)
        if self.broker_configs.default:
            yield BrokerConfigured(dict(self.broker_configs.default))
        if self.broker_configs.own:
            yield BrokerConfigured(dict(self.broker_configs.own), own=True)
        for name, configs in self.group_configs.items():
            yield GroupConfigured(name, configs)
        if self.producer_ids_end:
            yield ProducerIdsReserved(self.producer_ids_end)


def encode(record: MetadataRecord) -> bytes:
    """Return the frame of a record: length, CRC-32C, JSON."""
    body = json.dumps({"kind": record.KIND, **asdict(record)}, separators=(",", ":")).encode()
    return _FRAME.pack(len(body), crc32c(body)) + body


def decode(data: bytes, where: str = LOG_NAME) -> tuple[list[MetadataRecord], int]:
    """Read frames; returns the records and how many bytes of `data` are intact.

    Raises:
        CorruptMetadata: what is not intact is more than a torn last record, or an intact one is unknown.
    """
    records: list[MetadataRecord] = []
    position = 0
    while True:
        body = _body_at(data, position)
        if body is None:
            break
        records.append(_record(body, f"{where} byte {position}"))
        position += _FRAME.size + len(body)
    if position < len(data) and not _is_torn(data[position:]):
        raise CorruptMetadata("the metadata log is damaged", where=f"{where} byte {position}", hint=_RESTORE)
    return records, position


def _is_torn(rest: bytes) -> bool:
    """Whether the bytes behind the last intact record are one record that a crash left unfinished.

    Its end is missing, or blocks of it were never written and read as zeroes, which JSON does not contain.
    The length alone proves nothing: one flipped bit in it makes any record look unfinished.
    """
    if len(rest) < _FRAME.size:
        return True
    length, crc = _FRAME.unpack_from(rest)
    body = rest[_FRAME.size :]
    if body and crc32c(body) == crc:
        return False
    if any(_body_at(rest, at) is not None for at in range(1, len(rest))):
        return False
    return len(body) < length or b"\0" in body or not any(rest)


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
    """The image with its durable log; owns the file.

    Attributes:
        deleted: ids of topics whose deletion was read back; a crash may have left folders of theirs.

    Raises:
        CorruptMetadata: the log is damaged, or partitions are there and it is not.
        OSError: the disk.
    """

    def __init__(self, files: Files, path: str = LOG_NAME) -> None:
        self.image = MetadataImage()
        self.deleted: set[bytes] = set()
        self._files = files
        self._path = path
        self._snapshot_above = SNAPSHOT_BYTES
        self._failed: str | None = None
        names = files.list(folder_of(path))
        data = read_all(files, path) if path in names else b""
        records, intact = decode(data, path)
        if not records and KAFKAS_OWN in names:
            raise CorruptMetadata(
                "the data folder is one of Apache Kafka, whose topics are not in a log of ours",
                where=KAFKAS_OWN,
                hint="choose another folder with log.dirs; records come over when a client copies them",
            )
        if not records and any(map(FOLDER_NAME.match, names)):
            raise CorruptMetadata(
                "there are partitions, but the metadata log is missing or empty", where=path, hint=_RESTORE
            )
        for record in records:
            if isinstance(record, TopicDeleted):
                self.deleted.add(self.image.topics[record.name].topic_id)
            self.image.apply(record)
        self._file = files.open(path)
        self._size = intact
        if intact < len(data):
            self._file.truncate(intact)
        files.sync(folder_of(path))

    def begin(self, *records: MetadataRecord) -> MetadataWrite:
        """Prepare to make records durable, together; one write at a time. See `MetadataWrite`."""
        return MetadataWrite(self, b"".join(map(encode, records)))

    def shorten(self) -> MetadataShortening | None:
        """Prepare to replace the log by what makes up the image; None while it is short."""
        if self._size <= self._snapshot_above:
            return None
        return MetadataShortening(self, list(self.image.records()))

    def commit(self, *records: MetadataRecord) -> None:
        """Make records durable, together, and apply them, here and now.

        Raises:
            OSError: see `MetadataWrite.check`.
        """
        write = self.begin(*records)
        write.run()
        write.check()
        for record in records:
            self.image.apply(record)
        shortening = self.shorten()
        if shortening is not None:
            shortening.run()

    def append(self, data: bytes) -> None:
        """Write frames and sync them.

        Raises:
            OSError: the disk took less than everything; nothing has changed. When not even that could be
                taken back, no write works any more: it would go behind a record that was refused.
        """
        if self._failed is not None:
            raise OSError(errno.EIO, self._failed)
        try:
            append_all(self._file, data)
            self._files.sync(self._path)
        except OSError:
            self._undo()
            raise
        self._size += len(data)

    def _undo(self) -> None:
        try:
            self._file.truncate(self._size)
        except OSError as error:
            self._failed = f"a failed write could not be undone ({error.strerror}); restart the broker"

    def rewrite(self, data: bytes) -> None:
        """Let the log be these frames, if that shortens it by half; a disk that refuses makes it wait."""
        self._snapshot_above = max(SNAPSHOT_BYTES, 2 * len(data))
        if self._size <= self._snapshot_above:
            return
        try:
            replace(self._files, self._path, data)
        except OSError as error:
            self._snapshot_above = 2 * self._size
            if self._files.size(self._path) != self._size:
                # The new file has the name, but a power loss may bring back the old one.
                self._failed = f"the shortened log is not durable ({error.strerror}); restart the broker"
            return
        self._file.close()
        self._file = self._files.open(self._path)
        self._size = len(data)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class MetadataWrite:
    """Records on their way to the disk: `run` in any thread, then `check`, and only then apply them."""

    def __init__(self, log: MetadataLog, data: bytes) -> None:
        self._log = log
        self._data = data
        self._error: OSError | None = None

    def run(self) -> None:
        """Write and sync."""
        try:
            self._log.append(self._data)
        except OSError as error:
            self._error = error

    def fail(self, error: Exception) -> None:
        """Count as failed."""
        self._error = OSError(errno.EIO, f"{type(error).__name__}: {error}")

    def check(self) -> None:
        """See that the records are durable.

        Raises:
            OSError: see `MetadataLog.append`.
        """
        if self._error is not None:
            raise self._error


class MetadataShortening:
    """The image's records on their way to a shorter log; those of the old one are durable already."""

    def __init__(self, log: MetadataLog, records: list[MetadataRecord]) -> None:
        self._log = log
        self._records = records

    def run(self) -> None:
        """Encode them and replace the log, in any thread."""
        self._log.rewrite(b"".join(map(encode, self._records)))

    def fail(self, error: Exception) -> None:
        """The log stays as it is."""
