"""Rules of progress: which offsets may be committed, and when. Pure: time and events are arguments.

A sink's position advances with each batch that `put` took; it is committed after `flush`, at the interval,
sooner when nothing is left to read, and always before partitions are given away. A source's offset is stored
only after Kafka acknowledged every record up to it; acknowledgements of later records wait for earlier ones.

Source: Kafka `org.apache.kafka.connect.runtime.{WorkerSinkTask, SubmittedRecords}`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.api import RecordBatch, TopicPartition

IDLE_COMMIT = 1.0
"""Seconds: when nothing flows, what is uncommitted does not wait for the interval any longer than this."""


@dataclass(slots=True)
class CommitClock:
    """Says when a commit is due.

    Args:
        interval: seconds between commits while records flow.
        last: when the last commit was.
    """

    interval: float
    last: float

    def is_due(self, now: float, *, idle: bool) -> bool:
        """Whether to commit now, given that there is something to commit."""
        waited = now - self.last
        return waited >= self.interval or (idle and waited >= min(IDLE_COMMIT, self.interval))


@dataclass(slots=True)
class SinkProgress:
    """How far a sink task is in each of its partitions."""

    positions: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    records: int = 0

    def delivered(self, batch: RecordBatch) -> None:
        """Note that the task took a batch."""
        self.positions[batch.topic_partition] = batch.next_offset
        self.records += len(batch)

    def read_to(self, ends: Mapping[TopicPartition, int]) -> None:
        """Note the ends of a poll whose batches are all delivered: what was left out counts as read."""
        self.positions.update(ends)

    def to_commit(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Return the positions that are not committed yet."""
        wanted = self.positions if partitions is None else set(partitions)
        return {
            partition: offset
            for partition, offset in self.positions.items()
            if partition in wanted and self.committed.get(partition) != offset
        }

    def commit_done(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that these positions are committed."""
        self.committed.update(offsets)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop partitions that belong to another task now."""
        for partition in partitions:
            self.positions.pop(partition, None)
            self.committed.pop(partition, None)


def lag_of(
    positions: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    at_end: Collection[TopicPartition] = (),
) -> tuple[int | None, list[dict[str, Any]]]:
    """Return how many records wait in all, None where nobody knows yet, and the same per partition.

    Args:
        positions: of the next record to deliver.
        ends: the offsets behind the last records.
        at_end: partitions of which everything was read, whether or not anything was delivered.
    """
    rows: list[dict[str, Any]] = []
    total: int | None = None
    for one, end in sorted(ends.items()):
        position = positions.get(one, end if one in at_end else None)
        lag = None if position is None else max(0, end - position)
        if lag is not None:
            total = (total or 0) + lag
        place = {"topic": one.topic, "partition": one.partition}
        rows.append({**place, "position": position, "end": end, "lag": lag})
    return total, rows


@dataclass(slots=True)
class _Poll:
    waiting: int
    offsets: list[tuple[Mapping[str, Any], Mapping[str, Any]]]


class SourceProgress:
    """Which source offsets are safe to store.

    1. `submitted` with the records of one poll; it returns a number.
    2. `acknowledged` with that number, until each of its records was.
    3. `take` returns the offsets of all polls that are acknowledged without a gap before them.
    """

    def __init__(self) -> None:
        self._polls: deque[_Poll] = deque()
        self._first = 0
        self._safe: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}

    def submitted(self, count: int, offsets: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        """Note a poll of `count` records and their (source partition, source offset) in order."""
        self._polls.append(_Poll(count, offsets))
        number = self._first + len(self._polls) - 1
        self._advance()  # a poll whose records were all left out waits for nothing
        return number

    def acknowledged(self, poll: int, count: int) -> None:
        """Note that Kafka has so many more records of a poll."""
        self._polls[poll - self._first].waiting -= count
        self._advance()

    def _advance(self) -> None:
        while self._polls and self._polls[0].waiting == 0:
            done = self._polls.popleft()
            self._first += 1
            for partition, offset in done.offsets:
                self._safe[repr(sorted(partition.items()))] = (partition, offset)

    @property
    def in_flight(self) -> int:
        """How many records are not acknowledged yet."""
        return sum(poll.waiting for poll in self._polls)

    @property
    def has_safe(self) -> bool:
        """Whether `take` would return anything."""
        return bool(self._safe)

    def take(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Return the last safe offset of each source partition since the last call."""
        taken, self._safe = list(self._safe.values()), {}
        return taken
