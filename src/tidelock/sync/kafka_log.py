"""The relay's log on a Kafka cluster, over tidelock.client.

The producer is idempotent with acks=all and never gives a record up by itself (`message.timeout.ms=0`): a
record given up while later ones of its key arrive would break the key's order. Keys go to partitions as Java
does it (murmur2). Blocking; used by one thread. Errors are tidelock.client's but for the two of `Log`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from tidelock.client import Admin, Consumer, Outgoing, Producer
from tidelock.client.model import Message, TopicPartition
from tidelock.protocol.error_codes import KafkaError, UnknownTopicOrPartition
from tidelock.sync import rules
from tidelock.sync.errors import LogUnavailable, RecordRejected
from tidelock.sync.rules import NO_TOPIC, OutboxRow, TopicEnds

ASK_EVERY = 0.1  # seconds between questions whether to go on waiting
PATIENCE = 10.0  # seconds that the broker may be silent while a tail is read; the relay tries again
TAIL_POLL = 0.1  # seconds
SILENT_POLLS = 200  # without a record or the end of a partition
LOOKS = 5  # at a topic that was there and is not, before it is believed: a broker may be behind
BETWEEN_LOOKS = 0.5  # seconds
NAME = "tidelock-relay"


class KafkaLog:
    """See `tidelock.sync.log.Log`.

    Args:
        bootstrap: `host:port`, several separated by commas.
        settings: more client keys in any spelling, e.g. of security.
        sleep: waits between two looks at a topic that is not there.
    """

    def __init__(
        self,
        bootstrap: str,
        settings: Mapping[str, object] | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._admin: Admin | None = None
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

    def ends(self, topic: str, *, is_known: bool = False) -> TopicEnds:
        """See Log.

        The admin client asks, because each of its answers is the broker's. A consumer's questions are partly
        answered from what librdkafka remembers, which is "unknown partition" when a broker has just died.
        """
        if self._admin is None:
            self._admin = Admin(self._settings, name=NAME)
        topic_id = self._topic_id(self._admin, topic, LOOKS if is_known else 1)
        if topic_id is None:
            return NO_TOPIC
        found = self._admin.end_offsets(self._admin.partitions(topic))
        ends = {place.partition: end for place, end in found.items()}
        if min(ends.values(), default=-1) < 0:  # what librdkafka answers, without an error, of a dying broker
            raise self._unavailable(f"no end of a partition of topic {topic}")
        return TopicEnds(rules.incarnation_of(topic_id), ends)

    def _topic_id(self, admin: Admin, topic: str, looks: int) -> str | None:
        for look in range(looks):
            if look:
                self._sleep(BETWEEN_LOOKS)
            try:
                return admin.topic_id(topic)
            except UnknownTopicOrPartition:
                continue
        return None

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
                messages = consumer.poll(timeout=TAIL_POLL)
                silent = 0 if messages else silent + 1
                if silent > SILENT_POLLS:
                    raise self._unavailable(consumer.trouble or "no records of a partition")
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
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()
        self._admin = None

    def close(self) -> None:
        """See Log."""
        self.reset()

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
