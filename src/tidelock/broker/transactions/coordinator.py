"""The transaction coordinator: owns every transactional id, makes decisions durable, and ends transactions.

    decide (rules.py) -> journal(image) -> apply(image) -> markers -> journal(completed) -> apply -> answer

At a start the same `apply` takes in the images read back from `__transaction_state`; `loaded` then ends what
was being ended. A transaction whose outcome is durable is ended whatever happens: a marker that a disk
refuses is tried again by `tick`, and until then its id answers CONCURRENT_TRANSACTIONS. No IO and no clock:
the journal and the partitions are functions that raise KafkaError.

Source: Kafka `TransactionCoordinator`, `TransactionStateManager`, `TransactionMarkerChannelManager`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tidelock.broker.instant import Instant
from tidelock.broker.log import Marker
from tidelock.broker.transactions import rules
from tidelock.broker.transactions.rules import ProducerName
from tidelock.broker.transactions.state import NO_EPOCH, TopicPartition, Transaction, TransactionStatus
from tidelock.protocol import error_codes as errors

# A topic that was deleted, or a transaction that an administrator has ended in one partition.
_ENDED_ALREADY = (
    errors.UnknownTopicOrPartition,
    errors.InvalidProducerEpoch,
    errors.TransactionCoordinatorFenced,
)
RETRY_MARKERS = 1.0
"""Seconds until a marker that could not be written is tried again."""


class TransactionStore(Protocol):
    """What the coordinator needs of the broker."""

    def journal_transaction(self, name: str, image: Transaction | None, now: Instant) -> int:
        """Make an image, or that an id is forgotten, durable; return the coordinator's epoch.

        Raises:
            KafkaError: the log did not take it.
        """

    def write_marker(self, key: TopicPartition, marker: Marker, now: Instant) -> None:
        """End a transaction in one partition.

        Raises:
            KafkaError: the partition did not take it.
        """

    def next_producer_id(self) -> int:
        """Hand out a producer id.

        Raises:
            KafkaError: the disk.
        """


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """The broker's settings; milliseconds."""

    max_timeout_ms: int
    expiration_ms: int


