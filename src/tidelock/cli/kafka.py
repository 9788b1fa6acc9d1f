"""How commands reach the broker: topics, groups and records as plain rows, over tidelock.client.

What the broker refuses becomes an error with its exit code here: what does not exist is 4, what exists is 6,
what is not allowed is 5, what is wrong is 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from tidelock.cli.records import merged, starts, text, timestamp
from tidelock.client import Admin, BrokerUnreachable, Consumer, Message, Outgoing, Producer, TopicPartition
from tidelock.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    TidelockError,
    UnreachableError,
    UsageError,
)
from tidelock.protocol import error_codes as codes
from tidelock.runtime import Clock, SystemClock

POLL_RECORDS = 1000
POLL_TIMEOUT = 0.1
PATIENCE = 8.0
PAUSE = 0.1
RETRIES = 8
"""Of a request that the broker refuses for the moment: 0.1 s, 0.2 s, 0.4 s and so on up to 1 s apart.
Together they take less than PATIENCE, so that the broker's reason is told and not a time-out."""

T = TypeVar("T")


class NoSuchTopicError(NotFoundError):
    """The broker has no topic, or no partition, of that name."""

    code = "TID-731"


class NoSuchGroupError(NotFoundError):
    """The broker knows no consumer group of that name."""

    code = "TID-732"


class TopicExistsError(ConflictError):
    """There is a topic of that name already."""

    code = "TID-733"


class BrokerRefusedError(UsageError):
    """The broker says that the request is wrong: a topic name, a setting, a record that is too large."""

    code = "TID-734"


class NotAllowedError(RefusedError):
    """The broker does not allow this."""

    code = "TID-735"


class BrokerNotReadyError(UnreachableError):
    """A broker answers, but who coordinates the group or leads the partition is not settled in time."""

    code = "TID-736"


class NotAcknowledgedError(UnreachableError):
    """A broker is there, but does not say in time that it has the records; they may arrive nevertheless."""

    code = "TID-737"


class BrokerDiskError(TidelockError):
    """The broker cannot write to its disk, which is full or broken."""

    code = "TID-742"


_UNSETTLED = (
    codes.CoordinatorLoadInProgress,
    codes.CoordinatorNotAvailable,
    codes.NotCoordinator,
    codes.LeaderNotAvailable,
    codes.NotLeaderOrFollower,
)
_MEANINGS: dict[type[codes.KafkaError], tuple[type[TidelockError], str]] = {
    codes.UnknownTopicOrPartition: (NoSuchTopicError, "tidelock topic ls"),
    codes.GroupIdNotFound: (NoSuchGroupError, "tidelock group ls"),
    codes.TopicAlreadyExists: (TopicExistsError, "--if-not-exists"),
    codes.InvalidTopic: (BrokerRefusedError, "letters, digits, `.`, `_` and `-`, 249 at most"),
    codes.InvalidConfig: (
        BrokerRefusedError,
        "compare with `tidelock topic describe` of another topic, or with Kafka's topic settings",
    ),
    codes.InvalidPartitions: (BrokerRefusedError, "a whole number from 1"),
    codes.InvalidReplicationFactor: (
        BrokerRefusedError,
        "--replication-factor no larger than the number of brokers",
    ),
    codes.InvalidRequest: (BrokerRefusedError, "compare the arguments with --help"),
    codes.MessageTooLarge: (
        BrokerRefusedError,
        "a smaller record, or a topic with a larger max.message.bytes",
    ),
    codes.KafkaStorageError: (
        BrokerDiskError,
        "see `tidelock logs broker`; if the disk is full, free space, or keep less:"
        " tidelock topic alter TOPIC -c retention.bytes=N",
    ),
    codes.TopicAuthorizationFailed: (NotAllowedError, "ask who runs the cluster for the permission"),
    codes.GroupAuthorizationFailed: (NotAllowedError, "ask who runs the cluster for the permission"),
    codes.ClusterAuthorizationFailed: (NotAllowedError, "ask who runs the cluster for the permission"),
    codes.PolicyViolation: (NotAllowedError, "keep to the policy that the broker names"),
    codes.TopicDeletionDisabled: (NotAllowedError, "delete.topic.enable=true on the broker"),
}


def topics(bootstrap: str) -> list[dict[str, Any]]:
    """Return every topic as a row."""
    with asking(bootstrap) as client:
        return [
            {
                "name": one.name,
                "partitions": one.partitions,
                "replicas": one.replicas,
                "internal": one.internal,
            }
            for one in client.topics()
        ]


def create_topic(
    bootstrap: str, name: str, partitions: int | None, configs: Mapping[str, str], *, if_not_exists: bool
) -> bool:
    """Create a topic; False when it exists and that is no error."""
    with asking(bootstrap, name) as client:
        return client.create_topic(name, partitions, configs, if_not_exists=if_not_exists)


def delete_topic(bootstrap: str, name: str) -> None:
    """Delete a topic."""
    with asking(bootstrap, name) as client:
        client.delete_topic(name)


def describe_topic(bootstrap: str, name: str) -> dict[str, Any]:
    """Return a topic with its partitions' offsets and its own settings."""
    with asking(bootstrap, name) as client:
        found = client.describe_topic(name)
        asked = [TopicPartition(name, one.index) for one in found.partitions]
        first, last = settled(lambda: (client.begin_offsets(asked), client.end_offsets(asked)))
        rows = [
            {
                "partition": info.index,
                "leader": info.leader,
                "start": first[one],
                "end": last[one],
            }
            for info, one in zip(found.partitions, asked, strict=True)
        ]
        return {
            "name": name,
            "id": found.id,
            "internal": found.internal,
            "records": sum(last.values()) - sum(first.values()),
            "configs": dict(found.configs),
            "partitions": rows,
        }


