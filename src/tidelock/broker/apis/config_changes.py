"""What AlterConfigs and IncrementalAlterConfigs share.

Whose configs can change, what is checked, and how it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.broker import configs
from tidelock.broker.apis.describe_configs import BROKER, TOPIC
from tidelock.broker.metadata import BrokerConfigured
from tidelock.broker.settings import DYNAMIC_BROKER_KEYS, BrokerSettings, TopicSettings
from tidelock.broker.state import BrokerState
from tidelock.config import Key, Settings
from tidelock.protocol import error_codes as errors


class Resource:
    """A topic or the broker, as something whose configs can be changed.

    Raises:
        UnknownTopicOrPartition: no such topic.
        InvalidRequest: not a topic, nor this broker, nor the cluster-wide default ("").
    """

    def __init__(self, state: BrokerState, kind: int, name: str) -> None:
        self.state = state
        self.name = name
        self.is_topic = kind == TOPIC
        self.settings: type[Settings] = TopicSettings if self.is_topic else BrokerSettings
        if self.is_topic:
            topic = state.image.topics.get(name)
            if topic is None:
                raise errors.UnknownTopicOrPartition(f"there is no topic {name!r}")
            self.current: Mapping[str, str] = topic.configs
        elif kind == BROKER and name in ("", str(state.settings.node_id)):
            dynamic = state.image.broker_configs
            self.current = dynamic.own if name else dynamic.default
        else:
            raise errors.InvalidRequest(f"resource type {kind} {name!r} has no configs here")

    def key(self, name: str) -> Key | None:
        """The description of a key."""
        return configs.keys(self.settings).get(name)

    def effective(self, name: str) -> str | None:
        """The value that holds now."""
        dynamic = self.state.image.broker_configs
        found: list[Any] = (
            configs.topic_configs(self.state.settings, dynamic, self.current)
            if self.is_topic
            else configs.broker_configs(self.state.settings, dynamic)
        )
        return next((one.value for one in found if one.key.name == name), None)

    def change(self, wanted: Mapping[str, str | None], *, validate_only: bool) -> None:
        """Replace the resource's overrides.

        Raises:
            InvalidConfig: an unknown key or a bad value.
            InvalidRequest: a broker key that only a restart can change, or a bad value of a broker key.

        Source: Kafka `DynamicBrokerConfig.validate` (broker: InvalidRequest), `LogConfig.validate` (topic).
        """
        problem = configs.problem_of(self.settings, wanted)
        if problem is not None:
            known = all(self.key(name) for name in wanted)
            kind = errors.InvalidConfig if self.is_topic or not known else errors.InvalidRequest
            raise kind(problem)
        fixed = sorted(set(wanted) - DYNAMIC_BROKER_KEYS) if not self.is_topic else []
        if fixed:
            raise errors.InvalidRequest(
                f"{', '.join(fixed)}: read at the start only, not on a running broker"
            )
        if validate_only:
            return
        values = {name: value for name, value in wanted.items() if value is not None}
        if self.is_topic:
            self.state.configure_topic(self.name, values)
        else:
            self.state.commit(BrokerConfigured(values, own=bool(self.name)))
            self.state.configure_all()
