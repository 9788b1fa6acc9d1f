"""How commands reach the broker: topics, groups and records as plain rows.

Everything that goes wrong becomes an error with its exit code here. Whether somebody listens is asked first
with a plain connection, so that a broker that is not there is told at once and not after a time-out.
"""

from __future__ import annotations

import importlib
import logging
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)

from tidelock.cli.records import Outgoing, merged, starts, text, timestamp
from tidelock.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    TidelockError,
    UnreachableError,
    UsageError,
)

TIMEOUT = 10.0
CONNECT_TIMEOUT = 3.0
FLUSH_TIMEOUT = 60.0
POLL_RECORDS = 1000
HINT = "tidelock up broker, or name another one with --bootstrap"

library: Any = importlib.import_module("confluent_kafka.admin")  # its type hints are partial
Client = Any

_QUIET = logging.getLogger("librdkafka")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

_UNREACHABLE = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._RESOLVE,
)
_MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_WRONG = (
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_REQUEST,
    KafkaError.MSG_SIZE_TOO_LARGE,
)
_FORBIDDEN = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_DELETION_DISABLED,
)


class BrokerUnreachableError(UnreachableError):
    """No broker answers at the bootstrap address, or not in time."""

    code = "TID-730"


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


class BrokerFailedError(TidelockError):
    """The broker could not do it."""

    code = "TID-736"


def topics(bootstrap: str) -> list[dict[str, Any]]:
    """Return every topic as a row."""
    with admin(bootstrap) as client:
        found = client.list_topics(timeout=TIMEOUT).topics
        return [
            {
                "name": name,
                "partitions": len(topic.partitions),
                "replicas": max((len(one.replicas) for one in topic.partitions.values()), default=0),
                "internal": name.startswith("__"),
            }
            for name, topic in sorted(found.items())
        ]


def create_topic(
    bootstrap: str, name: str, partitions: int | None, configs: Mapping[str, str], *, if_not_exists: bool
) -> bool:
    """Create a topic; False when it exists and that is no error."""
    with admin(bootstrap, name) as client:
        topic = library.NewTopic(
            name, num_partitions=partitions or -1, replication_factor=-1, config=dict(configs)
        )
        try:
            answer(client.create_topics([topic], request_timeout=TIMEOUT)[name])
        except KafkaException as error:
            if if_not_exists and error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise
        return True


def delete_topic(bootstrap: str, name: str) -> None:
    """Delete a topic."""
    with admin(bootstrap, name) as client:
        answer(client.delete_topics([name], request_timeout=TIMEOUT)[name])


def describe_topic(bootstrap: str, name: str) -> dict[str, Any]:
    """Return a topic with its partitions' offsets and its own settings."""
    with admin(bootstrap, name) as client:
        found = answer(client.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT)[name])
        resource = library.ConfigResource(library.ResourceType.TOPIC, name)
        configs = answer(client.describe_configs([resource], request_timeout=TIMEOUT)[resource])
        indexes = [one.id for one in found.partitions]
        first = offsets(client, name, indexes, library.OffsetSpec.earliest())
        last = offsets(client, name, indexes, library.OffsetSpec.latest())
        leaders = {one.id: one.leader.id if one.leader else None for one in found.partitions}
        return {
            "name": name,
            "id": str(found.topic_id),
            "internal": bool(found.is_internal),
            "records": sum(last.values()) - sum(first.values()),
            "configs": {key: one.value for key, one in sorted(configs.items()) if not one.is_default},
            "partitions": [
                {"partition": index, "leader": leaders[index], "start": first[index], "end": last[index]}
                for index in indexes
            ],
        }


def groups(bootstrap: str) -> list[dict[str, Any]]:
    """Return every consumer group as a row."""
    with admin(bootstrap) as client:
        names = sorted(one.group_id for one in answer(client.list_consumer_groups()).valid)
        described = client.describe_consumer_groups(names, request_timeout=TIMEOUT) if names else {}
        return [
            {"group": name, "state": state_of(found), "members": len(found.members)}
            for name, found in ((name, answer(described[name])) for name in names)
        ]


