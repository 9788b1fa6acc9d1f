"""The stored half of a partition: bytes written, segments rolled and deleted, what is durable.

It knows offsets, files and order, but not what makes a batch acceptable; `Partition`, its only heir, decides
that. A failed write is cut off again; where that fails too, or a sync fails, the partition goes offline and
stays so until the next start has looked at the folder.

May import segments, flush, recovery and the `Files` seam. Invariant: `log_end_offset` covers exactly the
batches that were written in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replace_fields

from tidelock.broker.log import swap
from tidelock.broker.log.checkpoint import PartitionKey
from tidelock.broker.log.epochs import LeaderEpochs
from tidelock.broker.log.files import Files, replace
from tidelock.broker.log.flush import Dirty, Unflushed
from tidelock.broker.log.producer_state import ProducerState
from tidelock.broker.log.recovery import EPOCHS_FILE, Recovered, Start
from tidelock.broker.log.resume import RESUME_FILE
from tidelock.broker.log.scan import MAX_RELATIVE_OFFSET
from tidelock.broker.log.segment import Segment, name_of
from tidelock.broker.log.segments import Segments
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.log.troubles import FULL, MORE_ROOM, Troubles
from tidelock.protocol.error_codes import KafkaStorageError

DELETED_SUFFIX = "-delete"
# A recovery checkpoint is due when the active segment has grown by this much, and by this many times the
# checkpoint's own size: it then costs a few percent of what is written, and a scan reads about as much.
RESUME_EVERY_BYTES = 1 << 20
RESUME_EVERY_SIZES = 16


class StoredLog:
    """Files, segments and checkpoints of one partition."""

    def __init__(self, files: Files, folder: str, start: Start, found: Recovered) -> None:
        name = folder.rpartition("/")[2]
        topic, _, index = name.rpartition("-")
        self.topic = topic
        self.index = int(index)
        self.topic_id = start.topic_id
        self.folder = folder
        latest = found.epochs.latest
        self.leader_epoch = start.leader_epoch if latest < start.leader_epoch else latest + 1
        self.log_end_offset = found.log_end_offset
        self.log_start_offset = max(start.log_start_offset, found.segments[0].base_offset)
        self.recovered = found
        self.offline: str | None = None
        self.is_cleaning = False
        self.troubles = Troubles()
        self._files = files
        self._segments = Segments(found.segments)
        self._active = self._segments.active
        self._resume_due_at = RESUME_EVERY_BYTES
        self._producers: ProducerState = found.producers
        self._epochs: LeaderEpochs = found.epochs
        self._epochs_dirty = self._epochs.assign(self.leader_epoch, self.log_end_offset)
        point = found.log_end_offset if found.clean else start.recovery_point
        self._unflushed = Unflushed((self.topic, self.index), point, found.unsynced)
        self._changed = not found.clean
        self._roll_at_ms = -1
        self.configure_storage(LogSettings())

    def configure_storage(self, settings: LogSettings) -> None:
        """Take over the settings that concern segments."""
        self._segment_bytes = settings.segment_bytes
        self._segment_ms = settings.segment_ms
        self._index_interval_bytes = settings.index_interval_bytes
        self._max_offset = self._active.base_offset + MAX_RELATIVE_OFFSET

    def activate(self) -> None:
        """Open the newest segment for appending.

        Raises:
            OSError: the disk.
        """
        if self._active.size == 0:
            self._unflushed.add(self.folder)
        self._active.activate()

    # -- what is where

    @property
    def key(self) -> PartitionKey:
        """(topic, index)."""
        return self.topic, self.index

    @property
    def size_bytes(self) -> int:
        """Bytes of all `.log` files."""
        return self._segments.size_bytes

    def write(self, batch: memoryview, last_offset: int, max_timestamp: int, now_ms: int) -> None:
        """Write one batch at the end, in one call, and publish the new end.

        Raises:
            KafkaStorageError: the log is as it was before, or offline.
        """
        segment = self._active
        try:
            if (
                segment.size + len(batch) > self._segment_bytes
                or now_ms > self._roll_at_ms
                or last_offset > self._max_offset
                or self._epochs_dirty
            ):
                segment = self._prepare(len(batch), last_offset, now_ms)
            segment.append(batch, last_offset, max_timestamp)
        except OSError as error:
            raise self._append_failed(error) from error
        self.log_end_offset = last_offset + 1

    def _prepare(self, size: int, last_offset: int, now_ms: int) -> Segment:
        """Do what is due before a write: a roll, or the first write of an epoch or a segment.

        An offline partition never gets past here: its roll time is always in the past.
        """
        self.require_online()
        if self._epochs_dirty:
            self._write_epochs()
        self._changed = True
        active = self._active
        full = active.size + size > self._segment_bytes or last_offset > self._max_offset
        if active.size and (full or 0 <= self._roll_at_ms < now_ms):
            active = self.roll()
        self._roll_at_ms = now_ms + self._segment_ms
        return active

    def roll(self) -> Segment:
        """Seal the active segment and begin the next; a failure (OSError) leaves the active one as it was."""
        old = self._active
        written = [old.path, *old.write_indexes(), self._write_snapshot()]
        new = Segment(self._files, self.folder, self.log_end_offset, self._index_interval_bytes)
        new.activate()
        self._segments.begin(new)
        self._active = new
        self._resume_due_at = RESUME_EVERY_BYTES
        self._max_offset = new.base_offset + MAX_RELATIVE_OFFSET
        self._unflushed.add(*written, self.folder)
        self._roll_at_ms = -1
        self._changed = True
        return new

    def _append_failed(self, error: OSError) -> KafkaStorageError:
        try:
            self._active.undo()
        except OSError as worse:
            self._go_offline(f"a failed write could not be undone: {worse}")
        self.troubles.note("records are refused with KAFKA_STORAGE_ERROR", self.folder, error)
        full = error.errno in FULL
        return KafkaStorageError(
            "no space is left for the log" if full else f"the log could not be written: {error}",
            where=self.folder,
            hint=MORE_ROOM if full else None,
        )

    # -- deleting

    def delete_oldest(self, count: int) -> None:
        """Delete the oldest segments, none of them the active one, and move the log start.

        Raises:
            KafkaStorageError: the disk; what was deleted before is gone.
        """
        if self.is_cleaning:
            return  # the pass reads them; the next retention finds them again
        for _ in range(count):
            try:
                self._segments.remove_oldest()
            except OSError as error:
                raise KafkaStorageError(
                    f"a segment could not be deleted: {error}", where=self.folder
                ) from error
            self.log_start_offset = max(self.log_start_offset, self._segments.base_offset)
        if count:
            self._changed = True
            self._unflushed.add(self.folder)
            self._epochs.truncate_start(self.log_start_offset)

    # -- compaction

    def take_over(self, groups: Sequence[Sequence[int]]) -> None:
        """Put cleaned and committed segments in the place of those they stand for.

        Args:
            groups: base offsets of neighbours; the first is the cleaned segment's.

        Raises:
            KafkaStorageError: the disk; the partition is offline and completes it at its next start.
        """
        try:
            for bases in groups:
                swap.finish(self._files, self.folder, bases[0], bases[1:])
                segment = Segment.on_disk(self._files, self.folder, bases[0], self._index_interval_bytes)
                self._segments.replace(bases, segment)
        except OSError as error:
            self._go_offline(f"compaction could not be completed: {error}")
            raise KafkaStorageError(
                f"compaction could not be completed: {error}", where=self.folder
            ) from error
        self._changed = True
        self._unflushed.add(self.folder)

    # -- durability

    @property
    def recovery_point(self) -> int:
        """Every byte before this offset is durable."""
        return self._unflushed.recovery_point

    @property
    def unflushed(self) -> bool:
        """Whether something was appended that a power loss could take."""
        return self.recovery_point < self.log_end_offset or self.sealed_unflushed

    @property
    def sealed_unflushed(self) -> bool:
        """Whether a sealed segment, an index or another side file still has to be synced."""
        return bool(self._unflushed)

    def note_unflushed(self, *paths: str) -> None:
        """Have the next flush sync these files or folders as well."""
        self._unflushed.add(*paths)

    def begin_flush(self, *, sealed_only: bool = False) -> Dirty | None:
        """Write down what must be synced now; None when there is nothing. See tidelock.broker.log.flush.

        Args:
            sealed_only: leave out what lies in the active segment (flush policy `os`), unless a recovery
                checkpoint is due.
        """
        if self.offline:
            return None
        active = self._active
        if active.size >= self._resume_due_at:
            dirty = self._unflushed.take(active.path, self.log_end_offset)
            return dirty and replace_fields(dirty, resume=self._resume())
        if sealed_only:
            return self._unflushed.take(None, active.base_offset)
        return self._unflushed.take(active.path, self.log_end_offset)

    def _resume(self) -> tuple[str, bytes]:
        snapshot = self._producers.to_snapshot()
        content = self._active.checkpoint(self.topic_id, self.log_end_offset, snapshot).to_bytes()
        self._resume_due_at = self._active.size + max(RESUME_EVERY_BYTES, RESUME_EVERY_SIZES * len(content))
        return f"{self.folder}/{RESUME_FILE}", content

    def has_begun(self, dirty: Dirty) -> bool:
        """Whether it was this log that began a flush, not an earlier one of the same name."""
        return dirty.origin is self._unflushed

    def end_flush(self, dirty: Dirty, error: OSError | None) -> None:
        """Take over the outcome of a flush; a failed sync takes the partition offline for good."""
        if error is not None:
            self._go_offline(f"a sync failed, bytes may be lost: {error}")
            self.troubles.note("offline until the next start, a sync failed", self.folder, error)
        else:
            self._unflushed.reached(dirty.up_to)

    def flush(self) -> None:
        """Make everything appended so far durable, here and now.

        Raises:
            KafkaStorageError: the sync failed; the partition is offline.
        """
        self.require_online()
        dirty = self.begin_flush()
        if dirty is None:
            return
        try:
            dirty.sync(self._files)
        except OSError as error:
            self.end_flush(dirty, error)
            raise KafkaStorageError(f"a sync failed: {error}", where=self.folder) from error
        self.end_flush(dirty, None)

    def write_down(self) -> None:
        """Write indexes, producer state and epochs: once flushed, the next start can trust the folder.

        Raises:
            KafkaStorageError: they could not be written; the next start will scan.
        """
        if self.offline is not None or not self._changed:
            return
        try:
            if self._epochs_dirty and self._active.size:
                self._write_epochs()
            self._unflushed.add(*self._active.write_indexes(), self._write_snapshot(), self.folder)
        except OSError as error:
            raise KafkaStorageError(f"the log could not be closed: {error}", where=self.folder) from error
        self._changed = False

    def close(self, *, clean: bool) -> None:
        """Stop using the partition.

        Args:
            clean: write down what the next start needs and make everything durable before.

        Raises:
            KafkaStorageError: it could not be written down; the next start will scan.
        """
        try:
            if clean and self.offline is None:
                self.write_down()
                self.flush()
        finally:
            self._active.seal()
            self._go_offline("the partition is closed")

    def remove(self) -> None:
        """Delete the partition; the folder's name changes first, so that a crash leaves no half partition."""
        self._active.seal()
        self._go_offline("the partition is deleted")
        try:
            doomed = f"{self.folder}.{self.topic_id.hex()}{DELETED_SUFFIX}"
            self._files.rename(self.folder, doomed)
            remove_folder(self._files, doomed)
        except OSError as error:
            raise KafkaStorageError(
                f"the partition could not be deleted: {error}", where=self.folder
            ) from error

    def _write_snapshot(self) -> str:
        path = f"{self.folder}/{name_of(self.log_end_offset, '.snapshot')}"
        replace(self._files, path, self._producers.to_snapshot(), durable=False)
        return path

    def _write_epochs(self) -> None:
        path = f"{self.folder}/{EPOCHS_FILE}"
        replace(self._files, path, self._epochs.to_bytes(), durable=False)
        self._unflushed.add(path)
        self._epochs_dirty = False

    def _go_offline(self, reason: str) -> None:
        if self.offline is None:
            self.offline = reason
            self.troubles.outages += 1
            self._roll_at_ms = -1

    def require_online(self) -> None:
        """Raise KafkaStorageError when the partition is offline, closed or deleted."""
        if self.offline is not None:
            raise KafkaStorageError(self.offline, where=self.folder)


def remove_folder(files: Files, folder: str) -> None:
    """Remove a folder and the files in it."""
    for name in files.list(folder):
        files.remove(f"{folder}/{name}")
    files.remove(folder)
