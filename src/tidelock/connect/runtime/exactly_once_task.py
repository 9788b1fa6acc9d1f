"""Puts an exactly-once source task together, in the task's process: keys, clients, and where to go on.

Order matters: the producer becomes the holder of the transactional id first; offsets are read after that,
when nobody else can add to them.

Source: KIP-618; Kafka `org.apache.kafka.connect.runtime.Worker.ExactlyOnceSourceTaskBuilder`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tidelock.client import BrokerUnreachable, ClientSettings, Consumer, Outgoing
from tidelock.connect.api import SourceTaskContext, TransactionContext
from tidelock.connect.runtime import kafka
from tidelock.connect.runtime.exactly_once import (
    BROKER_WAIT,
    CONNECTOR,
    Boundary,
    ExactlyOnceRunner,
    Transactions,
    Waiting,
)
from tidelock.connect.runtime.offset_state import OffsetState
from tidelock.connect.runtime.offset_topic import read_to_end
from tidelock.connect.runtime.settings import SourceConnectorSettings, StandaloneSettings
from tidelock.connect.runtime.stores import SourceOffset
from tidelock.connect.runtime.topic_creation import NewTopic
from tidelock.protocol.error_codes import KafkaError
from tidelock.runtime import Clock

ENABLED = "enabled"
GROUP = "connect-standalone"
"""First part of transactional ids where the worker has no group.id."""
PARTITIONS = 25
"""Of a topic of offsets, as DistributedConfig has it."""


@dataclass(frozen=True, slots=True)
class ExactlyOnce:
    """How a task is exactly once.

    Attributes:
        transactional_id: of the task, the same wherever it runs.
        topic: of its offsets.
        partitions: of that topic, where it is made.
        copies: whether offsets are stored with the worker as well, because the topic is not its own.
        boundary: where transactions end.
    """

    transactional_id: str
    topic: str
    partitions: int
    copies: bool
    boundary: Boundary


class TaskWishes(Waiting, Protocol):
    """What is needed of the worker's wishes."""

    def wait_for_broker(self) -> bool:
        """Wait a moment; False when it is time to stop."""


def exactly_once_of(
    worker: Mapping[str, str], config: Mapping[str, str], name: str, number: int
) -> ExactlyOnce | None:
    """Return how a source task is exactly once, or None where the worker is not.

    Args:
        worker: its keys as given.
        config: the connector's.
        name: of the connector.
        number: of the task.
    """
    shared = StandaloneSettings.parse(worker, strict=False)
    if shared.exactly_once_source_support != ENABLED:
        return None
    settings = SourceConnectorSettings.parse(config, strict=False)
    worker_s = worker.get("offset.storage.topic")
    topic = settings.offsets_storage_topic or worker_s or f"connect-offsets-{name}"
    interval = settings.transaction_boundary_interval_ms or shared.offset_flush_interval_ms
    return ExactlyOnce(
        transactional_id_of(worker.get("group.id", GROUP), name, number),
        topic,
        1 if worker_s is None else int(worker.get("offset.storage.partitions", PARTITIONS)),
        topic != worker_s,
        Boundary(settings.transaction_boundary, interval / 1000),
    )


def transactional_id_of(group: str, connector: str, number: int) -> str:
    """Return the transactional id of a source task, the same wherever it runs; Kafka's as well."""
    return f"{group}-{connector}-{number}"


class Deadline:
    """TaskWishes of somebody who waits for a while only.

    Args:
        clock: monotonic time.
        patience: seconds.
    """

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + patience

    def is_stopping(self) -> bool:
        """See TaskWishes."""
        return self._clock.monotonic() > self._end

    def wait(self, timeout: float) -> None:
        """See TaskWishes."""
        threading.Event().wait(timeout)

    def wait_for_broker(self) -> bool:
        """See TaskWishes."""
        self.wait(BROKER_WAIT)
        return not self.is_stopping()


class Holder:
    """Holds a task's transactional id.

    Args:
        once: see ExactlyOnce.
        properties: of the producer.
        client: name in the broker's logs.
        switch: the worker's wishes.
    """

    def __init__(
        self, once: ExactlyOnce, properties: Mapping[str, str], client: str, switch: TaskWishes
    ) -> None:
        self._once = once
        self._switch = switch
        self._shared = {
            key: value
            for key, value in properties.items()
            if key.startswith(("bootstrap.servers", *kafka.SHARED))
        }
        self._client = client
        how = NewTopic(once.partitions, -1, {"cleanup.policy": "compact"})
        kafka.patiently(
            lambda: kafka.ensure_topic(properties, once.topic, how, f"{client}-admin", may_shrink=True),
            switch.wait_for_broker,
        )
        self.producer: kafka.TransactionalSourceProducer = kafka.patiently(
            lambda: kafka.TransactionalSourceProducer(
                properties, once.transactional_id, client, switch.is_stopping
            ),
            switch.wait_for_broker,
        )
        kafka.patiently(self.producer.init, switch.wait_for_broker)

    def prepare(self, runner: Any, context: SourceTaskContext) -> None:
        """Give a runner its transactions, and its task the topic's offsets before the worker's."""
        assert isinstance(runner, ExactlyOnceRunner)
        known, switch = self.known(), self._switch
        older = context.read_offsets

        def read(partitions: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any] | None]:
            pairs = zip(known.read(context.connector, partitions), older(partitions), strict=True)
            return [old if new is None else new for new, old in pairs]

        context.read_offsets = read
        if self._once.boundary.kind == CONNECTOR:
            context.transaction = TransactionContext()
        runner.boundary, runner.copies = self._once.boundary, self._once.copies
        runner.transactions = Transactions(self.producer, context.connector, self._once.topic, known, switch)

    def known(self) -> OffsetState:
        """Return what the topic says; nobody else can add to a connector's offsets meanwhile."""
        found: OffsetState = kafka.patiently(self._read, self._switch.wait_for_broker)
        return found

    def _read(self) -> OffsetState:
        known, switch = OffsetState(), self._switch
        try:
            read_to_end(self._consumer, self._once.topic, known, switch.is_stopping, switch.wait_for_broker)
        except KafkaError as error:
            if not error.retriable:
                raise
            # A topic that was just made may have no leader yet.
            raise BrokerUnreachable(error.what, where=error.where) from error
        return known

    def store(self, connector: str, known: OffsetState, offsets: Sequence[SourceOffset]) -> None:
        """Store offsets for the next task, in a transaction; None forgets a partition's."""
        self.producer.begin()
        for key, value in known.records(connector, offsets):
            self.producer.send(self._once.topic, Outgoing(key, value), _nothing)
        kafka.patiently(self.producer.commit, self._switch.wait_for_broker)

    def _consumer(self, isolation: str) -> Consumer:
        keys = {**self._shared, "isolation.level": isolation}
        return Consumer(ClientSettings.parse(keys, where="consumer keys"), name=f"{self._client}-offsets")


def _nothing() -> None:
    """Nobody waits for one record: the commit waits for all."""