def describe_group(bootstrap: str, name: str) -> dict[str, Any]:
    """Return a group with its members and the lag of each partition.

    Raises:
        NoSuchGroupError: no such group has members or offsets.
    """
    with admin(bootstrap) as client:
        found = answer(client.describe_consumer_groups([name], request_timeout=TIMEOUT)[name])
        asked = ConsumerGroupTopicPartitions(name)
        listed = answer(client.list_consumer_group_offsets([asked], request_timeout=TIMEOUT)[name])
        committed = {(one.topic, one.partition): one.offset for one in listed.topic_partitions}
        owners = {
            (one.topic, one.partition): member.client_id
            for member in found.members
            for one in member.assignment.topic_partitions
        }
        if state_of(found) == "DEAD" and not committed:
            raise NoSuchGroupError(f"there is no group {name!r}", where=bootstrap, hint="tidelock group ls")
        return {
            "group": name,
            "state": state_of(found),
            "assignor": found.partition_assignor or None,
            "members": [
                {"member": one.member_id, "client": one.client_id, "host": one.host} for one in found.members
            ],
            "partitions": list(lags(client, committed, owners)),
        }


def lags(
    client: Client, committed: Mapping[tuple[str, int], int], owners: Mapping[tuple[str, int], str]
) -> Iterator[dict[str, Any]]:
    """Yield each partition that a group has committed or owns, with its lag."""
    wanted = sorted({*committed, *owners})
    for topic in dict.fromkeys(topic for topic, _ in wanted):
        last = offsets(
            client, topic, [index for name, index in wanted if name == topic], library.OffsetSpec.latest()
        )
        for index, end in last.items():
            offset = committed.get((topic, index))
            yield {
                "topic": topic,
                "partition": index,
                "committed": offset,
                "end": end,
                "lag": None if offset is None else max(0, end - offset),
                "client": owners.get((topic, index)),
            }


def produce(bootstrap: str, topic: str, records: Iterable[Outgoing]) -> int:
    """Send records and wait until all are acknowledged; returns how many.

    Raises:
        TidelockError: the first record that the broker did not take.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: object) -> None:
        if error is not None:
            failures.append(error)

    with asking(bootstrap, topic):
        producer = Producer(
            {**settings(bootstrap), "enable.idempotence": True, "partitioner": "murmur2_random"},
            logger=_QUIET,
        )
        count = 0
        for record in records:
            if failures:
                break
            enqueue(producer, topic, record, delivered)
            count += 1
        left = producer.flush(FLUSH_TIMEOUT)
        if failures:
            raise KafkaException(failures[0])
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{left} records are not acknowledged"))
        return count


def enqueue(producer: Producer, topic: str, record: Outgoing, delivered: Any) -> None:
    """Hand a record to the producer, waiting while its queue is full."""
    partition = -1 if record.partition is None else record.partition  # -1: by key
    while True:
        try:
            producer.produce(
                topic,
                record.value,
                record.key,
                headers=list(record.headers),
                partition=partition,
                on_delivery=delivered,
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def tail(
    bootstrap: str, topic: str, start: str, *, partition: int | None, follow: bool
) -> Iterator[dict[str, Any]]:
    """Yield records of a topic as rows, from `start` on; without `follow` up to the present end."""
    with admin(bootstrap, topic) as client:
        found = answer(client.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic])
        indexes = [one.id for one in found.partitions if partition in (None, one.id)]
        if not indexes:
            raise NoSuchTopicError(
                f"there is no partition {partition}", where=f"topic {topic} on {bootstrap}"
            )
        first = offsets(client, topic, indexes, library.OffsetSpec.earliest())
        last = offsets(client, topic, indexes, library.OffsetSpec.latest())
    begin = starts(start, first, last)
    rows = read(bootstrap, topic, begin, last)
    if start.startswith("-"):
        yield from merged(rows, -int(start))
    else:
        yield from rows
    if follow:
        yield from read(bootstrap, topic, last, None)


def read(
    bootstrap: str, topic: str, begin: Mapping[int, int], end: Mapping[int, int] | None
) -> Iterator[dict[str, Any]]:
    """Yield the records of partitions from `begin` up to `end`, or for ever."""
    waiting = {index for index, offset in begin.items() if end is None or offset < end[index]}
    if not waiting:
        return
    config = {**settings(bootstrap), "group.id": "tidelock-tail", "enable.auto.commit": False}
    with (
        asking(bootstrap, topic),
        closing(Consumer({**config, "enable.partition.eof": True}, logger=_QUIET)) as consumer,
    ):
        consumer.assign([TopicPartition(topic, index, begin[index]) for index in waiting])
        while waiting:
            messages: list[Any] = consumer.consume(POLL_RECORDS, timeout=0.1)
            for message in messages:
                index = message.partition()
                error = message.error()
                if error is None and (end is None or message.offset() < end[index]):
                    yield row(message)
                elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                if end is not None and (error is not None or message.offset() >= end[index] - 1):
                    waiting.discard(index)


def row(message: Any) -> dict[str, Any]:
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


def offsets(client: Client, topic: str, indexes: Iterable[int], spec: Any) -> dict[int, int]:
    """Return partition -> offset."""
    asked = {TopicPartition(topic, index): spec for index in indexes}
    found = client.list_offsets(asked, request_timeout=TIMEOUT)
    return {one.partition: answer(future).offset for one, future in found.items()}


def state_of(group: Any) -> str:
    """Return a group's state as a word."""
    return str(group.state.name)


