"""A sink connector's offsets: what a client may write about them, and the group they are kept in.

`parse_offsets` and `without` are pure. `GroupOffsets` asks Kafka over a client that lives as long as one
question: the worker's process keeps none. Blocking; the herder calls it in a thread.

Source: Kafka `org.apache.kafka.connect.util.SinkUtils`, `runtime.Worker.alterSinkConnectorOffsets`, KIP-875.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidelock.client import Admin, ClientSettings
from tidelock.client import TopicPartition as ClientPartition
from tidelock.connect.api import TopicPartition
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.kafka import client_properties
from tidelock.protocol.error_codes import (
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    GroupIdNotFound,
    NonEmptyGroup,
    NotCoordinator,
    UnknownMemberId,
)

T = TypeVar("T")

TOPIC, PARTITION, OFFSET = "kafka_topic", "kafka_partition", "kafka_offset"
SETTLING, PAUSE = 50, 0.2  # questions, and seconds between them
LARGEST = {PARTITION: (1 << 31) - 1, OFFSET: (1 << 63) - 1}

Items = Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
Committed = dict[TopicPartition, int]


class GroupBusy(InvalidConfig):
    """The offsets of a sink's group cannot be changed: it still has members."""

    code = "TID-531"
    status = 500


def group_of(worker: Mapping[str, str], connector: str, config: Mapping[str, str]) -> str:
    """Return the consumer group of a sink connector's tasks."""
    return client_properties(worker, config, "consumer").get("group.id", f"connect-{connector}")


def member_of(worker: str, connector: str, task: int) -> str:
    """Return the name under which a task is a static member of its group.

    A task that comes back after a crash gets its partitions at once, not when the dead one's session is over.
    """
    return f"{worker}-{connector}-{task}"


def parse_offsets(items: Items) -> dict[TopicPartition, int | None]:
    """Read what a client wants the group to have committed; None forgets a partition's offset.

    Numbers may be texts, as in Kafka.

    Raises:
        InvalidConfig: with Kafka's words.
    """
    return {_partition(partition): _offset(offset) for partition, offset in items}


def _partition(given: Mapping[str, Any] | None) -> TopicPartition:
    if given is None:
        raise InvalidConfig("The partition for a sink connector offset cannot be null or missing")
    if TOPIC not in given or PARTITION not in given:
        raise InvalidConfig(
            f"The partition for a sink connector offset must contain the keys '{TOPIC}' and '{PARTITION}'"
        )
    if given[TOPIC] is None:
        raise InvalidConfig("Kafka topic names must be valid strings and may not be null")
    if given[PARTITION] is None:
        raise InvalidConfig("Kafka partitions must be valid numbers and may not be null")
    return TopicPartition(str(given[TOPIC]), _number(PARTITION, given[PARTITION], "partition"))


def _offset(given: Mapping[str, Any] | None) -> int | None:
    if given is None:
        return None
    if OFFSET not in given:
        raise InvalidConfig(
            f"The offset for a sink connector should either be null or contain the key '{OFFSET}'"
        )
    return _number(OFFSET, given[OFFSET], "offset")


def _number(name: str, value: Any, word: str) -> int:
    shown = "null" if value is None else str(value)
    digits = shown[1:] if shown[:1] in ("+", "-") else shown
    if isinstance(value, int | str) and not isinstance(value, bool) and digits.isdecimal():
        number = int(shown)
        if 0 <= number <= LARGEST[name]:
            return number
        raise InvalidConfig(f"{name} {number} is not from 0 to {LARGEST[name]}")
    raise InvalidConfig(
        f"Failed to parse the following Kafka {word} value in the provided offsets: '{shown}'. "
        f"{word.capitalize()} values for sink connectors need to be integers."
    )


def shown_offsets(committed: Mapping[TopicPartition, int]) -> list[dict[str, Any]]:
    """Return what REST shows of committed offsets."""
    return [
        {
            "partition": {TOPIC: partition.topic, PARTITION: partition.partition},
            "offset": {OFFSET: offset},
        }
        for partition, offset in sorted(committed.items())
    ]


def kept_beside(
    committed: Mapping[TopicPartition, int], wanted: Mapping[TopicPartition, int | None]
) -> Committed:
    """Return what a group has committed once `wanted` is done: changed, forgotten, the rest as it was."""
    merged: dict[TopicPartition, int | None] = {**committed, **wanted}
    return {partition: offset for partition, offset in merged.items() if offset is not None}


def settled(ask: Callable[[], T], pause: float = PAUSE) -> T:
    """Ask again, each time after a pause, while the cluster settles who coordinates the group."""
    for _ in range(SETTLING):
        with contextlib.suppress(NotCoordinator, CoordinatorLoadInProgress, CoordinatorNotAvailable):
            return ask()
        threading.Event().wait(pause)
    return ask()


class GroupOffsets:
    """The committed offsets of one group that has no members.

    Args:
        properties: of the consumer, see kafka.client_properties; may name the group.
        group: the group.
    """

    def __init__(self, properties: Mapping[str, str], group: str) -> None:
        keys = {
            name: value for name, value in properties.items() if name not in ("group.id", "max.poll.records")
        }
        self._group = group
        self._admin = Admin(ClientSettings.parse(keys, where="consumer keys"), name="tidelock-connect")

    def committed(self) -> Committed:
        """Return what is committed; nothing for a group that nobody knows."""
        found = settled(lambda: self._admin.committed(self._group))
        return {TopicPartition(*one): offset for one, offset in found.items()}

    def change(self, wanted: Mapping[TopicPartition, int | None]) -> None:
        """Commit these offsets, and forget those that are None.

        librdkafka's Python binding cannot forget one partition: the group is deleted then, and what is to
        stay is committed again. Ending between the two, it begins anew, which repeats records and loses none.

        Raises:
            GroupBusy: it has members.
            KafkaError: Kafka refuses, for example a partition that does not exist.
        """
        committed = self.committed()
        try:
            left = dict(wanted)
            if any(offset is None and partition in committed for partition, offset in wanted.items()):
                left = dict(kept_beside(committed, wanted))
                self._admin.delete_group(self._group)
            self._commit({partition: offset for partition, offset in left.items() if offset is not None})
        except (UnknownMemberId, NonEmptyGroup) as error:
            raise self._busy("alter consumer group offsets") from error

    def reset(self) -> None:
        """Delete the group; nothing happens to one that nobody knows.

        Raises:
            GroupBusy: it has members.
        """
        try:
            settled(lambda: self._admin.delete_group(self._group))
        except GroupIdNotFound:
            return
        except NonEmptyGroup as error:
            raise self._busy("reset consumer group offsets") from error

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if offsets:
            given = {ClientPartition(*partition): offset for partition, offset in offsets.items()}
            settled(lambda: self._admin.commit(self._group, given))

    def _busy(self, what: str) -> GroupBusy:
        return GroupBusy(
            f"Failed to {what} of group {self._group} because its tasks haven't stopped completely yet",
            hint="if the connector is stopped, try again in a moment",
        )
