"""Log compaction from the loop's side: which partition is next, and cleaned segments taken over.

    begin -> job        in the loop
    job.run             anywhere: a child process
    commit              in the loop: the cleaned files are declared whole
    sync                anywhere
    finish              in the loop: they take the place of the old segments
    write_down          anywhere: how far it is clean, for the next pass

One pass at a time. A crash between any two steps is repaired when the partition is opened; see
tidelock.broker.log.swap. May import the rest of the log package but `logs`.
Invariant: between `begin` and `finish` the partition keeps every segment of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidelock.broker.log import swap
from tidelock.broker.log.checkpoint import Mark, PartitionKey, write_marks
from tidelock.broker.log.clean_job import CleanJob, CleanResult
from tidelock.broker.log.compaction import urgency
from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import Files, replace
from tidelock.broker.log.partition import Partition
from tidelock.protocol.error_codes import KafkaError, KafkaStorageError

CLEANER_OFFSETS_FILE = "cleaner-offsets"


@dataclass(slots=True)
class Cleaning:
    """A pass under way."""

    partition: Partition
    job: CleanJob
    result: CleanResult | None = None


class Cleaner:
    """Compacts the partitions of a data folder, one after the other.

    Args:
        files: the folder.
        partitions: those that are open.

    Attributes:
        clean_until: where the last pass over each partition ended.
        uncleanable: why a partition is left alone until the next start.
    """

    def __init__(self, files: Files, partitions: Mapping[PartitionKey, Partition]) -> None:
        self.clean_until: dict[PartitionKey, Mark] = {}
        self.uncleanable: dict[PartitionKey, str] = {}
        self._files = files
        self._partitions = partitions
        self._current: Cleaning | None = None

    def begin(self, now_ms: int, map_bytes: int) -> Cleaning | None:
        """Choose the partition that needs it most, if any does and no pass is under way."""
        if self._current is not None:
            return None
        best, most = None, 0.0
        for key, partition in self._partitions.items():
            if not partition.settings.compacts or partition.offline or key in self.uncleanable:
                continue
            need = self._need(key, partition, now_ms)
            if need > most:
                best, most = partition, need
        if best is None:
            return None
        job = best.begin_cleaning(self._first_dirty(best), now_ms, map_bytes)
        self._current = Cleaning(best, job)
        return self._current

    def _need(self, key: PartitionKey, partition: Partition, now_ms: int) -> float:
        try:
            facts, found = partition.cleanable(self._first_dirty(partition), now_ms)
        except (OSError, CorruptLog) as error:
            self.uncleanable[key] = str(error)
            return 0.0
        return urgency(facts, found, partition.settings, now_ms)

    def _first_dirty(self, partition: Partition) -> int:
        mark = self.clean_until.get(partition.key)
        return mark.offset if mark is not None and mark.topic_id == partition.topic_id else 0

    def commit(self, cleaning: Cleaning, result: CleanResult) -> bool:
        """Declare the pass's files whole; False if there is nothing to take over, and the pass has ended.

        Raises:
            KafkaStorageError: the pass has failed, and nothing has changed.
        """
        cleaning.result = result
        partition = cleaning.partition
        if not self._is_here(partition):
            self._end(partition)
            return False
        try:
            if result.problem is not None:
                if result.is_damage:
                    self.uncleanable[partition.key] = result.problem
                raise KafkaStorageError(f"not compacted: {result.problem}", where=partition.folder)
            for group in result.groups:
                swap.commit(self._files, partition.folder, group[0])
        except (OSError, KafkaError) as error:
            self._discard(partition)
            if isinstance(error, KafkaError):
                raise
            raise KafkaStorageError(f"not compacted: {error}", where=partition.folder) from error
        return True

    def sync(self, cleaning: Cleaning) -> None:
        """Make the commit durable; callable from another thread.

        Raises:
            OSError: it may not be; the pass must be given up.
        """
        try:
            self._files.sync(cleaning.partition.folder)
        except FileNotFoundError:
            return  # the topic was deleted meanwhile

    def finish(self, cleaning: Cleaning) -> bool:
        """Put the cleaned segments in place; False if the partition is gone.

        Raises:
            KafkaStorageError: the disk; the partition is offline, the next start completes it.
        """
        partition, result = cleaning.partition, cleaning.result
        self._end(partition)
        if result is None or not self._is_here(partition):
            return False
        partition.take_over(result.groups)
        self.clean_until[partition.key] = Mark(partition.topic_id, result.end_offset)
        return True

    def give_up(self, cleaning: Cleaning) -> None:
        """End a pass that will not be taken over."""
        if self._is_here(cleaning.partition):
            self._discard(cleaning.partition)
        self._end(cleaning.partition)

    def marks(self) -> bytes:
        """The content of the checkpoint file."""
        open_now = self._partitions
        return write_marks({key: mark for key, mark in self.clean_until.items() if key in open_now})

    def write_down(self, marks: bytes) -> None:
        """Make the checkpoint durable; callable from another thread.

        Raises:
            OSError: the disk; the next start cleans again what was clean.
        """
        replace(self._files, CLEANER_OFFSETS_FILE, marks)

    def _is_here(self, partition: Partition) -> bool:
        return self._partitions.get(partition.key) is partition and partition.offline is None

    def _discard(self, partition: Partition) -> None:
        self._end(partition)
        try:
            swap.discard(self._files, partition.folder)
        except OSError as error:
            self.uncleanable[partition.key] = str(error)

    def _end(self, partition: Partition) -> None:
        partition.is_cleaning = False
        self._current = None