def answer(future: Future[Any]) -> Any:
    """Wait for an answer of the admin client."""
    return future.result(TIMEOUT + 5)


@contextmanager
def admin(bootstrap: str, topic: str | None = None) -> Iterator[Client]:
    """Give an admin client of a broker that listens."""
    with asking(bootstrap, topic):
        yield library.AdminClient(settings(bootstrap), logger=_QUIET)


def settings(bootstrap: str) -> dict[str, Any]:
    """Return librdkafka's settings for a short question."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "tidelock-cli",
        "socket.timeout.ms": int(TIMEOUT * 1000),
    }


@contextmanager
def asking(bootstrap: str, topic: str | None = None) -> Iterator[None]:
    """Check that somebody listens, and translate what librdkafka raises."""
    somebody_listens(bootstrap)
    try:
        yield
    except KafkaException as error:
        raise translated(error.args[0], f"topic {topic} on {bootstrap}" if topic else bootstrap) from error
    except TimeoutError as error:
        raise BrokerUnreachableError(
            "the broker does not answer in time", where=bootstrap, hint=HINT
        ) from error


def somebody_listens(bootstrap: str) -> None:
    """Return when one of the bootstrap addresses accepts a connection.

    Raises:
        BrokerUnreachableError: none does.
        UsageError: an address is not HOST:PORT.
    """
    reason = "no address"
    for address in bootstrap.split(","):
        host, colon, port = address.strip().rpartition(":")
        if not colon or not port.isdigit():
            raise UsageError(f"{address.strip()!r} is not HOST:PORT", hint="--bootstrap localhost:9092")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT).close()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        else:
            return
    raise BrokerUnreachableError(f"no broker answers: {reason}", where=bootstrap, hint=HINT)


def translated(error: KafkaError, where: str) -> TidelockError:
    """Turn librdkafka's error into ours."""
    what = error.str().removeprefix("Broker: ").removeprefix("Local: ").rstrip(".")
    what = what[:1].lower() + what[1:]
    code = error.code()
    if code in _UNREACHABLE:
        return BrokerUnreachableError(f"the broker does not answer: {what}", where=where, hint=HINT)
    if code in _MISSING:
        return NoSuchTopicError(what, where=where, hint="tidelock topic ls")
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return TopicExistsError(what, where=where, hint="--if-not-exists")
    if code == KafkaError.GROUP_ID_NOT_FOUND:
        return NoSuchGroupError(what, where=where, hint="tidelock group ls")
    if code in _WRONG:
        return BrokerRefusedError(what, where=where)
    return (NotAllowedError if code in _FORBIDDEN else BrokerFailedError)(what, where=where)
