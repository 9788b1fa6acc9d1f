"""The values that clients take and give: records on their way out, partitions, records that came in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Header = tuple[str, bytes | None]


class TopicPartition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Outgoing(NamedTuple):
    """A record to send.

    Args:
        key: decides the partition, as Java does (murmur2); None spreads.
        value: None is a tombstone on a compacted topic.
        headers: names with values.
        partition: overrides the key's.
        timestamp: milliseconds since 1970; None is now.
    """

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    partition: int | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """Records of one topic to send, as columns.

    Args:
        values: one per record; see Outgoing for these and the others.
        keys: one per record, or None where no record has one.
        partition: of all of them.
        timestamps: one per record, or None where all are now.
        headers: one sequence per record, or None where no record has any.

    Raises:
        ValueError: a column has not one entry per record.
    """

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    partition: int | None = None
    timestamps: Sequence[int | None] | None = None
    headers: Sequence[Sequence[Header]] | None = None

    def __post_init__(self) -> None:
        for name, column in (("keys", self.keys), ("timestamps", self.timestamps), ("headers", self.headers)):
            if column is not None and len(column) != len(self.values):
                raise ValueError(f"{len(column)} {name} for {len(self.values)} values")

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Outgoing]:
        count = len(self.values)
        keys = [None] * count if self.keys is None else self.keys
        headers = [()] * count if self.headers is None else self.headers
        timestamps = [None] * count if self.timestamps is None else self.timestamps
        for key, value, header, timestamp in zip(keys, self.values, headers, timestamps, strict=True):
            yield Outgoing(key, value, header, self.partition, timestamp)

    def size_bytes(self) -> int:
        """Return the size of keys and values."""
        keys = () if self.keys is None else self.keys
        return sum(len(one) for column in (keys, self.values) for one in column if one is not None)


class Message(Protocol):
    """A record that came in; confluent_kafka's own object, handed through without a copy."""

    def topic(self) -> str:
        """The topic."""

    def partition(self) -> int:
        """The partition."""

    def offset(self) -> int:
        """The offset."""

    def key(self) -> bytes | None:
        """The key."""

    def value(self) -> bytes | None:
        """The value."""

    def headers(self) -> list[Header] | None:
        """The headers; None without any."""

    def timestamp(self) -> tuple[int, int]:
        """Kind (0 none, 1 create, 2 append) and milliseconds since 1970."""
