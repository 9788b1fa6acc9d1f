"""What the relay decides: pure functions of what it has read, without a database, a broker or a clock.

The rule that makes a crash harmless: before anything is published to a topic, the ends of its partitions
are stored; afterwards the rows are deleted and the new ends stored in one transaction. So whatever a dead
relay published lies at or behind the stored ends; a new one reads there and deletes those rows first of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

SOURCE_HEADER = "tidelock.outbox.source"
SEQUENCE_HEADER = "tidelock.outbox.sequence"
TOPIC_SEEN = -1  # partition number of the row that says: this topic's ends were stored once

TopicPartition = tuple[str, int]
Positions = Mapping[TopicPartition, int]


class OutboxRow(NamedTuple):
    """One row of the outbox."""

    id: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    created_ms: int


def new_topics(rows: Iterable[OutboxRow], positions: Positions) -> list[str]:
    """Return the topics whose ends must be stored before these rows may be published."""
    return [
        topic for topic in dict.fromkeys(row.topic for row in rows) if (topic, TOPIC_SEEN) not in positions
    ]


def first_positions(topic: str, ends: Mapping[int, int]) -> dict[TopicPartition, int]:
    """Return the rows to store for a topic that is published to for the first time.

    Args:
        topic: its name.
        ends: end offset of each partition; empty when the topic does not exist yet.
    """
    return {(topic, TOPIC_SEEN): 0} | {(topic, partition): end for partition, end in ends.items()}


def tail_starts(positions: Positions, ends: Mapping[str, Mapping[int, int]]) -> dict[TopicPartition, int]:
    """Return where to read each partition from, to find what a predecessor published.

    Args:
        positions: the stored ends.
        ends: per topic the present ends; a partition that was not there before is read from 0.
    """
    starts = {
        (topic, partition): positions.get((topic, partition), 0)
        for topic, partitions in ends.items()
        for partition in partitions
    }
    return {pair: start for pair, start in starts.items() if start < ends[pair[0]][pair[1]]}


def seen_topics(positions: Positions) -> list[str]:
    """Return the topics that were published to."""
    return [topic for topic, partition in positions if partition == TOPIC_SEEN]


def headers_of(row: OutboxRow, source: str) -> list[tuple[str, bytes | None]]:
    """Return the record's headers: the caller's, then whose outbox it is from and which row."""
    given: list[tuple[str, bytes | None]]
    given = [(name, text.encode()) for name, text in row.headers.items()]
    return [*given, (SOURCE_HEADER, source.encode()), (SEQUENCE_HEADER, str(row.id).encode())]


def sequence_of(headers: Iterable[tuple[str, bytes | None]] | None, source: str) -> int | None:
    """Return which row of this outbox a record is from, or None for somebody else's."""
    named = dict(headers or ())
    if named.get(SOURCE_HEADER) != source.encode():
        return None
    text = named.get(SEQUENCE_HEADER) or b""
    return int(text) if text.isdigit() else None


def pause_before(attempt: int, *, first: float, longest: float) -> float:
    """Return the seconds to wait before an attempt, doubling from `first` (attempt 1) up to `longest`."""
    return min(longest, first * 2.0 ** min(attempt - 1, 32))
