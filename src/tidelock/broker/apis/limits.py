"""What one request may ask for: the broker's only loop serves nobody else while it answers.

A frame of 100 MB, which Produce needs, could name millions of partitions, topics or groups. Kafka has threads
for that and bounds only what its controller changes at once. May import the protocol's errors; the invariant
is that nothing is reserved for a count that has not been allowed.
"""

from __future__ import annotations

from tidelock.protocol.error_codes import PolicyViolation
from tidelock.protocol.primitives import MalformedMessage

MOST_ENTRIES = 20_000
"""Topics and partitions of one Produce or Fetch; more than one broker should have."""

MOST_BYTES = 4 << 20
"""Size of any other request; the largest that clients send are the assignments of big groups."""

MOST_NEW_PARTITIONS = 1_000
"""Partitions that one request may create: each takes about 2 ms. Source: Kafka `ReplicationControlManager`,
whose limit is 10,000 per batch."""

MOST_UNSENT_BYTES = 256 << 20
"""Bytes of replies that may wait for slow readers, all together. Kafka's wait in the page cache instead."""

LEAST_FETCH_BYTES = 1 << 16
"""What a fetch may return even then; its first batch comes whole in any case."""


class NewPartitions:
    """How many partitions one request may still create."""

    def __init__(self) -> None:
        self._left = MOST_NEW_PARTITIONS

    def take(self, count: int) -> None:
        """Allow this many more.

        Raises:
            PolicyViolation: the request would create too many.
        """
        if count > self._left:
            raise PolicyViolation(f"one request may create {MOST_NEW_PARTITIONS} partitions, not more")
        self._left -= count


class Entries:
    """Counts the elements of a request's arrays as they are read."""

    __slots__ = ("_left", "_size")

    def __init__(self, frame: memoryview) -> None:
        self._size = len(frame)
        self._left = MOST_ENTRIES

    def allowed(self, count: int) -> int:
        """Return the length of an array that may be read; a null array is empty.

        Raises:
            MalformedMessage: the frame cannot hold it, or the request has too many elements.
        """
        if count > self._size:
            raise MalformedMessage(f"a request says it has {count} elements in {self._size} bytes")
        self._left -= max(count, 0)
        if self._left < 0:
            raise MalformedMessage(f"a request has more than {MOST_ENTRIES} topics and partitions")
        return max(count, 0)
