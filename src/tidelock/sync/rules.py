"""What the relay decides: pure functions of what it has read, without a database, a broker or a clock.

The rule that makes a crash harmless: before anything is published to a topic, the ends of its partitions
are stored; afterwards the rows are deleted and the new ends stored in one transaction. So whatever a dead
relay published lies at or behind the stored ends; a new one reads there and deletes those rows first of all.
Ends belong to one topic: of another one under the same name, which has another id, everything is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SOURCE_HEADER = "tidelock.outbox.source"
SEQUENCE_HEADER = "tidelock.outbox.sequence"
TOPIC_SEEN = (
    -1
)  # partition number of the row that says: this topic's ends were stored; its end is the incarnation
UNKNOWN = 0  # the incarnation of a topic that was not there yet

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


class TopicEnds(NamedTuple):
    """A topic as the broker tells it.

    Args:
        incarnation: see `incarnation_of`; UNKNOWN where there is no such topic.
        ends: end offset of each partition.
    """

    incarnation: int
    ends: Mapping[int, int]


NO_TOPIC = TopicEnds(UNKNOWN, {})


def incarnation_of(topic_id: str) -> int:
    """Return a topic's id as a positive 63-bit number, which fits into a column of an offset."""
    return int.from_bytes(hashlib.blake2b(topic_id.encode(), digest_size=8).digest()) >> 1 or 1


def new_topics(rows: Iterable[OutboxRow], positions: Positions) -> list[str]:
    """Return the topics whose ends must be stored before these rows may be published."""
    return [
        topic for topic in dict.fromkeys(row.topic for row in rows) if (topic, TOPIC_SEEN) not in positions
    ]


def positions_of(topic: str, present: TopicEnds) -> dict[TopicPartition, int]:
    """Return the rows to store for a topic of which nothing of ours is on its way."""
    ends = {(topic, partition): end for partition, end in present.ends.items()}
    return {(topic, TOPIC_SEEN): present.incarnation, **ends}


def tail_starts(positions: Positions, present: Mapping[str, TopicEnds]) -> dict[TopicPartition, int]:
    """Return where to read each partition from, to find what a predecessor published.

    Args:
        positions: the stored ends.
        present: the topics as they are. Read from 0 are a partition that was not there before, one that ends
            before its stored end, and all of a topic that was made anew.
    """
    starts: dict[TopicPartition, int] = {}
    for topic, (_, ends) in present.items():
        is_same = not is_made_anew(positions, topic, present[topic])
        for partition, end in ends.items():
            stored = positions.get((topic, partition), 0) if is_same else 0
            start = stored if stored <= end else 0
            if start < end:
                starts[topic, partition] = start
    return starts


def is_made_anew(positions: Positions, topic: str, present: TopicEnds) -> bool:
    """Whether the stored ends are those of another topic that had this name."""
    stored = positions.get((topic, TOPIC_SEEN), UNKNOWN)
    return UNKNOWN not in (stored, present.incarnation) and stored != present.incarnation


def nameless_topics(positions: Positions) -> list[str]:
    """Return the topics that did not exist when they were first published to, and may by now."""
    return [topic for topic in seen_topics(positions) if positions[topic, TOPIC_SEEN] == UNKNOWN]


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
