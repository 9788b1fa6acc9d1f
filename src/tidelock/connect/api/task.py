"""Tasks: the code that moves records. Each task runs in a process and a thread of its own and may block.

Neither the worker nor another task waits for it; a task that raises is shown as FAILED with its trace, and
the restart policy decides what happens next. Imports the api's context and record.

Source: Kafka `org.apache.kafka.connect.{sink.SinkTask, source.SourceTask}`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tidelock.connect.api.context import SinkTaskContext, SourceTaskContext
from tidelock.connect.api.record import RecordBatch, SourceRecord, TopicPartition
from tidelock.errors import TidelockError

Offsets = Mapping[TopicPartition, int]  # partition -> offset of the next record to read


class SinkTask(abc.ABC):
    """Writes records into a target.

    Life cycle, all calls from one thread:

    1. `start` once, with the task's configuration.
    2. `open` with the partitions it got; what it returns says where to read on.
    3. `put` with one batch after the other, in offset order per partition.
    4. `flush` before offsets are committed: everything put so far must be in the target when it returns.
    5. `close` when partitions are taken away (after a last `flush` for them), then `open` with new ones.
    6. `stop` once, also after an error; no other call follows.

    A dry run (`connect validate --sample`) is `start` with `context.is_rehearsal`, `rehearse`, `stop`, and
    only for a task that says `can_rehearse`.
    """

    can_rehearse: ClassVar[bool] = False

    @abc.abstractmethod
    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """Get ready: read the configuration, connect.

        Raises:
            ConnectError: it cannot work with this configuration.
            RetriableError: the target is away; the worker says so in the status and calls again later.
        """

    def open(self, partitions: Sequence[TopicPartition]) -> Offsets | None:
        """Take partitions over.

        Returns:
            For each partition whose progress the target itself keeps, the offset to read from. A writer that
            stores offsets in the transaction of the data is exactly once. Partitions that are not in the
            answer, or all of them for None, start at the consumer group's committed offset.

        Raises:
            RetriableError: as `start`.
        """
        return None

    @abc.abstractmethod
    def put(self, batch: RecordBatch) -> None:
        """Write one batch, or take it into a buffer that `flush` writes.

        Raises:
            RetriableError: the worker calls `put` again with the same batch, later.
            DataError: a record cannot be written; `index` says which.
        """

    def flush(self, offsets: Offsets) -> None:  # noqa: B027  # a sink without a buffer has nothing to do
        """Return when all records before these offsets are in the target."""

    def rehearse(self, batches: Sequence[RecordBatch]) -> Sequence[Sequence[str | TidelockError]]:
        """Do with batches what `put` would do, and undo it: nothing may stay in the target, and no offset.

        Returns:
            Per batch and record what would be done, in a few words, or the error it would be.
        """
        raise NotImplementedError

    def close(self, partitions: Sequence[TopicPartition]) -> None:  # noqa: B027  # optional
        """Give partitions up."""

    def stop(self) -> None:  # noqa: B027  # optional
        """Release everything; safe to call after a failed start."""


class SourceTask(abc.ABC):
    """Reads records from a source.

    Life cycle, all calls from one thread:

    1. `start` once; `context.offset(partition)` tells where to go on.
    2. `poll` again and again. Records are sent in order; None or an empty list means there is nothing now.
    3. `committed` and `commit` after records were acknowledged by Kafka and their source offsets stored.
    4. `stop` once, also after an error; no other call follows.
    """

    @abc.abstractmethod
    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """Get ready: read the configuration, connect, find the place to go on."""

    @abc.abstractmethod
    def poll(self) -> Sequence[SourceRecord] | None:
        """Return what there is, or None; do not wait longer than about a second.

        Raises:
            RetriableError: the worker polls again, later.
        """

    def committed(  # noqa: B027  # optional
        self, offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
    ) -> None:
        """Learn how far Kafka has everything, and that this is stored: source partitions and offsets."""

    def commit(self) -> None:  # noqa: B027  # optional
        """Learn that offsets were stored; follows `committed`. Later records may be on their way."""

    def stop(self) -> None:  # noqa: B027  # optional
        """Release everything; safe to call after a failed start."""


Task = SinkTask | SourceTask
