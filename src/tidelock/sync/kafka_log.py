"""The relay's log on a Kafka cluster, over tidelock.client.

The producer is idempotent with acks=all and never gives a record up by itself (`message.timeout.ms=0`): a
record given up while later ones of its key arrive would break the key's order. Keys go to partitions as Java
does it (murmur2). Blocking; used by one thread. Errors are tidelock.client's but for the two of `Log`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tidelock.client import Consumer, Outgoing, Producer
from tidelock.client.model import Message, TopicPartition
from tidelock.protocol.error_codes import KafkaError, UnknownTopicOrPartition
from tidelock.sync import rules
from tidelock.sync.errors import LogUnavailable, RecordRejected
from tidelock.sync.rules import OutboxRow

ASK_EVERY = 0.1  # seconds between questions whether to go on waiting
PATIENCE = 10.0  # seconds that the broker may be silent while a tail is read; the relay tries again
SILENT_POLLS = 20  # of a second each, without a record or the end of a partition
NAME = "tidelock-relay"


class KafkaLog:
    """See `tidelock.sync.log.Log`.

    Args:
        bootstrap: `host:port`, several separated by commas.
        settings: more client keys in any spelling, e.g. of security.
    """

    def __init__(self, bootstrap: str, settings: Mapping[str, object] | None = None) -> None:
        self._bootstrap = bootstrap
        self._settings = {"bootstrap.servers": bootstrap, **(settings or {})}
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None

    def append(
        self, rows: Sequence[OutboxRow], source: str, *, go_on: Callable[[], bool]
    ) -> Mapping[rules.TopicPartition, int]:
        """See Log."""
        producer = self._open_producer()
        ends: dict[rules.TopicPartition, int] = {}
        delivered: set[int] = set()

        def note(row: OutboxRow) -> Callable[[Message], None]:
            def noted(message: Message) -> None:
                delivered.add(row.id)
                place = message.topic(), message.partition()
                ends[place] = max(ends.get(place, 0), message.offset() + 1)

            return noted

        try:
            for row in rows:
                headers = rules.headers_of(row, source)
                record = Outgoing(row.key, row.value, headers, timestamp=row.created_ms)
                producer.send(row.topic, record, note(row))
            while len(delivered) < len(rows):
                producer.serve(ASK_EVERY)
                if not go_on():
                    raise self._unavailable(producer.trouble or "told to stop with records on their way")
        except KafkaError as error:
            if error.retriable or isinstance(error, UnknownTopicOrPartition):
                raise
            raise self._rejected(next(row for row in rows if row.id not in delivered), error) from error
        return ends

    def ends(self, topic: str) -> Mapping[int, int]:
        """See Log."""
        consumer = self._open_consumer()
        try:
            found = consumer.end_offsets(consumer.partitions(topic))
        except UnknownTopicOrPartition:
            return {}
        return {place.partition: end for place, end in found.items()}

    def sequences(self, starts: Mapping[rules.TopicPartition, int], source: str) -> set[int]:
        """See Log."""
        if not starts:
            return set()
        consumer = self._open_consumer()
        wanted = {TopicPartition(*place): start for place, start in starts.items()}
        found: set[int] = set()
        consumer.assign(wanted)
        silent = 0
        try:
            while not wanted.keys() <= consumer.at_end:
                messages = consumer.poll(timeout=1.0)
                silent = 0 if messages else silent + 1
                if silent > SILENT_POLLS:
                    raise self._unavailable(consumer.trouble or f"no records for {SILENT_POLLS} s")
                for message in messages:
                    number = rules.sequence_of(message.headers(), source)
                    if number is not None:
                        found.add(number)
        finally:
            consumer.unassign()
        return found

    def reset(self) -> None:
        """See Log."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.abandon()

    def close(self) -> None:
        """See Log."""
        self.reset()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open_producer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer({**self._settings, "message.timeout.ms": "0"}, name=NAME)
        return self._producer

    def _open_consumer(self) -> Consumer:
        if self._consumer is None:
            # From the earliest record where retention has passed a stored end; the client's default.
            settings = {**self._settings, "isolation.level": "read_uncommitted"}
            self._consumer = Consumer(settings, name=NAME, patience=PATIENCE)
        return self._consumer

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(
            f"the broker does not answer: {why}",
            where=self._bootstrap,
            hint="start it with: tidelock up broker; the outbox keeps everything until then",
        )

    def _rejected(self, row: OutboxRow, error: KafkaError) -> RecordRejected:
        return RecordRejected(
            f"the broker refuses a record: {error.what}",
            where=f"outbox row {row.id} or one soon after it, topic {row.topic}, key {row.key!r}",
            hint="it and all rows behind it wait; fix the topic or its limits, or delete the row",
        )
