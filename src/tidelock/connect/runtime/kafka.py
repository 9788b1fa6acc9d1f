"""The tasks' Kafka clients, as the loops see them: tidelock.client with Connect's defaults and patience.

A task outlives its broker's absence: where the client gives up after a while, these go on waiting, as Kafka
Connect does, until the worker wants the task to stop. Client keys come from the worker (`consumer.`,
`producer.`, and the security keys without a prefix) and the connector (`consumer.override.`,
`producer.override.`). A client is made in the task's own process only: the fork server must never hold one.

Source: Kafka `org.apache.kafka.connect.runtime.Worker` (client defaults).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tidelock.client import (
    Admin,
    BrokerUnreachable,
    ClientSettings,
    Consumer,
    Outgoing,
    OutgoingBatch,
    Producer,
)
from tidelock.client import TopicPartition as ClientPartition
from tidelock.client.security import Security
from tidelock.client.transactional import TransactionalProducer
from tidelock.config import ConfigError, Problem
from tidelock.connect.api import TopicPartition
from tidelock.connect.runtime.config_providers import Providers
from tidelock.connect.runtime.message import Message
from tidelock.connect.runtime.topic_creation import NewTopic
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import InvalidReplicationFactor

log = logging.getLogger(__name__)

Partitions = Sequence[TopicPartition]
SHARED = ("security.", "sasl.", "ssl.")
CONSUMER_DEFAULTS = {
    "allow.auto.create.topics": "true",  # Java's default: a sink may be there before its topic
    "fetch.wait.max.ms": "500",  # Java's default; a fetch that finds nothing costs the broker more than us
    "session.timeout.ms": "10000",
    "queued.min.messages": "20000",
}
PRODUCER_DEFAULTS = {"delivery.timeout.ms": "2147483647"}
OURS = ("max.poll.records", "group.id")  # read by the task's process, not by the client


def client_properties(worker: Mapping[str, str], connector: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return the client keys of a connector's tasks, in whatever spelling they were given.

    Args:
        worker: the worker's keys as given.
        connector: the connector's configuration.
        kind: consumer or producer.
    """
    given = {name: value for name, value in worker.items() if name.startswith(SHARED)}
    given["bootstrap.servers"] = worker.get("bootstrap.servers", "localhost:9092")
    for source, prefix in ((worker, f"{kind}."), (connector, f"{kind}.override.")):
        given.update(
            {name[len(prefix) :]: value for name, value in source.items() if name.startswith(prefix)}
        )
    return given


def check_client_keys(worker: Mapping[str, str]) -> None:
    """Read the worker's client keys once, before a task needs them.

    Raises:
        ConfigError: one is wrong.
    """
    worker = Providers.of(worker).resolved(worker)
    for kind in ("consumer", "producer"):
        ClientSettings.parse(client_properties(worker, {}, kind), where=f"{kind}. keys of the worker")


def shared_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that every kind of client has: addresses and security."""
    shared = ("bootstrap.servers", *SHARED)
    return {key: value for key, value in properties.items() if key.startswith(shared)}


def security_of(properties: Mapping[str, object]) -> Security:
    """Return how a worker's own connections are protected.

    Args:
        properties: the worker's keys, of which those without a prefix count, or a client's.

    Raises:
        ConfigError: in a way that we do not speak, or a reference leads nowhere.
    """
    texts = {name: value for name, value in properties.items() if isinstance(value, str)}
    given = shared_properties(Providers.of(texts).resolved(texts))
    return Security.of(ClientSettings.parse(given, where="the worker's own connections"))


def require_eager(settings: ClientSettings) -> None:
    """Refuse a cooperative assignor: a sink task gives all its partitions away before it gets others.

    Raises:
        ConfigError: names the key.
    """
    name = "partition.assignment.strategy"
    given = settings.properties.get(name, "")
    if "cooperative" in given:
        why = "a sink assigns eagerly; use RangeAssignor or RoundRobinAssignor"
        raise ConfigError((Problem(name, given, why),), where="consumer keys")


def patiently(make: Callable[[], Any], wait: Callable[[], bool]) -> Any:
    """Make something that needs a broker, again and again while none answers.

    Args:
        make: raises BrokerUnreachable while there is no broker.
        wait: waits a moment; False gives up, and the error is raised.
    """
    told = False
    while True:
        try:
            return make()
        except BrokerUnreachable as error:
            if not told:
                log.warning("waiting for the broker: %s", error.what)
                told = True
            if not wait():
                raise


def ensure_topic(
    properties: Mapping[str, str], topic: str, how: NewTopic, name: str, *, may_shrink: bool = False
) -> None:
    """Create a topic unless it is there.

    Args:
        properties: of the producer.
        topic: its name.
        how: partitions, replicas and configuration.
        name: in the broker's logs.
        may_shrink: whether to have fewer replicas where there are not as many brokers.

    Raises:
        BrokerUnreachable: no broker answers now.
        TidelockError: it is forbidden, the name is none, or brokers are too few.
    """
    admin = Admin(ClientSettings.parse(properties, where="producer keys"), name=name)
    try:
        admin.create_topic(topic, how.partitions, how.configs, replicas=how.replicas, if_not_exists=True)
    except InvalidReplicationFactor:
        if not may_shrink:
            raise
        admin.create_topic(topic, how.partitions, how.configs, if_not_exists=True)


class TopicIds:
    """Asks the cluster for the ids of topics, for as long as it takes; its client is made when it is needed.

    Args:
        properties: from `client_properties`.
        wait: waits a moment; False gives up.
        name: in the broker's logs.
    """

    def __init__(self, properties: Mapping[str, str], wait: Callable[[], bool], name: str) -> None:
        self._properties = shared_properties(properties)
        self._wait = wait
        self._name = name

    def __call__(self, topic: str) -> str | None:
        """Return a topic's id."""
        return str(patiently(lambda: self._ask(topic), self._wait))

    def _ask(self, topic: str) -> str:
        settings = ClientSettings.parse(self._properties, where="consumer keys")
        return Admin(settings, name=self._name).topic_id(topic)


