"""Reading a topic from its beginning to its present end, each partition in offset order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tidelock.errors import UnreachableError
from tidelock.sync.rules import SEQUENCE_HEADER, SOURCE_HEADER

TIMEOUT = 10.0
BATCH = 5000


class TopicEvent(NamedTuple):
    """What the proof needs of one record."""

    partition: int
    key: bytes | None
    source: str
    sequence: int


def read_topic(bootstrap: str, topic: str) -> Iterator[TopicEvent]:
    """Yield every record of a topic as it stands now.

    Raises:
        UnreachableError: the broker does not answer in time.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tidelock-demo-proof",
            "enable.auto.commit": False,
            "check.crcs": True,
        }
    )
    try:
        ends = _ends(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
        left = {partition for partition, end in ends.items() if end > 0}
        while left:
            records = consumer.consume(BATCH, TIMEOUT)
            if not records:
                raise UnreachableError(f"topic {topic!r} could not be read to its end", where=bootstrap)
            for record in records:
                if record.error():
                    raise UnreachableError(f"topic {topic!r}: {record.error()}", where=bootstrap)
                headers = dict(record.headers() or ())
                yield TopicEvent(
                    record.partition(),
                    record.key(),
                    headers[SOURCE_HEADER].decode(),
                    int(headers[SEQUENCE_HEADER]),
                )
                if record.offset() + 1 >= ends[record.partition()]:
                    left.discard(record.partition())
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    partitions = consumer.list_topics(topic, TIMEOUT).topics[topic].partitions
    return {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT)[1]
        for partition in partitions
    }
