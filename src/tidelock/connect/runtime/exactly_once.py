"""The transactions of a source task: records and the offsets that they came from, or neither.

Any worker may use it. A task that starts first becomes the holder of its transactional id, which ends what a
predecessor left open and shuts out one that still lives; only then it reads where to go on. So no record can
come twice, and none is left out. Rules (`Boundary`) are pure; the producer is an argument.

Source: KIP-618; Kafka `org.apache.kafka.connect.runtime.{ExactlyOnceWorkerSourceTask,
TransactionBoundaryManager}`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tidelock.client import BrokerUnreachable, Outgoing
from tidelock.connect.api import SourceRecord, offsets_of
from tidelock.connect.runtime.offset_state import OffsetState
from tidelock.connect.runtime.source_task import SourceRunner
from tidelock.connect.runtime.stores import partition_key
from tidelock.errors import TidelockError

log = logging.getLogger(__name__)

POLL, INTERVAL, CONNECTOR = "poll", "interval", "connector"
BOUNDARIES = (POLL, INTERVAL, CONNECTOR)

BROKER_WAIT = 0.3
"""Seconds between attempts to end a transaction."""

Offset = tuple[Mapping[str, Any], Mapping[str, Any]]


class TransactionProducer(Protocol):
    """A source_task.TaskProducer with transactions; see tidelock.client.transactional."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Commit it; raises BrokerUnreachable to be called again."""

    def abort(self) -> None:
        """Abort it; raises BrokerUnreachable to be called again."""

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """Hand a record over."""


class Waiting(Protocol):
    """What is needed of the worker's wishes; see source_task.Switch."""

    def is_stopping(self) -> bool:
        """Whether to end."""

    def wait(self, timeout: float) -> None:
        """Sleep, but wake when it is time to stop."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where transactions end.

    Attributes:
        kind: poll, interval or connector.
        interval: seconds, for `interval`.
    """

    kind: str = POLL
    interval: float = 60.0

    def is_due(self, age: float, *, asked: bool) -> bool:
        """Whether to commit now.

        Args:
            age: seconds since the transaction began.
            asked: whether the connector has asked for it.
        """
        if self.kind == CONNECTOR:
            return asked
        return self.kind == POLL or age >= self.interval


class Transactions:
    """One task's transactions, one at a time.

    Args:
        producer: holder of the task's transactional id.
        connector: whose offsets they are.
        topic: of the offsets.
        known: what the topic says.
        switch: the worker's wishes.
    """

    def __init__(
        self,
        producer: TransactionProducer,
        connector: str,
        topic: str,
        known: OffsetState,
        switch: Waiting,
    ) -> None:
        self._producer = producer
        self._connector = connector
        self._topic = topic
        self._known = known
        self._switch = switch
        self._offsets: dict[str, Offset] = {}
        self.is_open = False

    def begin(self) -> None:
        """Begin one unless one is open."""
        if not self.is_open:
            self._producer.begin()
            self.is_open = True

    def note(self, offsets: Iterable[Offset]) -> None:
        """Have the last offset of each source partition stored with the transaction."""
        for partition, offset in offsets:
            self._offsets[partition_key(partition)] = partition, offset

    def commit(self) -> list[Offset]:
        """Commit records and offsets; returns the offsets that are stored now."""
        taken = list(self._offsets.values())
        for key, value in self._known.records(self._connector, taken):
            self._producer.send(self._topic, Outgoing(key, value), _nothing)
        self._patiently(self._producer.commit)
        self.is_open, self._offsets = False, {}
        return taken

    def abort(self) -> None:
        """Undo the records; the offsets that were noted are kept."""
        if self.is_open:
            self._patiently(self._producer.abort)
            self.is_open = False

    def abandon(self) -> None:
        """Undo the records of a task that ends, if that can be done at once.

        Otherwise they end when the next task takes the id, or at the transaction's timeout. Nothing is
        raised: the task has its own reason to end, and after a failed commit the library allows no abort.
        """
        if self.is_open:
            self.is_open = False
            try:
                self._producer.abort()
            except TidelockError as error:
                log.info("connector %s: the transaction stays open for now: %s", self._connector, error.what)

    def _patiently(self, action: Callable[[], None]) -> None:
        told = False
        while True:
            try:
                action()
                return
            except BrokerUnreachable as error:
                if self._switch.is_stopping():
                    raise
                if not told:
                    log.warning("connector %s: waiting for the broker: %s", self._connector, error.what)
                told = True
                self._switch.wait(BROKER_WAIT)


class ExactlyOnceRunner(SourceRunner):
    """The loop of one source task whose offsets are in its records' transactions; see SourceRunner."""

    transactions: Transactions
    boundary: Boundary
    copies: bool = True
    """Whether the worker keeps a copy of the offsets, for its REST interface."""
    _began_at: float = 0.0

    def _send(self, records: Sequence[SourceRecord]) -> None:
        wishes = self._context.transaction
        if not self.transactions.is_open:
            self._began_at = self._clock.monotonic()
        self.transactions.begin()
        super()._send(records)
        self.transactions.note(offsets_of(records))
        commit, abort = wishes.taken() if wishes is not None else (False, False)
        if abort and self.boundary.kind == CONNECTOR:
            self._producer.flush(
                self._options.flush_timeout
            )  # so that each is acknowledged before it is undone
            self.transactions.abort()
            self.transactions.begin()
            commit = True  # the offsets: what was undone is not read again
        if self.boundary.is_due(self._clock.monotonic() - self._began_at, asked=commit):
            self._end_transaction()

    def _flush(self) -> None:
        """Nothing: a commit waits for its records, and what is not committed may be lost."""

    def _idle(self) -> None:
        """A transaction ends at its interval, also when nothing more comes."""
        age = self._clock.monotonic() - self._began_at
        if (
            self.transactions.is_open
            and self.boundary.kind == INTERVAL
            and self.boundary.is_due(age, asked=False)
        ):
            self._end_transaction()

    def _end_transaction(self) -> None:
        offsets = self.transactions.commit()
        self._progress.take()
        if offsets and self.copies:
            self._switch.store_offsets(offsets)
        self._task.commit()

    def _commit(self) -> None:
        """Offsets go with transactions; nothing is stored besides."""
        self._progress.take()

    def _finish(self, *, failed: bool) -> None:
        if failed or self.boundary.kind == CONNECTOR:
            self.transactions.abandon()
        elif self.transactions.is_open:
            self._end_transaction()


def _nothing() -> None:
    """Nobody waits for one record: the commit waits for all."""
