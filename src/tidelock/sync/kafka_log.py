"""The relay's log on a Kafka cluster, over librdkafka.

The producer is idempotent with acks=all and never gives a record up by itself (`message.timeout.ms=0`): a
record given up while later ones of its key arrive would break the key's order. Keys go to partitions as Java
does it (murmur2). Blocking; used by one thread. Foreign errors are translated here and nowhere else.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tidelock.sync import rules
from tidelock.sync.errors import LogUnavailable, RecordRejected
from tidelock.sync.rules import OutboxRow

log = logging.getLogger(__name__)

ASK_EVERY = 0.1  # seconds between questions whether to go on waiting
ANSWER_WITHIN = 3.0  # seconds for a request to be answered; the relay tries again
IDLE_READS = 30  # seconds without any record or end of partition while reading a tail
READ_AT_ONCE = 1000  # records


@dataclass(slots=True)
class _Delivery:
    """What became of the rows of one append."""

    waiting: int = 0
    ends: dict[rules.TopicPartition, int] = field(default_factory=dict)
    failures: list[tuple[OutboxRow, KafkaError]] = field(default_factory=list)

    def report(self, row: OutboxRow, error: KafkaError | None, message: Any) -> None:
        self.waiting -= 1
        if error is not None:
            self.failures.append((row, error))
            return
        place = message.topic(), message.partition()
        self.ends[place] = max(self.ends.get(place, 0), message.offset() + 1)


class KafkaLog:
    """See `tidelock.sync.log.Log`.

    Args:
        bootstrap: `host:port`, several separated by commas.
        settings: more librdkafka settings, e.g. of security.
    """

    def __init__(self, bootstrap: str, settings: Mapping[str, Any] | None = None) -> None:
        self._bootstrap = bootstrap
        self._common = {"bootstrap.servers": bootstrap, **(settings or {})}
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._trouble = ""

    def append(
        self, rows: Sequence[OutboxRow], source: str, *, go_on: Callable[[], bool]
    ) -> Mapping[rules.TopicPartition, int]:
        """See Log."""
        delivery = _Delivery()
        producer = self._open_producer()
        for row in rows:
            self._produce(producer, row, source, delivery, go_on)
            if delivery.failures:
                break
        while delivery.waiting:
            producer.poll(ASK_EVERY)
            if not go_on():
                raise self._unavailable(self._trouble or "told to stop while records were on their way")
        if delivery.failures:
            raise self._rejected(*delivery.failures[0])
        self._trouble = ""
        return delivery.ends

    def _produce(
        self,
        producer: Producer,
        row: OutboxRow,
        source: str,
        delivery: _Delivery,
        go_on: Callable[[], bool],
    ) -> None:
        report = functools.partial(delivery.report, row)
        while True:
            try:
                producer.produce(
                    row.topic,
                    row.value,
                    row.key,
                    on_delivery=report,
                    timestamp=row.created_ms,
                    headers=rules.headers_of(row, source),
                )
            except BufferError:  # full: wait for deliveries
                producer.poll(ASK_EVERY)
                if not go_on():
                    raise self._unavailable(self._trouble or "told to stop") from None
                continue
            except KafkaException as error:
                delivery.failures.append((row, error.args[0]))
                return
            delivery.waiting += 1
            producer.poll(0)
            return

    def ends(self, topic: str) -> Mapping[int, int]:
        """See Log."""
        consumer = self._open_consumer()
        try:
            found = consumer.list_topics(topic, timeout=ANSWER_WITHIN).topics.get(topic)
            if found is None or found.error is not None:
                if found is None or found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    return {}
                raise self._unavailable(found.error.str())
            return {
                partition: consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ANSWER_WITHIN
                )[1]
                for partition in found.partitions
            }
        except KafkaException as error:
            raise self._unavailable(error.args[0].str()) from error

    def sequences(self, starts: Mapping[rules.TopicPartition, int], source: str) -> set[int]:
        """See Log."""
        found: set[int] = set()
        try:
            for message in self._read(starts):
                number = rules.sequence_of(message.headers(), source)
                if number is not None:
                    found.add(number)
        except KafkaException as error:
            raise self._unavailable(error.args[0].str()) from error
        return found

    def _read(self, starts: Mapping[rules.TopicPartition, int]) -> Iterator[Any]:
        """Yield the records from these offsets to the present end of each partition."""
        consumer = self._open_consumer()
        consumer.assign([TopicPartition(topic, number, start) for (topic, number), start in starts.items()])
        open_ends, idle = set(starts), 0
        try:
            while open_ends:
                messages = consumer.consume(READ_AT_ONCE, timeout=1.0)
                idle = 0 if messages else idle + 1
                if idle > IDLE_READS:
                    raise self._unavailable(self._trouble or f"no records in {IDLE_READS} s")
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_ends.discard((message.topic(), message.partition()))
                    elif not error.retriable():
                        raise self._unavailable(error.str())
        finally:
            consumer.unassign()

    def reset(self) -> None:
        """See Log."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=False)
            producer.poll(0)

    def close(self) -> None:
        """See Log."""
        self.reset()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open_producer(self) -> Producer:
        if self._producer is None:
            settings = {
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 0,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "error_cb": self._note_trouble,
                "client.id": "tidelock-relay",
            }
            self._producer = Producer(self._common | settings, logger=log)
        return self._producer

    def _open_consumer(self) -> Consumer:
        if self._consumer is None:
            settings = {
                "group.id": "tidelock-relay",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",  # retention passed the stored end
                "isolation.level": "read_uncommitted",
                "error_cb": self._note_trouble,
                "client.id": "tidelock-relay",
            }
            self._consumer = Consumer(self._common | settings, logger=log)
        return self._consumer

    def _note_trouble(self, error: KafkaError) -> None:
        self._trouble = error.str()

    def trouble(self) -> str:
        """Return the last complaint of the client library since records last arrived, or nothing."""
        return self._trouble

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(
            f"the broker does not answer: {why}",
            where=self._bootstrap,
            hint="start it with: tidelock up broker; the outbox keeps everything until then",
        )

    def _rejected(self, row: OutboxRow, error: confluent_kafka.KafkaError) -> RecordRejected | LogUnavailable:
        if error.fatal() or error.retriable() or error.code() in _PASSING:
            return self._unavailable(error.str())
        return RecordRejected(
            f"the broker refuses a record: {error.str()}",
            where=f"outbox row {row.id}, topic {row.topic}, key {row.key!r}",
            hint="it and all rows behind it wait; fix the topic or its limits, or delete the row",
        )


_PASSING = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
