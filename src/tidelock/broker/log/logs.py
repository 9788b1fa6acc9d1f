"""All partitions of one data folder: found, opened, created, flushed and closed together.

Beside the partitions' folders it keeps four small files: `recovery-points` (what is durable), `log-starts`
(what DeleteRecords took away), `leader-epoch` (how often this folder was started: the leader epoch of every
partition in it) and `clean-shutdown`.

A partition that cannot be opened does not stop the others: it is offline, with the reason, and answers
KAFKA_STORAGE_ERROR. Lists of topics, ids and settings are the node's; a folder that the node does not know is
the node's to delete or to set aside.

May import the rest of the log package. Invariant: `clean-shutdown` exists only while nothing is open and
everything was written down.

Source: Kafka `LogManager`.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tidelock.broker.log.checkpoint import TOPIC_ID_BYTES, Mark, PartitionKey, read_marks, write_marks
from tidelock.broker.log.cleaner import CLEANER_OFFSETS_FILE, Cleaner
from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import Files, read_all, replace
from tidelock.broker.log.flush import FlushJob
from tidelock.broker.log.partition import Partition
from tidelock.broker.log.recovery import Start
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.log.stored_log import DELETED_SUFFIX, remove_folder
from tidelock.broker.log.troubles import Troubles
from tidelock.protocol.error_codes import KafkaStorageError, TopicAlreadyExists, UnknownTopicOrPartition

RECOVERY_POINTS_FILE = "recovery-points"
LOG_STARTS_FILE = "log-starts"
CLEAN_MARKER = "clean-shutdown"
STRAY_SUFFIX = "-stray"
LEADER_EPOCH_FILE = "leader-epoch"
METADATA_FILE = "partition.metadata"
CHECKPOINT_EVERY = 64  # flushes without a sealed segment
NO_TOPIC_ID = bytes(TOPIC_ID_BYTES)
FOLDER_NAME = re.compile(r"^[A-Za-z0-9._-]{1,249}-\d+$")
TOPIC_ID = re.compile(rb"^topic_id: *(\S+)", re.MULTILINE)


@dataclass(slots=True)
class OpenReport:
    """What opening a data folder found and did. Bytes are those of `.log` files.

    `strays` are partitions that belong to no topic, with the folder that keeps them now.
    """

    clean: bool = False
    leader_epoch: int = 0
    partitions: int = 0
    scanned_bytes: int = 0
    truncated_bytes: int = 0
    truncations: dict[PartitionKey, str] = field(default_factory=dict)
    offline: dict[PartitionKey, str] = field(default_factory=dict)
    strays: dict[PartitionKey, str] = field(default_factory=dict)


@dataclass(slots=True)
class Swept:
    """What one retention pass did; a partition whose disk failed does not stop the others."""

    deleted_segments: int = 0
    failures: list[KafkaStorageError] = field(default_factory=list)


class Logs:
    """The partitions of one data folder, which is the root of `files`.

    Args:
        files: the folder, owned by this process alone.
        settings_for: a topic's settings, by name.
    """

    def __init__(self, files: Files, settings_for: Callable[[str], LogSettings]) -> None:
        self.partitions: dict[PartitionKey, Partition] = {}
        self.offline: dict[PartitionKey, str] = {}
        self.leader_epoch = 0
        self.troubles = Troubles()
        self._files = files
        self._settings_for = settings_for
        self.cleaner = Cleaner(files, self.partitions)
        self._flushes = 0
        self._points: dict[PartitionKey, Mark] = {}
        self._starts: dict[PartitionKey, Mark] = {}

    def open_all(self, now_ms: int) -> OpenReport:
        """Open every partition found, recovering those that a crash left behind.

        Raises:
            OSError: the data folder itself cannot be read or written.
        """
        names = self._files.list("")
        report = OpenReport(clean=CLEAN_MARKER in names)
        if not self._read_checkpoints(names):
            report.clean = False
        self._begin_epoch(names)
        report.leader_epoch = self.leader_epoch
        for name in names:
            if name.endswith(DELETED_SUFFIX):
                remove_folder(self._files, name)
            elif FOLDER_NAME.match(name):
                self._open(name, now_ms, report)
        return report

    def get(self, topic: str, index: int) -> Partition:
        """Return a partition.

        Raises:
            UnknownTopicOrPartition: there is none.
            KafkaStorageError: it could not be opened.
        """
        partition = self.partitions.get((topic, index))
        if partition is not None:
            return partition
        reason = self.offline.get((topic, index))
        if reason is not None:
            raise KafkaStorageError(reason, where=f"{topic}-{index}")
        raise UnknownTopicOrPartition(f"there is no partition {topic}-{index}")

    def create(self, topic: str, index: int, topic_id: bytes, now_ms: int) -> Partition:
        """Create an empty partition. Its folder becomes durable with its first flush, not before.

        Args:
            topic: a valid Kafka topic name.
            index: 0 up.
            topic_id: 16 bytes.
            now_ms: the broker's wall clock.

        Raises:
            TopicAlreadyExists: the partition is there.
            KafkaStorageError: the disk.
        """
        key = topic, index
        if key in self.partitions or key in self.offline:
            raise TopicAlreadyExists(f"partition {topic}-{index} exists")
        folder = f"{topic}-{index}"
        start = Start(topic_id=topic_id, leader_epoch=self.leader_epoch)
        metadata = f"{folder}/{METADATA_FILE}"
        try:
            self._files.make_folder(folder)
            replace(self._files, metadata, write_topic_id(topic_id), durable=False)
            partition = Partition.open(self._files, folder, self._settings_for(topic), now_ms, start)
        except (OSError, CorruptLog) as error:
            raise KafkaStorageError(f"the partition could not be created: {error}", where=folder) from error
        partition.note_unflushed(metadata, folder, "")
        self._adopt(partition)
        return partition

    def delete(self, topic: str, index: int) -> None:
        """Delete a partition, offline ones as well.

        Raises:
            UnknownTopicOrPartition: there is none.
            KafkaStorageError: the disk.
        """
        key = topic, index
        partition = self.partitions.pop(key, None)
        self._points.pop(key, None)
        self._starts.pop(key, None)
        if partition is not None:
            partition.remove()
            return
        if self.offline.pop(key, None) is None:
            raise UnknownTopicOrPartition(f"there is no partition {topic}-{index}")
        try:
            remove_folder(self._files, f"{topic}-{index}")
        except OSError as error:
            raise KafkaStorageError(f"the partition could not be deleted: {error}") from error

    def set_aside(self, topic: str, index: int) -> str:
        """Take a partition out without deleting it; returns the folder that keeps it.

        Raises:
            OSError: the disk.

        Source: Kafka `LogManager` (`-stray` folders).
        """
        partition = self.partitions.pop((topic, index), None)
        self.offline.pop((topic, index), None)
        if partition is not None:
            partition.close(clean=False)
        folder = f"{topic}-{index}"
        names = set(self._files.list(""))
        stem = f"{folder}.{partition.topic_id.hex() if partition is not None else 'unreadable'}"
        target = next(one for one in _stray_names(stem) if one not in names)
        self._files.rename(folder, target)
        self._files.sync("")
        return target

    # -- from time to time

    def retention(self, now_ms: int) -> Swept:
        """Delete in every partition what its settings no longer allow."""
        swept = Swept()
        for partition in self.partitions.values():
            try:
                swept.deleted_segments += partition.retention(now_ms)
            except KafkaStorageError as error:
                self.troubles.note("old segments stay", partition.folder, error.__cause__ or error)
                swept.failures.append(error)
        return swept

    def expire_producers(self, now_ms: int) -> int:
        """Forget silent producers everywhere; returns how many."""
        return sum(partition.expire_producers(now_ms) for partition in self.partitions.values())

    def begin_flush(
        self,
        partitions: Iterable[Partition] | None = None,
        *,
        sealed_only: bool = False,
        checkpoint: bool | None = None,
    ) -> FlushJob | None:
        """Prepare a flush whose `run` may happen in another thread; None when there is nothing to do.

        Args:
            partitions: only these; default all.
            sealed_only: what policy `os` makes durable: sealed segments and side files.
            checkpoint: write the recovery points down as well, which costs two syncs. Default: when a segment
                was sealed, for that is what a scan after a crash is spared, and now and then.
        """
        chosen = self.partitions.values() if partitions is None else partitions
        found = [partition.begin_flush(sealed_only=sealed_only) for partition in chosen]
        parts = tuple(dirty for dirty in found if dirty is not None)
        if not parts:
            return None
        self._flushes += 1
        if checkpoint is None:
            checkpoint = any(dirty.sealed for dirty in parts) or self._flushes % CHECKPOINT_EVERY == 0
        points = self._recovery_points() if checkpoint else None
        return FlushJob(self._files, parts, RECOVERY_POINTS_FILE, points)

    def end_flush(self, job: FlushJob) -> None:
        """Take over what a flush achieved; partitions whose sync failed are offline from now on.

        One that was deleted and created again meanwhile has no part in it.
        """
        if job.checkpoint_failure is not None:
            self.troubles.note(
                "not written, the next start takes longer", RECOVERY_POINTS_FILE, job.checkpoint_failure
            )
        for part in job.parts:
            partition = self.partitions.get(part.key)
            if partition is not None and partition.has_begun(part):
                partition.end_flush(part, job.failures.get(part.key))

    def close(self, *, clean: bool) -> list[KafkaStorageError]:
        """Close every partition; returns what went wrong.

        Args:
            clean: write everything down, so that the next start needs no scan. Should one partition
                fail, the next start scans from the recovery points.
        """
        was_offline = bool(self.offline) or any(partition.offline for partition in self.partitions.values())
        failures = self._write_down() if clean else []
        for partition in self.partitions.values():
            partition.close(clean=False)
        if clean:
            try:
                replace(self._files, RECOVERY_POINTS_FILE, write_marks(self._recovery_points()))
                if not failures and not was_offline:
                    replace(self._files, CLEAN_MARKER, b"")
            except OSError as error:
                failures.append(KafkaStorageError(f"the data folder could not be closed: {error}"))
        self.partitions.clear()
        return failures

    def _write_down(self) -> list[KafkaStorageError]:
        """Have every folder fit for a start without a scan: one flush for all, several syncs at a time."""
        failures: list[KafkaStorageError] = []
        for partition in self.partitions.values():
            try:
                partition.write_down()
            except KafkaStorageError as error:
                failures.append(error)
        job = self.begin_flush(checkpoint=False)
        if job is not None:
            job.run()
            self.end_flush(job)
            failures += [
                KafkaStorageError(f"a sync failed: {error}", where=f"{topic}-{index}")
                for (topic, index), error in job.failures.items()
            ]
        return failures

    # -- inside

    def _open(self, name: str, now_ms: int, report: OpenReport) -> None:
        topic, _, index = name.rpartition("-")
        key = topic, int(index)
        try:
            topic_id = self._read_topic_id(name)
            start = Start(
                topic_id=topic_id,
                leader_epoch=self.leader_epoch,
                clean=report.clean,
                recovery_point=offset_for(topic_id, self._points.get(key)),
                log_start_offset=offset_for(topic_id, self._starts.get(key)),
                compacted=offset_for(topic_id, self.cleaner.clean_until.get(key)) > 0,
            )
            partition = Partition.open(self._files, name, self._settings_for(topic), now_ms, start)
        except (OSError, CorruptLog) as error:
            self.offline[key] = report.offline[key] = str(error)
            return
        self._adopt(partition)
        found = partition.recovered
        report.partitions += 1
        report.scanned_bytes += found.scanned_bytes
        report.truncated_bytes += found.truncated_bytes
        if found.problem is not None:
            report.truncations[key] = found.problem

    def _adopt(self, partition: Partition) -> None:
        partition.on_log_start = self._write_log_start
        partition.troubles = self.troubles
        self.partitions[partition.key] = partition

    def _begin_epoch(self, names: list[str]) -> None:
        """Count this start, durably, and take the marker away, before anything can be written."""
        self.leader_epoch = self._last_epoch(names) + 1
        replace(self._files, LEADER_EPOCH_FILE, f"{self.leader_epoch}\n".encode())
        if CLEAN_MARKER in names:
            self._files.remove(CLEAN_MARKER)
            self._files.sync("")

    def _last_epoch(self, names: list[str]) -> int:
        if LEADER_EPOCH_FILE not in names:
            return -1
        text = read_all(self._files, LEADER_EPOCH_FILE).strip()
        return int(text) if text.isdigit() else -1

    def _read_checkpoints(self, names: list[str]) -> bool:
        """Read both offset checkpoints; False when one is damaged, and counts as absent."""
        sound = True
        for name, offsets in ((RECOVERY_POINTS_FILE, self._points), (LOG_STARTS_FILE, self._starts)):
            if name in names:
                found = read_marks(read_all(self._files, name))
                offsets.update(found or {})
                sound = sound and found is not None
        if CLEANER_OFFSETS_FILE in names:  # without it everything counts as dirty, which is only slower
            self.cleaner.clean_until.update(read_marks(read_all(self._files, CLEANER_OFFSETS_FILE)) or {})
        return sound

    def _recovery_points(self) -> dict[PartitionKey, Mark]:
        """Everybody's recovery point; an offline partition keeps the one it was found with."""
        points = {key: self._points[key] for key in self.offline if key in self._points}
        for key, partition in self.partitions.items():
            points[key] = Mark(partition.topic_id, partition.recovery_point)
        return points

    def _write_log_start(self, key: PartitionKey, offset: int) -> None:
        starts = {**self._starts, key: Mark(self.partitions[key].topic_id, offset)}
        replace(self._files, LOG_STARTS_FILE, write_marks(starts))
        self._starts = starts

    def _read_topic_id(self, folder: str) -> bytes:
        if METADATA_FILE not in self._files.list(folder):
            return NO_TOPIC_ID
        return read_topic_id(read_all(self._files, f"{folder}/{METADATA_FILE}"))


def _stray_names(stem: str) -> Iterator[str]:
    yield stem + STRAY_SUFFIX
    for number in itertools.count(2):
        yield f"{stem}.{number}{STRAY_SUFFIX}"


def write_topic_id(topic_id: bytes) -> bytes:
    """Return the content of a `partition.metadata`: a version and the topic id in Kafka's base64."""
    return b"version: 0\ntopic_id: " + base64.urlsafe_b64encode(topic_id).rstrip(b"=") + b"\n"


def read_topic_id(data: bytes) -> bytes:
    """Return the topic id of a `partition.metadata`; all zeroes when there is no valid one."""
    found = TOPIC_ID.search(data)
    if found is None:
        return NO_TOPIC_ID
    try:
        topic_id = base64.urlsafe_b64decode(found.group(1) + b"==")
    except ValueError:
        return NO_TOPIC_ID
    return topic_id if len(topic_id) == TOPIC_ID_BYTES else NO_TOPIC_ID


def offset_for(topic_id: bytes, mark: Mark | None) -> int:
    """Return a checkpointed offset, unless it was written for another topic of the same name."""
    return mark.offset if mark is not None and mark.topic_id == topic_id else 0
