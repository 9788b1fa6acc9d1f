"""Reading a topic from its beginning to its present end, each partition in offset order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tidelock.client import Consumer, TopicPartition
from tidelock.errors import UnreachableError
from tidelock.sync.rules import SEQUENCE_HEADER, SOURCE_HEADER

TIMEOUT = 10.0
PAUSE = 0.1
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
    with Consumer(bootstrap, name="tidelock-demo-proof") as consumer:
        partitions = consumer.partitions(topic)
        ends, begins = consumer.end_offsets(partitions), consumer.begin_offsets(partitions)
        consumer.assign(dict(begins))
        left = {partition for partition in partitions if ends[partition] > begins[partition]}
        silent = 0.0
        while left:
            messages = consumer.poll(BATCH, PAUSE)
            silent = 0.0 if messages else silent + PAUSE
            if silent > TIMEOUT:
                raise UnreachableError(f"topic {topic!r} could not be read to its end", where=bootstrap)
            for message in messages:
                headers = dict(message.headers() or ())
                source, sequence = headers[SOURCE_HEADER], headers[SEQUENCE_HEADER]
                yield TopicEvent(message.partition(), message.key(), _text(source), int(_text(sequence)))
                place = TopicPartition(topic, message.partition())
                if message.offset() + 1 >= ends[place]:
                    left.discard(place)


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