class TransactionCoordinator:
    """All transactional ids of one broker."""

    def __init__(self, store: TransactionStore, limits: TransactionLimits) -> None:
        self.limits = limits
        self.transactions: dict[str, Transaction] = {}
        self._store = store
        self._epoch = 0
        self._unmarked: dict[str, frozenset[TopicPartition]] = {}
        self._wakes: list[tuple[float, str]] = []
        self._next_wake: dict[str, float] = {}

    # -- applying -----------------------------------------------------------------------------------

    def apply(self, name: str, image: Transaction | None) -> None:
        """Take in one durable image, new or read back; None forgets the id."""
        if image is None:
            self.transactions.pop(name, None)
        else:
            self.transactions[name] = image

    def loaded(self, epoch: int, now: Instant) -> None:
        """After reading back: end what was being ended, and give open transactions the rest of their time.

        Args:
            epoch: the leader epoch of the coordinator's log.
            now: the moment of the start.
        """
        self._epoch = epoch
        for image in list(self.transactions.values()):
            if image.is_ending:
                self._finish(image, now)
            else:
                self._schedule_timeout(image, now)

    def _commit(self, image: Transaction, now: Instant) -> None:
        self._epoch = self._store.journal_transaction(image.transactional_id, image, now)
        self.apply(image.transactional_id, image)

    # -- requests -----------------------------------------------------------------------------------

    def init_producer_id(
        self, name: str, timeout_ms: int, expected: ProducerName | None, now: Instant
    ) -> ProducerName:
        """Give a client the transactional id: everybody who had it before is fenced.

        Raises:
            InvalidTransactionTimeout: not above 0, or more than transaction.max.timeout.ms.
            ProducerFenced: `expected` was superseded.
            ConcurrentTransactions: the last transaction is still being ended; an open one is aborted now.
            KafkaError: the disk.
        """
        if not 0 < timeout_ms <= self.limits.max_timeout_ms:
            raise errors.InvalidTransactionTimeout(
                f"a transaction timeout of {timeout_ms} ms is not within 1 to {self.limits.max_timeout_ms}"
            )
        image = self.transactions.get(name)
        if image is None:
            image = Transaction(name, self._store.next_producer_id(), NO_EPOCH, timeout_ms)
        rules.check_init(image, expected)
        if image.is_ongoing:
            self._end(rules.fenced(image, now.wall_ms), now)
            raise errors.ConcurrentTransactions(f"the open transaction of {name!r} is aborted first")
        image = rules.init_producer_id(image, timeout_ms, expected, self._store.next_producer_id, now.wall_ms)
        self._commit(image, now)
        return ProducerName(image.producer_id, image.epoch)

    def add(
        self,
        name: str,
        producer: ProducerName,
        partitions: Iterable[TopicPartition],
        version: int,
        now: Instant,
    ) -> None:
        """Put partitions into the transaction of a client.

        Args:
            name: the transactional id.
            producer: who the client is.
            partitions: may be in it already.
            version: 2 for clients of KIP-890, else 0.
            now: the moment; opens the transaction if none is open.

        Raises:
            InvalidProducerIdMapping, ProducerFenced, ConcurrentTransactions: see rules.check_producer.
            KafkaError: the disk.
        """
        image = rules.check_producer(self.transactions.get(name), producer)
        following = rules.added(image, frozenset(partitions), version, now.wall_ms)
        if following is not image:
            self._commit(following, now)
            if not image.is_ongoing:
                self._schedule_timeout(following, now)

    def verify(self, name: str, producer: ProducerName, partition: TopicPartition) -> None:
        """Require that a client has put a partition into its transaction.

        Raises:
            InvalidProducerIdMapping, ProducerFenced, ConcurrentTransactions: see rules.check_producer.
            TransactionAbortable: it has not.
        """
        image = rules.check_producer(self.transactions.get(name), producer)
        if partition not in image.partitions:
            raise errors.TransactionAbortable(
                f"{partition[0]}-{partition[1]} was not added to the transaction of {name!r}"
            )

    def end(
        self, name: str, producer: ProducerName, commit: bool, version: int, now: Instant
    ) -> ProducerName:
        """Commit or abort a client's transaction; under version 2 returns its next epoch.

        Raises:
            InvalidProducerIdMapping, ProducerFenced, ConcurrentTransactions, InvalidTxnState: see rules.ended
            and rules.ended_v2.
            KafkaError: the disk did not take the decision.
        """
        image = self.transactions.get(name)
        if version >= 2:
            following = rules.ended_v2(image, producer, commit, self._store.next_producer_id, now.wall_ms)
        else:
            following = rules.ended(image, producer, commit, now.wall_ms)
        if following is not None:
            self._end(following, now)
        image = self.transactions[name]
        return ProducerName(image.producer_id, image.epoch)

    def _end(self, decided: Transaction, now: Instant) -> None:
        self._commit(decided, now)
        self._finish(decided, now)

    def _finish(self, image: Transaction, now: Instant) -> None:
        """Write the markers that are missing; then the transaction is complete."""
        name = image.transactional_id
        commits = image.status is TransactionStatus.PREPARE_COMMIT
        marker = Marker(image.producer_id, image.epoch, commits, self._epoch, strict=image.version >= 2)
        left = set(self._unmarked.pop(name, image.partitions))
        for key in sorted(left):
            try:
                self._store.write_marker(key, marker, now)
                left.remove(key)
            except _ENDED_ALREADY:
                left.remove(key)
            except errors.KafkaError:
                pass
        try:
            if not left:
                self._commit(rules.completed(image, now.wall_ms), now)
                return
        except errors.KafkaError:
            pass
        self._unmarked[name] = frozenset(left)
        self._wake(name, now.monotonic + RETRY_MARKERS)

    # -- time ---------------------------------------------------------------------------------------

    def wake_at(self) -> float:
        """When `tick` is due; monotonic seconds, infinite if never."""
        return self._wakes[0][0] if self._wakes else math.inf

    def tick(self, now: Instant) -> None:
        """Abort what has been open for too long, and try again to end what could not be ended."""
        while self._wakes and self._wakes[0][0] <= now.monotonic:
            wake, name = heapq.heappop(self._wakes)
            if self._next_wake.get(name) != wake:
                continue
            del self._next_wake[name]
            image = self.transactions.get(name)
            if image is None:
                continue
            if image.is_ending:
                self._finish(image, now)
            elif image.is_ongoing and image.start_ms + image.timeout_ms > now.wall_ms:
                self._schedule_timeout(image, now)
            elif image.is_ongoing:
                self._time_out(image, now)

    def _time_out(self, image: Transaction, now: Instant) -> None:
        try:
            self._end(rules.fenced(image, now.wall_ms), now)
        except errors.KafkaError:
            self._wake(image.transactional_id, now.monotonic + RETRY_MARKERS)

    def _schedule_timeout(self, image: Transaction, now: Instant) -> None:
        if image.is_ongoing:
            left_ms = image.start_ms + image.timeout_ms - now.wall_ms
            self._wake(image.transactional_id, now.monotonic + max(left_ms, 0) / 1000)

    def _wake(self, name: str, at: float) -> None:
        self._next_wake[name] = at
        heapq.heappush(self._wakes, (at, name))

    def expire(self, now: Instant) -> int:
        """Forget the ids that nobody has used for transactional.id.expiration.ms; returns how many.

        Raises:
            KafkaError: the log did not take it; some may be forgotten.
        """
        gone = [
            name
            for name, image in self.transactions.items()
            if not image.is_ongoing
            and not image.is_ending
            and image.update_ms + self.limits.expiration_ms <= now.wall_ms
        ]
        for name in gone:
            self._store.journal_transaction(name, None, now)
            self.apply(name, None)
        return len(gone)
