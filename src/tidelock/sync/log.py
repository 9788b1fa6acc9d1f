"""The broker's side of the relay, as small as the relay needs it; tidelock.sync.kafka_log is the real one.

A log appends keyed records in order, tells the ends of its partitions and can be read from an offset.
Deliberately not in it: consuming for a living, transactions, topic administration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tidelock.sync.rules import OutboxRow, TopicPartition


class Log(Protocol):
    """Where an outbox is published to."""

    def append(
        self, rows: Sequence[OutboxRow], source: str, *, go_on: Callable[[], bool]
    ) -> Mapping[TopicPartition, int]:
        """Publish rows in order and return when all are acknowledged by all replicas.

        Waits as long as the broker is away: giving up would leave open what arrived.

        Args:
            rows: in outbox order; the order of a key is kept.
            source: the outbox's identity, for the headers.
            go_on: asked often; False ends the waiting with LogUnavailable.

        Returns:
            For each partition written, the offset after the last record.

        Raises:
            LogUnavailable: it was told to stop waiting; some rows may have arrived.
            RecordRejected: the broker refuses a row for good; some rows may have arrived.
        """

    def ends(self, topic: str) -> Mapping[int, int]:
        """Return the end offset of each partition; empty when there is no such topic.

        Raises:
            LogUnavailable: the broker does not answer in time.
        """

    def sequences(self, starts: Mapping[TopicPartition, int], source: str) -> set[int]:
        """Read from these offsets to the present ends and return the rows of this outbox found there.

        Raises:
            LogUnavailable: the broker does not answer in time.
        """

    def reset(self) -> None:
        """Forget what is not acknowledged, after a failure; nothing of it may arrive later."""

    def close(self) -> None:
        """Release the connections."""
