"""Which value of a config holds, and where it comes from.

    topic override > dynamic broker config > the broker's start > default

A topic key falls back to its broker synonym. Everything that needs an effective value asks here: the log's
settings, DescribeConfigs, CreateTopics' answer, validation. Pure: imports settings, the metadata image's
data and log settings.

Source: Kafka `ConfigHelper`, `LogConfig`, `DynamicBrokerConfig`; KIP-226 (synonyms).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidelock.broker.log.settings import LogSettings
from tidelock.broker.settings import BROKER_SYNONYMS, BrokerSettings, TopicSettings
from tidelock.config import Key, Settings

# ConfigDef.Type as DescribeConfigs v3+ reports it.
_TYPES = {"BOOLEAN": 1, "STRING": 2, "INT": 3, "LONG": 5, "DOUBLE": 6, "LIST": 7, "CLASS": 8, "PASSWORD": 9}


class ConfigSource(enum.IntEnum):
    """Where a value comes from, in the order of precedence."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that gives a value."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class Config:
    """One key with every place that gives it a value, the effective one first."""

    key: Key
    origins: tuple[Origin, ...]

    @property
    def value(self) -> str | None:
        """The effective value."""
        return self.origins[0].value

    @property
    def source(self) -> ConfigSource:
        """Where the effective value comes from."""
        return self.origins[0].source

    @property
    def type_number(self) -> int:
        """DescribeConfigs' number of the key's type; a whole number that names ms or bytes is a LONG."""
        name = self.key.java_type
        if name == "INT" and (self.key.default is not None and abs(self.key.default) > 0x7FFFFFFF):
            name = "LONG"
        if name == "INT" and self.key.name.endswith((".ms", "retention.bytes")):
            name = "LONG"
        return _TYPES[name]


def text(value: Any) -> str | None:
    """Spell a typed value as a properties file would.

    Source: Kafka `ConfigDef.convertToString`.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


_KEYS: dict[type[Settings], dict[str, Key]] = {
    kind: {key.name: key for key in kind.describe()} for kind in (BrokerSettings, TopicSettings)
}


def keys(kind: type[Settings]) -> dict[str, Key]:
    """The keys of a settings class by name."""
    return _KEYS[kind]


def topic_configs(
    settings: BrokerSettings, dynamic: Mapping[str, str], overrides: Mapping[str, str]
) -> list[Config]:
    """Every config of a topic, in the order of names."""
    found = []
    for name, key in sorted(keys(TopicSettings).items()):
        origins = []
        if name in overrides:
            origins.append(Origin(name, overrides[name], ConfigSource.TOPIC))
        synonym = BROKER_SYNONYMS.get(name)
        if synonym is None:
            origins.append(Origin(name, text(key.default), ConfigSource.DEFAULT))
        else:
            origins += _broker_origins(settings, dynamic, keys(BrokerSettings)[synonym])
        found.append(Config(key, tuple(origins)))
    return found


def broker_configs(settings: BrokerSettings, dynamic: Mapping[str, str]) -> list[Config]:
    """Every config of the broker, in the order of names."""
    return [
        Config(key, tuple(_broker_origins(settings, dynamic, key)))
        for _, key in sorted(keys(BrokerSettings).items())
    ]


def _broker_origins(settings: BrokerSettings, dynamic: Mapping[str, str], key: Key) -> list[Origin]:
    origins = []
    if key.name in dynamic:
        origins.append(Origin(key.name, dynamic[key.name], ConfigSource.DYNAMIC_DEFAULT_BROKER))
    started = getattr(settings, key.attribute)
    if started != key.default:
        origins.append(Origin(key.name, text(started), ConfigSource.STATIC_BROKER))
    origins.append(Origin(key.name, text(key.default), ConfigSource.DEFAULT))
    return origins


def effective(
    settings: BrokerSettings, dynamic: Mapping[str, str], overrides: Mapping[str, str]
) -> TopicSettings:
    """The typed values that hold for a topic."""
    values: dict[str, object] = {}
    for name, synonym in BROKER_SYNONYMS.items():
        attribute = keys(BrokerSettings)[synonym].attribute
        values[name] = dynamic.get(synonym, getattr(settings, attribute))
    values.update(overrides)
    return TopicSettings.parse(values)


def log_settings(
    settings: BrokerSettings, dynamic: Mapping[str, str], overrides: Mapping[str, str]
) -> LogSettings:
    """What the log of a topic obeys."""
    topic = effective(settings, dynamic, overrides)
    compacts = "compact" in topic.cleanup_policy
    return LogSettings(
        segment_bytes=topic.segment_bytes,
        # A record can be compacted once its segment is sealed, so that must not take longer.
        segment_ms=min(topic.segment_ms, topic.max_compaction_lag_ms) if compacts else topic.segment_ms,
        index_interval_bytes=topic.index_interval_bytes,
        retention_ms=topic.retention_ms,
        retention_bytes=topic.retention_bytes,
        max_message_bytes=topic.max_message_bytes,
        message_timestamp_type="LogAppendTime"
        if topic.message_timestamp_type == "LogAppendTime"
        else "CreateTime",
        message_timestamp_after_max_ms=topic.message_timestamp_after_max_ms,
        cleanup_policy=frozenset(topic.cleanup_policy),
        delete_retention_ms=topic.delete_retention_ms,
        min_compaction_lag_ms=topic.min_compaction_lag_ms,
        max_compaction_lag_ms=topic.max_compaction_lag_ms,
        min_cleanable_dirty_ratio=topic.min_cleanable_dirty_ratio,
        producer_id_expiration_ms=settings.producer_id_expiration_ms,
        commits_when_durable=settings.tidelock_flush_policy == "group",
    )


def problem_of(kind: type[Settings], given: Mapping[str, str | None]) -> str | None:
    """Say what is wrong with configs, or None.

    Source: Kafka `LogConfig.validate`; the words are for people, clients look at the code only.
    """
    nulls = sorted(name for name, value in given.items() if value is None)
    if nulls:
        return f"null is not a value for {', '.join(nulls)}"
    known = keys(kind)
    _, problems = kind.examine(given)
    # A key that has no default must be given at the start, not in a change.
    problems = [one for one in problems if one.key in given or one.key not in known]
    if problems:
        return "; ".join(str(one) for one in problems)
    if given.get("remote.storage.enable") == "true":
        return "remote.storage.enable: this broker has no tiered storage"
    return None