def groups(bootstrap: str) -> list[dict[str, Any]]:
    """Return every consumer group as a row."""
    with asking(bootstrap) as client:
        return [{"group": one.name, "state": one.state} for one in settled(client.groups)]


def describe_group(bootstrap: str, name: str) -> dict[str, Any]:
    """Return a group with its members and the lag of each partition.

    Raises:
        NoSuchGroupError: no such group has members or offsets.
    """
    with asking(bootstrap) as client:
        found = settled(lambda: client.describe_group(name))
        owners = {one: member.client for member in found.members for one in member.partitions}
        ends = client.end_offsets(sorted({*found.committed, *owners}))
        rows = []
        for one, end in sorted(ends.items()):
            offset = found.committed.get(one)
            rows.append(
                {
                    "topic": one.topic,
                    "partition": one.partition,
                    "committed": offset,
                    "end": end,
                    "lag": None if offset is None else max(0, end - offset),
                    "client": owners.get(one),
                }
            )
        return {
            "group": name,
            "state": found.state,
            "assignor": found.assignor,
            "members": [{"member": one.id, "client": one.client, "host": one.host} for one in found.members],
            "partitions": rows,
        }


def produce(bootstrap: str, topic: str, records: Iterable[Outgoing]) -> int:
    """Send records and wait until all are acknowledged; returns how many.

    Raises:
        TidelockError: the first record that the broker did not take.
    """
    settings = {
        "bootstrap.servers": bootstrap,
        "delivery.timeout.ms": str(int(PATIENCE * 1000)),
        "retries": str(RETRIES),
    }
    with meaning(bootstrap, topic), Producer(settings, name="tidelock-cli") as producer:
        try:
            count = producer.send_batch(topic, records)
            producer.flush()
        except BrokerUnreachable as error:
            raise NotAcknowledgedError(
                f"the broker did not acknowledge the records within {PATIENCE:.0f} s",
                where=f"topic {topic} on {bootstrap}: {error.what}",
                hint="tidelock status; tidelock logs broker",
            ) from error
        except codes.KafkaStorageError as error:
            what = "the broker cannot store the records: its disk is full or fails (KAFKA_STORAGE_ERROR)"
            raise codes.KafkaStorageError(what, where=error.where) from error
        return count


def tail(
    bootstrap: str, topic: str, start: str, *, partition: int | None, follow: bool
) -> Iterator[dict[str, Any]]:
    """Yield records of a topic as rows, from `start` on; without `follow` up to the present end."""
    with asking(bootstrap, topic) as client:
        wanted = [one for one in client.partitions(topic) if partition in (None, one.partition)]
        if not wanted:
            where = f"topic {topic} on {bootstrap}"
            raise NoSuchTopicError(f"there is no partition {partition}", where=where)
        first, last = settled(lambda: (client.begin_offsets(wanted), client.end_offsets(wanted)))
    begin = starts(start, first, last)
    with meaning(bootstrap, topic), closing(Consumer(bootstrap, name="tidelock-cli")) as consumer:
        rows = read(consumer, begin, last)
        yield from merged(rows, -int(start)) if start.startswith("-") else rows
        if follow:
            yield from read(consumer, last, None)


def read(
    consumer: Consumer, begin: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int] | None
) -> Iterator[dict[str, Any]]:
    """Yield the records of partitions from `begin` up to `end`, or for ever, as rows."""
    return map(row, messages(consumer, begin, end))


def messages(
    consumer: Consumer, begin: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int] | None
) -> Iterator[Message]:
    """Yield the records of partitions from `begin` up to `end`, or for ever."""
    waiting = {one: offset for one, offset in begin.items() if end is None or offset < end[one]}
    if not waiting:
        return
    consumer.assign(waiting)
    while waiting:
        for message in consumer.poll(POLL_RECORDS, POLL_TIMEOUT):
            one = TopicPartition(message.topic(), message.partition())
            if end is None:
                yield message
                continue
            if message.offset() < end[one]:
                yield message
            if message.offset() >= end[one] - 1:
                waiting.pop(one, None)
        if end is not None:
            waiting = {one: offset for one, offset in waiting.items() if one not in consumer.at_end}


def row(message: Message) -> dict[str, Any]:
    """Return a record as a row."""
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp(message.timestamp()[1]),
        "key": text(message.key()),
        "value": text(message.value()),
        "headers": {name: text(value) for name, value in message.headers() or ()},
    }


def settled(ask: Callable[[], T], clock: Clock | None = None) -> T:
    """Ask again while a cluster that has just started still settles who coordinates and leads.

    Raises:
        BrokerNotReadyError: it did not within `PATIENCE` seconds.
    """
    clock = clock or SystemClock()
    deadline = clock.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except _UNSETTLED as error:
            if clock.monotonic() >= deadline:
                raise BrokerNotReadyError(
                    f"the cluster is not settled: {error.error_name}", where=error.where, hint="try again"
                ) from error
            time.sleep(PAUSE)


@contextmanager
def asking(bootstrap: str, topic: str | None = None) -> Iterator[Admin]:
    """Give an admin client of a broker that listens."""
    with meaning(bootstrap, topic):
        yield Admin(bootstrap, name="tidelock-cli")


@contextmanager
def meaning(bootstrap: str, topic: str | None) -> Iterator[None]:
    """Turn the broker's outcomes into errors that have an exit code and say where."""
    try:
        yield
    except codes.KafkaError as error:
        kind, hint = _MEANINGS.get(type(error), (None, None))
        if kind is None:
            raise
        what = error.what.rstrip(".")
        what = what[:1].lower() + what[1:]
        where = f"topic {topic} on {bootstrap}" if topic else bootstrap
        raise kind(what, where=where, hint=hint) from error
