"""The tasks' Kafka clients: the only module of Connect that knows confluent_kafka.

Tasks see `TaskConsumer` and `TaskProducer`; tests give them fakes of the same shape. Java's client keys are
accepted under `consumer.`/`producer.` (worker) and `consumer.override.`/`producer.override.` (connector).
librdkafka's errors are translated here, once. librdkafka is imported when a client is made: the fork server
must never hold one.

Source: Kafka `org.apache.kafka.connect.runtime.Worker` (client defaults); librdkafka CONFIGURATION.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tidelock.connect.api import ConnectError, TopicPartition
from tidelock.connect.runtime.batching import Message

log = logging.getLogger(__name__)

Partitions = Sequence[TopicPartition]
SHARED = ("security.", "sasl.", "ssl.")

# Java's name -> librdkafka's; None: a matter of the Java client alone.
JAVA_NAMES: dict[str, str | None] = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    "max.poll.records": None,
    "key.deserializer": None,
    "value.deserializer": None,
    "key.serializer": None,
    "value.serializer": None,
    "buffer.memory": None,
    "max.block.ms": None,
    "partitioner.class": None,
    "default.api.timeout.ms": None,
    "metadata.max.age.ms": "metadata.max.age.ms",
    "partition.assignment.strategy": None,
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
}


class KafkaClientError(ConnectError):
    """A Kafka client cannot go on; retriable errors are waited out before this is raised."""

    code = "TID-504"


def client_properties(worker: Mapping[str, str], connector: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return the client keys that a connector's tasks use, in librdkafka's names.

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
    named = {JAVA_NAMES.get(name, name): value for name, value in given.items()}
    return {name: value for name, value in named.items() if name is not None}


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

    def pause(self, partitions: Partitions) -> None:
        """Get no messages of these partitions."""

    def resume(self, partitions: Partitions) -> None:
        """Get messages of these partitions again, from where they were paused."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at another offset."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit; False when the group has moved on and somebody else owns the partitions."""

    def close(self) -> None:
        """Leave the group."""


class ConfluentConsumer:
    """A TaskConsumer on librdkafka.

    Args:
        properties: from `client_properties`.
        group: the consumer group.
        client: name in the broker's logs.
    """

    def __init__(self, properties: Mapping[str, str], group: str, client: str) -> None:
        import confluent_kafka  # see the module docstring

        self._kafka = confluent_kafka
        settings = {
            "group.id": group,
            "client.id": client,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": "true",
            "topic.metadata.refresh.interval.ms": "5000",
            "session.timeout.ms": "10000",
            "fetch.wait.max.ms": "100",
            "queued.min.messages": "20000",
            **properties,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
        }
        self._consumer = _made(confluent_kafka, confluent_kafka.Consumer, settings)

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callable[[Partitions], None],
        on_revoke: Callable[[Partitions, bool], None],
    ) -> None:
        """See TaskConsumer."""
        self._consumer.subscribe(
            list(topics),
            on_assign=lambda _, given: on_assign(_partitions(given)),
            on_revoke=lambda _, given: on_revoke(_partitions(given), False),
            on_lost=lambda _, given: on_revoke(_partitions(given), True),
        )

    def poll(self, max_records: int, timeout: float) -> list[Message]:
        """See TaskConsumer; transport errors are librdkafka's to mend and only logged."""
        try:
            messages = self._consumer.consume(max_records, timeout)
        except self._kafka.KafkaException as error:
            raise _translated(error) from error
        return [message for message in messages if message.error() is None or self._is_fine(message.error())]

    def _is_fine(self, error: Any) -> bool:
        if error.fatal() or error.code() in (
            self._kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
            self._kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
            self._kafka.KafkaError._AUTO_OFFSET_RESET,
        ):
            raise KafkaClientError(f"the consumer cannot go on: {error.str()}")
        log.info("consumer: %s", error.str())
        return False

    def assign(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """See TaskConsumer."""
        stored = self._kafka.OFFSET_STORED
        self._consumer.assign(
            [
                self._kafka.TopicPartition(*partition, stored if offset is None else offset)
                for partition, offset in offsets.items()
            ]
        )

    def unassign(self) -> None:
        """See TaskConsumer."""
        self._consumer.unassign()

    def end_offsets(self, partitions: Partitions) -> dict[TopicPartition, int]:
        """See TaskConsumer."""
        try:
            return {
                partition: self._consumer.get_watermark_offsets(self._kafka.TopicPartition(*partition), 10)[1]
                for partition in partitions
            }
        except self._kafka.KafkaException as error:
            raise _translated(error) from error

    def pause(self, partitions: Partitions) -> None:
        """See TaskConsumer."""
        self._consumer.pause(self._theirs(partitions))

    def resume(self, partitions: Partitions) -> None:
        """See TaskConsumer."""
        self._consumer.resume(self._theirs(partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See TaskConsumer."""
        self._consumer.seek(self._kafka.TopicPartition(*partition, offset))

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """See TaskConsumer."""
        wanted = [self._kafka.TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        except self._kafka.KafkaException as error:
            log.warning("offsets were not committed, next time: %s", error)
            return False
        refused = [str(one.error) for one in done or [] if one.error is not None]
        if refused:
            log.warning("offsets were not committed, next time: %s", refused[0])
        return not refused

    def close(self) -> None:
        """See TaskConsumer."""
        self._consumer.close()

    def _theirs(self, partitions: Partitions) -> list[Any]:
        return [self._kafka.TopicPartition(*partition) for partition in partitions]


class TaskProducer(Protocol):
    """What a source task needs of a producer; acknowledgements come inside `serve`, `send` and `flush`."""

    def send(self, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """Hand a record over; waits while the queue is full. `acknowledged` is called when Kafka has it.

        Raises:
            KafkaClientError: an earlier record could not be delivered.
        """

    def serve(self, timeout: float) -> None:
        """Take acknowledgements in; raises as `send`."""

    def flush(self, timeout: float) -> int:
        """Wait for what is under way; returns how many records still are. Raises as `send`."""


class Outgoing:
    """One converted record on its way to Kafka."""

    __slots__ = ("headers", "key", "partition", "timestamp", "topic", "value")

    def __init__(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self.topic = topic
        self.key = key
        self.value = value
        self.partition: int | None = None
        self.timestamp: int | None = None
        self.headers: list[tuple[str, bytes | None]] | None = None


class ConfluentProducer:
    """A TaskProducer on librdkafka: idempotent, acks=all, Java's partitioner, no end to retries."""

    def __init__(self, properties: Mapping[str, str], client: str) -> None:
        import confluent_kafka  # see the module docstring

        self._kafka = confluent_kafka
        settings = {
            "client.id": client,
            "enable.idempotence": "true",
            "partitioner": "murmur2_random",
            "linger.ms": "5",
            "message.timeout.ms": "0",
            **properties,
        }
        self._producer = _made(confluent_kafka, confluent_kafka.Producer, settings)
        self._failed: ConnectError | None = None

    def send(self, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        """See TaskProducer."""

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                acknowledged()
            elif self._failed is None:
                self._failed = KafkaClientError(
                    f"a record was not delivered: {error.str()}", where=f"topic {message.topic()}"
                )

        extra: dict[str, Any] = {}
        if record.partition is not None:
            extra["partition"] = record.partition
        if record.timestamp is not None:
            extra["timestamp"] = record.timestamp
        if record.headers:
            extra["headers"] = record.headers
        while True:
            self._raise_failure()
            try:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=delivered, **extra)
                return
            except BufferError:
                self._producer.poll(0.1)
            except self._kafka.KafkaException as error:
                raise _translated(error) from error

    def serve(self, timeout: float) -> None:
        """See TaskProducer."""
        self._producer.poll(timeout)
        self._raise_failure()

    def flush(self, timeout: float) -> int:
        """See TaskProducer."""
        left: int = self._producer.flush(timeout)
        self._raise_failure()
        return left

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed


def _made(kafka: Any, client: Any, settings: Mapping[str, str]) -> Any:
    try:
        return client(dict(settings), logger=logging.getLogger("tidelock.connect.librdkafka"))
    except (kafka.KafkaException, ValueError, TypeError) as error:
        hint = "check the consumer., producer. and *.override. keys"
        raise KafkaClientError(f"the Kafka client refuses its configuration: {error}", hint=hint) from error


def _translated(error: Any) -> KafkaClientError:
    given = error.args[0] if error.args else error
    text = given.str() if hasattr(given, "str") else str(given)
    return KafkaClientError(f"Kafka: {text}")


def _partitions(given: Sequence[Any]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in given]
