"""Dead letters: what their headers tell, and the records they were. The `dlq` commands work with this.

Rules are functions of records; `read` and `replay` ask the broker. A replayed letter goes back to the topic
and partition it was read from, as it was, without the headers that Connect added. How far a queue was
replayed is kept as the committed offsets of a group, so nothing is sent twice by asking twice; a replay that
is killed between the broker's acknowledgement and the commit sends its last records again.

Source: Kafka `org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter` (header names), KIP-298.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tidelock.cli import kafka
from tidelock.cli.records import text, timestamp
from tidelock.client import Consumer, Message, Outgoing, Producer, TopicPartition
from tidelock.errors import UsageError

PREFIX = "__connect.errors."
GROUP = "tidelock-dlq-replay-"
BATCH = 500
"""Letters that are sent between two commits."""


class NotALetterError(UsageError):
    """A record in the queue does not say where it came from."""

    code = "TID-739"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a letter's record was read from."""

    topic: str
    partition: int | None
    offset: int | None


def context(message: Message) -> dict[str, str]:
    """Return what Connect noted about a letter, by the header's last part."""
    return {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in message.headers() or ()
        if name.startswith(PREFIX)
    }


def origin(message: Message) -> Origin | None:
    """Return where the record came from; None where its headers do not tell."""
    found = context(message)
    topic = found.get("topic")
    if not topic:
        return None
    partition, offset = (found.get(name, "") for name in ("partition", "offset"))
    return Origin(
        topic,
        int(partition) if partition.isdecimal() else None,
        int(offset) if offset.isdecimal() else None,
    )


def row(message: Message) -> dict[str, Any]:
    """Return a letter as a row."""
    found, where = context(message), origin(message)
    place = None if where is None else f"{where.topic}-{where.partition}@{where.offset}"
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp(message.timestamp()[1]),
        "from": place,
        "connector": found.get("connector.name"),
        "task": found.get("task.id"),
        "stage": found.get("stage"),
        "class": found.get("class.name"),
        "error": found.get("exception.class.name"),
        "message": found.get("exception.message"),
        "key": text(message.key()),
        "value": text(message.value()),
    }


def original(message: Message) -> Outgoing:
    """Return the record that a letter was: key, value, timestamp and own headers, for its old partition."""
    where = origin(message)
    headers = [(name, value) for name, value in message.headers() or () if not name.startswith(PREFIX)]
    kind, moment = message.timestamp()
    partition = None if where is None else where.partition
    return Outgoing(message.key(), message.value(), headers, partition, moment if kind else None)


def is_wanted(message: Message, stage: str | None, error: str | None) -> bool:
    """Whether a letter is of this stage, and its error's class or message holds this text."""
    found = context(message)
    told = f"{found.get('exception.class.name', '')} {found.get('exception.message', '')}"
    return (stage is None or found.get("stage", "").lower() == stage.lower()) and (error or "") in told


def queues(connectors: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (connector, topic) for every connector of an expanded list that has a dead letter queue."""
    for name, document in sorted(connectors.items()):
        config = document.get("info", {}).get("config", {})
        topic = config.get("errors.deadletterqueue.topic.name")
        if topic:
            yield name, topic


def counts(bootstrap: str, topic: str) -> dict[str, int] | None:
    """Return how many letters a queue holds and how many were not replayed; None without the topic."""
    try:
        with kafka.asking(bootstrap, topic) as client:
            wanted = client.partitions(topic)
            first, last = kafka.settled(lambda: (client.begin_offsets(wanted), client.end_offsets(wanted)))
            done = kafka.settled(lambda: client.committed(GROUP + topic))
    except kafka.NoSuchTopicError:
        return None
    return {
        "letters": sum(last[one] - first[one] for one in wanted),
        "not_replayed": sum(last[one] - max(first[one], done.get(one, 0)) for one in wanted),
    }


def read(bootstrap: str, topic: str, *, anew: bool) -> Iterator[Message]:
    """Yield the letters of a queue up to its present end, per partition in order.

    Args:
        bootstrap: the broker.
        topic: the queue.
        anew: also those that were replayed before.

    Raises:
        NoSuchTopicError: there is no such queue.
    """
    with kafka.asking(bootstrap, topic) as client:
        wanted = client.partitions(topic)
        first, last = kafka.settled(lambda: (client.begin_offsets(wanted), client.end_offsets(wanted)))
        done = {} if anew else kafka.settled(lambda: client.committed(GROUP + topic))
    begin = {one: max(first[one], done.get(one, 0)) for one in wanted}
    with kafka.meaning(bootstrap, topic), closing(Consumer(bootstrap, name="tidelock-cli")) as consumer:
        yield from kafka.messages(consumer, begin, last)


def target_of(letter: Message, to: str | None) -> str:
    """Return the topic that a letter goes back to: `to`, else the one that its headers name.

    Raises:
        NotALetterError: they name none.
    """
    where = origin(letter)
    if to is None and where is None:
        raise NotALetterError(
            "the record does not say which topic it was read from",
            where=f"{letter.topic()}-{letter.partition()}@{letter.offset()}",
            hint="name it with --to; errors.deadletterqueue.context.headers.enable=true notes it",
        )
    return to or (where.topic if where else "")


def replay(
    bootstrap: str, topic: str, letters: Iterable[Message], target: Callable[[Message], str], *, marks: bool
) -> Iterator[Message]:
    """Send letters back, BATCH at a time; yields those that Kafka has acknowledged.

    Args:
        bootstrap: the broker.
        topic: the queue.
        letters: from `read`, in its order.
        target: the topic that a letter goes to.
        marks: whether to note how far the queue was replayed.
    """
    settings = {"bootstrap.servers": bootstrap, "delivery.timeout.ms": str(int(kafka.PATIENCE * 1000))}
    with kafka.meaning(bootstrap, topic), Producer(settings, name="tidelock-cli") as producer:
        for batch in _batches(letters):
            for letter in batch:
                producer.send(target(letter), original(letter))
            producer.flush()
            if marks:
                _mark(bootstrap, topic, batch)
            yield from batch


def _mark(bootstrap: str, topic: str, letters: Iterable[Message]) -> None:
    offsets = {TopicPartition(topic, one.partition()): one.offset() + 1 for one in letters}
    with kafka.asking(bootstrap, topic) as client:
        kafka.settled(lambda: client.commit(GROUP + topic, offsets))


def _batches(letters: Iterable[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    for letter in letters:
        batch.append(letter)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
