"""The broker's side of the relay, as small as the relay needs it; tidelock.sync.kafka_log is the real one.

A log appends keyed records in order, tells the ends of its partitions and can be read from an offset.
Deliberately not in it: consuming for a living, transactions, topic administration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tidelock.sync.rules import OutboxRow, TopicEnds, TopicPartition


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

    def ends(self, topic: str, *, is_known: bool = False) -> TopicEnds:
        """Return which topic of that name there is and the end offset of each partition.

        Only the broker's own word that there is no such topic may give `NO_TOPIC`: to take silence for it
        would hide what a predecessor published.

        Args:
            topic: its name.
            is_known: this outbox was published to it, so that its absence needs a second look.

        Raises:
            LogUnavailable: the broker does not answer in time.
        """

    def sequences(self, starts: Mapping[TopicPartition, int], source: str) -> set[int]:
        """Read from these offsets to the present ends and return the rows of this outbox found there.

        Raises:
            LogUnavailable: the broker does not answer in time.
        """

    def reset(self) -> None:
        """Forget what is not acknowledged, after a failure, and every connection.

        A request that has left this machine cannot be called back; it may still arrive.
        """

    def close(self) -> None:
        """Release the connections."""