class TaskConsumer(Protocol):
    """What a sink task needs of a consumer; all calls from one thread, callbacks come inside `poll`."""

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callable[[Partitions], None],
        on_revoke: Callable[[Partitions, bool], None],
    ) -> None:
        """Join the group; ^ begins a pattern. `on_revoke` is told whether the partitions are lost."""

    def poll(self, max_records: int, timeout: float) -> list[Message]:
        """Return up to `max_records` messages, those that came within `timeout` seconds."""

    def assign(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Read these partitions, each from its offset, or from the committed one for None."""

    def unassign(self) -> None:
        """Read nothing."""

    def end_offsets(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """Return the offset after the last record of each partition."""

    def seen_ends(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """Return the same as far as fetches have told it; asks nobody."""

    def at_end(self) -> set[TopicPartition]:
        """Return the partitions of which everything was read when they were last looked at."""

    def pause(self, partitions: Partitions) -> None:
        """Get no messages of these partitions."""

    def resume(self, partitions: Partitions) -> None:
        """Get messages of these partitions again, from where they were paused."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at another offset."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit; False when it could not be done now, or somebody else owns the partitions."""

    def close(self) -> None:
        """Leave the group."""


class SinkConsumer:
    """A TaskConsumer on tidelock.client.

    Args:
        properties: from `client_properties`.
        group: the consumer group.
        name: in the broker's logs.

    Raises:
        BrokerUnreachable: no broker answers now.
        ConfigError: a client key is wrong.
    """

    def __init__(self, properties: Mapping[str, str], group: str, name: str) -> None:
        settings = ClientSettings.parse({**CONSUMER_DEFAULTS, **properties}, where="consumer keys")
        require_eager(settings)
        self._properties, self._name = properties, name
        self._consumer = Consumer(settings, group=group, name=name, patience=float("inf"))

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callable[[Partitions], None],
        on_revoke: Callable[[Partitions, bool], None],
    ) -> None:
        """See TaskConsumer."""
        self._consumer.subscribe(
            topics,
            lambda given: on_assign(_ours(given)),
            lambda given, lost: on_revoke(_ours(given), lost),
        )

    def poll(self, max_records: int, timeout: float) -> list[Message]:
        """See TaskConsumer."""
        return list(self._consumer.poll(max_records, timeout))

    def assign(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """See TaskConsumer."""
        self._consumer.assign({ClientPartition(*one): offset for one, offset in offsets.items()})

    def unassign(self) -> None:
        """See TaskConsumer."""
        self._consumer.unassign()

    def end_offsets(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """See TaskConsumer; the leaders are asked: of a dying one's, the consumer itself may tell 0."""
        settings = ClientSettings.parse(shared_properties(self._properties), where="consumer keys")
        found = Admin(settings, name=self._name).end_offsets(_theirs(partitions))
        return {TopicPartition(*one): offset for one, offset in found.items()}

    def seen_ends(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """See TaskConsumer."""
        found = self._consumer.seen_ends(_theirs(partitions))
        return {TopicPartition(*one): offset for one, offset in found.items()}

    def at_end(self) -> set[TopicPartition]:
        """See TaskConsumer."""
        return {TopicPartition(*one) for one in self._consumer.at_end}

    def pause(self, partitions: Partitions) -> None:
        """See TaskConsumer."""
        self._consumer.pause(_theirs(partitions))

    def resume(self, partitions: Partitions) -> None:
        """See TaskConsumer."""
        self._consumer.resume(_theirs(partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See TaskConsumer."""
        self._consumer.seek(ClientPartition(*partition), offset)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """See TaskConsumer; what is really over (fenced, forbidden) is raised by the next `poll`."""
        try:
            self._consumer.commit({ClientPartition(*one): offset for one, offset in offsets.items()})
        except TidelockError as error:
            log.warning("offsets were not committed; next time: %s", error.what)
            return False
        return True

    def close(self) -> None:
        """See TaskConsumer."""
        self._consumer.close()


class TaskProducer(Protocol):
    """What a source task needs of a producer; acknowledgements come inside `send`, `serve` and `flush`."""

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """Hand a record over; waits while the queue is full. `acknowledged` is called when Kafka has it.

        Raises:
            TidelockError: a record could not be delivered.
        """

    def send_many(self, topic: str, batch: OutgoingBatch, acknowledged: Callable[[], None]) -> None:
        """Hand a batch over, in order; `acknowledged` is called when Kafka has all of it. Else as `send`."""

    def serve(self, timeout: float) -> None:
        """Take acknowledgements in; raises as `send`."""

    def flush(self, timeout: float) -> bool:
        """Wait for what is under way; False if some still is. Raises as `send`."""


class CreatingProducer:
    """A TaskProducer that makes each topic before the first record goes there.

    Args:
        producer: sends the records.
        create: makes the topic of a name unless it is there.
    """

    def __init__(self, producer: TaskProducer, create: Callable[[str], None]) -> None:
        self._producer = producer
        self._create = create
        self._known: set[str] = set()

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """See TaskProducer."""
        self._ensure(topic)
        self._producer.send(topic, record, acknowledged)

    def send_many(self, topic: str, batch: OutgoingBatch, acknowledged: Callable[[], None]) -> None:
        """See TaskProducer."""
        self._ensure(topic)
        self._producer.send_many(topic, batch, acknowledged)

    def _ensure(self, topic: str) -> None:
        if topic not in self._known:
            self._create(topic)
            self._known.add(topic)

    def serve(self, timeout: float) -> None:
        """See TaskProducer."""
        self._producer.serve(timeout)

    def flush(self, timeout: float) -> bool:
        """See TaskProducer."""
        return self._producer.flush(timeout)


class SourceProducer:
    """A TaskProducer on tidelock.client: idempotent, acks=all, Java's partitioner, no end to retries.

    Args:
        properties: from `client_properties`.
        name: in the broker's logs.
        is_stopping: whether to give up waiting for room in the queue.

    Raises:
        BrokerUnreachable: no broker answers now.
        ConfigError: a client key is wrong.
    """

    def __init__(self, properties: Mapping[str, str], name: str, is_stopping: Callable[[], bool]) -> None:
        settings = ClientSettings.parse({**PRODUCER_DEFAULTS, **properties}, where="producer keys")
        self._producer: Producer = Producer(settings, name=name)
        self._producer.is_patient = lambda: not is_stopping()

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """See TaskProducer."""
        self._producer.send(topic, record, lambda message: acknowledged())

    def send_many(self, topic: str, batch: OutgoingBatch, acknowledged: Callable[[], None]) -> None:
        """See TaskProducer."""
        self._producer.send_many(topic, batch, acknowledged)

    def serve(self, timeout: float) -> None:
        """See TaskProducer."""
        self._producer.serve(timeout)

    def flush(self, timeout: float) -> bool:
        """See TaskProducer."""
        try:
            self._producer.flush(timeout)
        except BrokerUnreachable:
            return False
        return True


class TransactionalSourceProducer(SourceProducer):
    """A SourceProducer with transactions; `init` comes first.

    Args:
        properties: from `client_properties`.
        transactional_id: of the task.
        name: in the broker's logs.
        is_stopping: see SourceProducer.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        transactional_id: str,
        name: str,
        is_stopping: Callable[[], bool],
    ) -> None:
        settings = ClientSettings.parse(properties, where="producer keys")
        self._transactional = TransactionalProducer(settings, transactional_id, name=name)
        self._producer = self._transactional
        self._producer.is_patient = lambda: not is_stopping()

    def init(self) -> None:
        """Become the holder of the id; see TransactionalProducer."""
        self._transactional.init()

    def begin(self) -> None:
        """See TransactionalProducer."""
        self._transactional.begin()

    def commit(self) -> None:
        """See TransactionalProducer."""
        self._transactional.commit()

    def abort(self) -> None:
        """See TransactionalProducer."""
        self._transactional.abort()


def _ours(given: Sequence[ClientPartition]) -> list[TopicPartition]:
    return [TopicPartition(*one) for one in given]


def _theirs(partitions: Partitions) -> list[ClientPartition]:
    return [ClientPartition(*one) for one in partitions]
