"""What AlterConfigs and IncrementalAlterConfigs share.

Whose configs can change, what is checked, and how it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.broker import configs
from tidelock.broker.apis.describe_configs import BROKER, GROUP, TOPIC
from tidelock.broker.changes import Steps
from tidelock.broker.configs import Config
from tidelock.broker.group_settings import GroupSettings
from tidelock.broker.metadata import BrokerConfigured, GroupConfigured
from tidelock.broker.settings import DYNAMIC_BROKER_KEYS, BrokerSettings, TopicSettings
from tidelock.broker.state import BrokerState
from tidelock.config import Key, Settings
from tidelock.protocol import error_codes as errors

SETTINGS: Mapping[int, type[Settings]] = {TOPIC: TopicSettings, BROKER: BrokerSettings, GROUP: GroupSettings}


class Resource:
    """A topic, a group or the broker, as something whose configs can be changed.

    Raises:
        UnknownTopicOrPartition: no such topic.
        InvalidRequest: no topic, nor a named group, nor this broker, nor the cluster-wide default ("").
    """

    def __init__(self, state: BrokerState, kind: int, name: str) -> None:
        self.state = state
        self.kind = kind
        self.name = name
        self.current = self._overrides()
        self.settings = SETTINGS[kind]

    def _overrides(self) -> Mapping[str, str]:
        image, name = self.state.image, self.name
        if self.kind == TOPIC:
            topic = image.topics.get(name)
            if topic is None:
                raise errors.UnknownTopicOrPartition(f"there is no topic {name!r}")
            return topic.configs
        if self.kind == BROKER and name in ("", str(self.state.settings.node_id)):
            return image.broker_configs.own if name else image.broker_configs.default
        if self.kind == GROUP and name:
            return image.group_configs.get(name, {})
        raise errors.InvalidRequest(f"resource type {self.kind} {name!r} has no configs here")

    def key(self, name: str) -> Key | None:
        """The description of a key."""
        return configs.keys(self.settings).get(name)

    def effective(self, name: str) -> str | None:
        """The value that holds now."""
        return next((one.value for one in self._configs() if one.key.name == name), None)

    def _configs(self) -> list[Config]:
        settings, dynamic = self.state.settings, self.state.image.broker_configs
        if self.kind == TOPIC:
            return configs.topic_configs(settings, dynamic, self.current)
        if self.kind == GROUP:
            return configs.group_configs(self.current)
        return configs.broker_configs(settings, dynamic)

    def change(self, wanted: Mapping[str, str | None], *, validate_only: bool) -> Steps[None]:
        """Replace the resource's overrides.

        Raises:
            InvalidConfig: an unknown key or a bad value.
            InvalidRequest: a null; a broker key that only a restart can change, or a bad value of one.

        Source: Kafka `ConfigAdminManager.preprocess` (nulls), `DynamicBrokerConfig.validate` (broker:
        InvalidRequest), `LogConfig.validate` (topic), `GroupConfig.validate`.
        """
        nulls = sorted(name for name, value in wanted.items() if value is None)
        if nulls:
            raise errors.InvalidRequest(f"null is not a value for {', '.join(nulls)}")
        problem = configs.problem_of(self.settings, wanted)
        if problem is not None:
            known = all(self.key(name) for name in wanted)
            kind = errors.InvalidRequest if self.kind == BROKER and known else errors.InvalidConfig
            raise kind(problem)
        fixed = sorted(set(wanted) - DYNAMIC_BROKER_KEYS) if self.kind == BROKER else []
        if fixed:
            raise errors.InvalidRequest(
                f"{', '.join(fixed)}: read at the start only, not on a running broker"
            )
        if validate_only:
            return
        yield from self._store({name: value for name, value in wanted.items() if value is not None})

    def _store(self, values: dict[str, str]) -> Steps[None]:
        if self.kind == TOPIC:
            yield from self.state.configure_topic(self.name, values)
        elif self.kind == GROUP:
            if values != self.current:
                yield from self.state.commit(GroupConfigured(self.name, values))
        else:
            yield from self.state.commit(BrokerConfigured(values, own=bool(self.name)))
            yield from self.state.configure_all()
