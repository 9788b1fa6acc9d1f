"""Asking and changing a cluster: topics, groups, offsets. Every wait is bounded. Blocking.

Answers are frozen dataclasses; what goes wrong is an error of tidelock.client.errors or a KafkaError class of
tidelock.protocol.error_codes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidelock.client.errors import translated
from tidelock.client.library import load, make, translating
from tidelock.client.model import TopicPartition
from tidelock.client.settings import ClientSettings, settings_of
from tidelock.protocol.error_codes import GroupIdNotFound, TopicAlreadyExists

if TYPE_CHECKING:
    from concurrent.futures import Future  # 12 ms that only the type checker needs

ANSWER_WITHIN = 10.0
_GRACE = 5.0  # librdkafka's own time-out comes first; this one is for the future it may forget
_BROKERS_CHOICE = -1


@dataclass(frozen=True, slots=True)
class TopicListing:
    """One line of a list of topics."""

    name: str
    partitions: int
    replicas: int
    internal: bool


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Who has a partition; `leader` is None where there is none."""

    index: int
    leader: int | None
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic: its partitions, and the settings that differ from the broker's."""

    name: str
    id: str
    internal: bool
    partitions: tuple[PartitionInfo, ...]
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A setting of a topic: what holds, and whether it is the topic's own or the broker's.

    `value` is None for a secret.
    """

    value: str | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class GroupListing:
    """One line of a list of groups."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group and what it was given."""

    id: str
    client: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group: its members, and the offsets it committed."""

    name: str
    state: str
    assignor: str | None
    members: tuple[GroupMember, ...]
    committed: Mapping[TopicPartition, int]


class Admin:
    """A Kafka admin client.

    Args:
        settings: client keys in any spelling, or a bootstrap address.
        name: client id, as broker logs show it.

    Raises:
        BrokerUnreachable: nobody listens at the bootstrap address.
        ConfigError: a key or a value is wrong.
    """

    def __init__(
        self, settings: ClientSettings | Mapping[str, object] | str, *, name: str = "tidelock-admin"
    ) -> None:
        self.settings = settings_of(settings)
        self._library = load()
        self._admin: Any = importlib.import_module("confluent_kafka.admin")  # its types are partial
        properties = self.settings.for_librdkafka(
            {"client.id": name, "socket.timeout.ms": str(int(ANSWER_WITHIN * 1000))}, {}
        )
        self._client = make(self._admin.AdminClient, self.settings, properties)

    def topics(self) -> list[TopicListing]:
        """Return every topic, by name."""
        with translating(self.settings.bootstrap):
            found = self._client.list_topics(timeout=ANSWER_WITHIN).topics
        return [
            TopicListing(
                name=name,
                partitions=len(topic.partitions),
                replicas=max((len(one.replicas) for one in topic.partitions.values()), default=0),
                internal=name.startswith("__"),
            )
            for name, topic in sorted(found.items())
        ]

    def create_topic(
        self,
        name: str,
        partitions: int | None = None,
        configs: Mapping[str, str] | None = None,
        *,
        replicas: int | None = None,
        if_not_exists: bool = False,
    ) -> bool:
        """Create a topic; None leaves a number to the broker. Returns False when it existed already.

        Raises:
            TopicAlreadyExists: unless `if_not_exists`.
            KafkaError: InvalidTopic, InvalidPartitions, InvalidConfig, ...
        """
        topic = self._admin.NewTopic(
            name,
            num_partitions=_BROKERS_CHOICE if partitions is None else partitions,
            replication_factor=_BROKERS_CHOICE if replicas is None else replicas,
            config=dict(configs or {}),
        )
        try:
            self._one(
                self._client.create_topics([topic], request_timeout=ANSWER_WITHIN), name, f"topic {name}"
            )
        except TopicAlreadyExists:
            if not if_not_exists:
                raise
            return False
        return True

    def delete_topic(self, name: str) -> None:
        """Delete a topic and its records.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        self._one(self._client.delete_topics([name], request_timeout=ANSWER_WITHIN), name, f"topic {name}")

    def describe_topic(self, name: str) -> TopicDescription:
        """Return a topic's partitions and its own settings.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        where = f"topic {name}"
        asked = self._library.TopicCollection([name])
        found = self._one(self._client.describe_topics(asked, request_timeout=ANSWER_WITHIN), name, where)
        configs = self.topic_configs(name)
        return TopicDescription(
            name=name,
            id=str(found.topic_id),
            internal=bool(found.is_internal),
            partitions=tuple(
                PartitionInfo(
                    index=one.id,
                    leader=one.leader.id if one.leader else None,
                    replicas=tuple(node.id for node in one.replicas),
                    in_sync=tuple(node.id for node in one.isr),
                )
                for one in found.partitions
            ),
            configs={key: str(one.value) for key, one in configs.items() if one.is_own},
        )

    def topic_configs(self, name: str) -> dict[str, TopicConfig]:
        """Return every setting that a topic has, by name.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        resource = self._topic_resource(name)
        answers = self._client.describe_configs([resource], request_timeout=ANSWER_WITHIN)
        found = self._one(answers, resource, f"topic {name}")
        return {key: TopicConfig(one.value, not one.is_default) for key, one in sorted(found.items())}

    def alter_topic_configs(
        self, name: str, changes: Mapping[str, str | None], *, dry_run: bool = False
    ) -> None:
        """Set single settings of a topic; None takes the topic's own away, and the broker's holds.

        Args:
            name: of the topic.
            changes: setting -> text; what is not named stays as it is (KIP-339).
            dry_run: have the broker check it only.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
            InvalidConfig: a setting or a value that the broker does not take; nothing is changed.
        """
        kinds = self._admin.AlterConfigOpType
        entries = [
            self._admin.ConfigEntry(
                key, value, incremental_operation=kinds.DELETE if value is None else kinds.SET
            )
            for key, value in changes.items()
        ]
        resource = self._topic_resource(name, incremental_configs=entries)
        answers = self._client.incremental_alter_configs(
            [resource], validate_only=dry_run, request_timeout=ANSWER_WITHIN
        )
        self._one(answers, resource, f"topic {name}")

    def add_partitions(self, name: str, total: int, *, dry_run: bool = False) -> None:
        """Give a topic more partitions, `total` of them in the end; `dry_run` has the broker check it only.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
            InvalidPartitions: it has as many, or more, already.
        """
        wanted = [self._admin.NewPartitions(name, total)]
        answers = self._client.create_partitions(wanted, validate_only=dry_run, request_timeout=ANSWER_WITHIN)
        self._one(answers, name, f"topic {name}")

    def topic_id(self, topic: str) -> str:
        """Return a topic's id, which another topic of the same name does not have; zeros before Kafka 2.8.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        asked = self._library.TopicCollection([topic])
        answers = self._client.describe_topics(asked, request_timeout=ANSWER_WITHIN)
        return str(self._one(answers, topic, f"topic {topic}").topic_id)

    def partitions(self, topic: str) -> list[TopicPartition]:
        """Return a topic's partitions.

        Raises:
            UnknownTopicOrPartition: there is no such topic.
        """
        asked = self._library.TopicCollection([topic])  # list_topics would create it
        found = self._one(
            self._client.describe_topics(asked, request_timeout=ANSWER_WITHIN), topic, f"topic {topic}"
        )
        return [TopicPartition(topic, number) for number in sorted(one.id for one in found.partitions)]

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset of the first record that is kept of each partition."""
        return self._offsets(partitions, self._admin.OffsetSpec.earliest())

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset behind the last record of each partition."""
        return self._offsets(partitions, self._admin.OffsetSpec.latest())

    def delete_records(self, before: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Delete the records before these offsets (-1: all); returns where each partition now begins."""
        wanted = [self._library.TopicPartition(*partition, offset) for partition, offset in before.items()]
        if not wanted:
            return {}
        answers = self._client.delete_records(wanted, request_timeout=ANSWER_WITHIN)
        return {
            TopicPartition(one.topic, one.partition): self._wait(
                future, f"{one.topic}-{one.partition}"
            ).low_watermark
            for one, future in answers.items()
        }

    def groups(self) -> list[GroupListing]:
        """Return every consumer group, by name."""
        listed = self._wait(
            self._client.list_consumer_groups(request_timeout=ANSWER_WITHIN), self.settings.bootstrap
        )
        return sorted(
            (GroupListing(one.group_id, str(one.state.name)) for one in listed.valid),
            key=lambda one: one.name,
        )

    def describe_group(self, name: str) -> GroupDescription:
        """Return a group's members and what it committed.

        Raises:
            GroupIdNotFound: nobody is in it and it has committed nothing.
        """
        found = self._described(name)
        committed = self.committed(name)
        if found.state.name == "DEAD" and not committed:
            raise GroupIdNotFound(f"there is no group {name!r}", where=self.settings.bootstrap)
        members = tuple(
            GroupMember(
                id=one.member_id,
                client=one.client_id,
                host=one.host,
                partitions=tuple(
                    TopicPartition(part.topic, part.partition) for part in one.assignment.topic_partitions
                ),
            )
            for one in found.members
        )
        return GroupDescription(
            name, str(found.state.name), found.partition_assignor or None, members, committed
        )

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """Return what a group has committed; nothing where nobody knows the group.

        Raises:
            NotCoordinator, CoordinatorLoadInProgress, CoordinatorNotAvailable: ask again in a moment.
        """
        # An error in the answer to the second question ends the process inside librdkafka's binding (2.16);
        # the first one raises it.
        if self._described(group).state.name == "DEAD":
            return {}
        asked = [self._library.ConsumerGroupTopicPartitions(group)]
        answers = self._client.list_consumer_group_offsets(asked, request_timeout=ANSWER_WITHIN)
        found = self._one(answers, group, f"group {group}")
        return {
            TopicPartition(one.topic, one.partition): one.offset
            for one in found.topic_partitions
            if one.offset >= 0
        }

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets in the name of a group that has no members.

        Raises:
            UnknownMemberId: it has members.
            KafkaError: of the first partition that is refused, e.g. UnknownTopicOrPartition.
        """
        wanted = [self._library.TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        asked = [self._library.ConsumerGroupTopicPartitions(group, wanted)]
        answers = self._client.alter_consumer_group_offsets(asked, request_timeout=ANSWER_WITHIN)
        for one in self._one(answers, group, f"group {group}").topic_partitions:
            if one.error is not None:
                raise translated(one.error, f"group {group}, {one.topic}-{one.partition}")

    def delete_group(self, name: str) -> None:
        """Delete a group and its offsets.

        Raises:
            GroupIdNotFound: there is no such group.
            NonEmptyGroup: it has members.
        """
        self._one(
            self._client.delete_consumer_groups([name], request_timeout=ANSWER_WITHIN), name, f"group {name}"
        )

    def _topic_resource(self, name: str, **more: Any) -> Any:
        return self._admin.ConfigResource(self._admin.ResourceType.TOPIC, name, **more)

    def _described(self, group: str) -> Any:
        answers = self._client.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN)
        return self._one(answers, group, f"group {group}")

    def _offsets(self, partitions: Iterable[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
        asked = {self._library.TopicPartition(*partition): spec for partition in partitions}
        if not asked:
            return {}
        answers = self._client.list_offsets(asked, request_timeout=ANSWER_WITHIN)
        return {
            TopicPartition(one.topic, one.partition): self._wait(
                future, f"{one.topic}-{one.partition}"
            ).offset
            for one, future in answers.items()
        }

    def _one(self, answers: Mapping[Any, Future[Any]], key: Any, where: str) -> Any:
        return self._wait(answers[key], where)

    def _wait(self, future: Future[Any], where: str) -> Any:
        with translating(where):
            return future.result(ANSWER_WITHIN + _GRACE)
