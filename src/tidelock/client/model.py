"""The values that clients take and give: records on their way out, partitions, records that came in."""

from __future__ import annotations

from collections.abc import Sequence
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
