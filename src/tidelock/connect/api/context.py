"""What a connector or task can ask of the worker that runs it.

The contexts are plain objects without IO: a task's request (commit, pause, seek, retry later) is noted here,
and the worker reads and clears the notes after each call into the task. So a test makes a context and looks
at it. Imports api/record.py.

Source: Kafka `org.apache.kafka.connect.{sink.SinkTaskContext, source.SourceTaskContext}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.api.record import TopicPartition


@dataclass(slots=True)
class ConnectorContext:
    """What a connector can ask for.

    Attributes:
        connector: its name.
        request_reconfiguration: have the worker call `task_configs` again, e.g. for a new table.
    """

    connector: str
    request_reconfiguration: Callable[[], None] = lambda: None


@dataclass(slots=True)
class SinkTaskContext:
    """What a sink task can ask for.

    Attributes:
        connector: the connector's name; with `task` and a topic partition it names what is written.
        task: number of the task, from 0.
        assignment: the open partitions; the worker keeps it.
        topic_id: returns a topic's id, which another one of that name does not have; None: nobody knows.
        is_rehearsal: whether `rehearse` is all that will be called; `start` must then change nothing.
    """

    connector: str
    task: int = 0
    assignment: frozenset[TopicPartition] = frozenset()
    topic_id: Callable[[str], str | None] = lambda topic: None
    is_rehearsal: bool = False
    paused: set[TopicPartition] = field(default_factory=set)
    seeks: dict[TopicPartition, int] = field(default_factory=dict)
    commit_requested: bool = False
    retry_delay: float | None = None

    def request_commit(self) -> None:
        """Have offsets committed soon, not only at the interval."""
        self.commit_requested = True

    def pause(self, *partitions: TopicPartition) -> None:
        """Get no more records of these partitions until `resume`."""
        self.paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Get records of these partitions again."""
        self.paused.difference_update(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading at another offset after this call."""
        self.seeks[partition] = offset

    def retry_after(self, seconds: float) -> None:
        """Say when to call `put` again, just before raising RetriableError."""
        self.retry_delay = seconds


@dataclass(slots=True)
class TransactionContext:
    """What a source task that draws its own transactions' boundaries asks for, about all that it returned.

    Source: Kafka `org.apache.kafka.connect.source.TransactionContext` (KIP-618).
    """

    _commit: bool = False
    _abort: bool = False

    def commit(self) -> None:
        """Commit the transaction after the batch that the current `poll` returns."""
        self._commit = True

    def abort(self) -> None:
        """Undo it, with the batch that the current `poll` returns; these records are not read again."""
        self._abort = True

    def taken(self) -> tuple[bool, bool]:
        """Return and clear the wishes: (commit, abort)."""
        wishes = self._commit, self._abort
        self._commit = self._abort = False
        return wishes


@dataclass(slots=True)
class SourceTaskContext:
    """What a source task can ask for.

    Attributes:
        connector: the connector's name.
        task: number of the task, from 0.
        read_offsets: gives the stored offset of each source partition, None where there is none.
        transaction: with transaction.boundary=connector, takes the task's wishes; None otherwise.
    """

    connector: str
    task: int = 0
    read_offsets: Callable[[Sequence[Mapping[str, Any]]], Sequence[dict[str, Any] | None]] = field(
        default=lambda partitions: [None] * len(partitions)
    )
    transaction: TransactionContext | None = None

    def offset(self, partition: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return how far this source partition was read, as the last stored `source_offset`, or None."""
        return self.read_offsets([partition])[0]

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any] | None]:
        """Return the stored offsets of several source partitions, in their order."""
        return self.read_offsets(partitions)
