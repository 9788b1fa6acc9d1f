"""Which value of a config holds, and where it comes from.

    topic override > dynamic broker config > the broker's start > default

A topic key falls back to its broker synonym. Everything that needs an effective value asks here: the log's
settings, DescribeConfigs, CreateTopics' answer, validation. Pure: imports settings, the metadata image's
data and log settings.

Source: Kafka `ConfigHelper`, `LogConfig`, `DynamicBrokerConfig`; KIP-226 (synonyms).
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidelock.broker.group_settings import WITHOUT_SYNONYM, GroupSettings
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.metadata import DynamicConfigs
from tidelock.broker.settings import (
    BROKER_SYNONYMS,
    COARSER,
    INT_MAX,
    LONG_MAX,
    BrokerSettings,
    TopicSettings,
)
from tidelock.config import Key, Settings

# ConfigDef.Type as DescribeConfigs v3+ reports it.
_TYPES = {"BOOLEAN": 1, "STRING": 2, "INT": 3, "LONG": 5, "DOUBLE": 6, "LIST": 7, "CLASS": 8, "PASSWORD": 9}


# What Kafka lets a client ask for. A broker may be started with less, and a topic may have it from before.
SMALLEST_SEGMENT = 1 << 20
_SEGMENT_SIZES = ("segment.bytes", "log.segment.bytes")
# Attributes & 7 by compression.type; `producer` leaves batches as they come.
_CODECS = {"uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
# Whole numbers are INT unless they are times or do not fit; lists of one are strings here.
_KAFKAS_TYPES = {
    **dict.fromkeys(("listeners", "advertised.listeners", "controller.listener.names"), "LIST"),
    "log.dirs": "LIST",
    **dict.fromkeys(("log.retention.bytes", "log.local.retention.bytes"), "LONG"),
    **dict.fromkeys(("retention.bytes", "local.retention.bytes", "log.cleaner.dedupe.buffer.size"), "LONG"),
    **dict.fromkeys(("group.initial.rebalance.delay.ms", "producer.id.expiration.ms"), "INT"),
    **dict.fromkeys(("group.min.session.timeout.ms", "group.max.session.timeout.ms"), "INT"),
    **dict.fromkeys(("transaction.max.timeout.ms", "transactional.id.expiration.ms"), "INT"),
    "transaction.remove.expired.transaction.cleanup.interval.ms": "INT",
}


class ConfigSource(enum.IntEnum):
    """Where a value comes from, the strongest first; a group's own comes before everything."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that gives a value."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class Config:
    """One key, its effective value, and every place that gives it one, the strongest first.

    Without such a place (a key that has no synonym, or whose value another unit's key gives) it is the
    default. Source: Kafka `ConfigHelper.createTopicConfigEntry`, `configSynonyms`.
    """

    key: Key
    value: str | None
    origins: tuple[Origin, ...]

    @property
    def source(self) -> ConfigSource:
        """Where the effective value comes from."""
        return self.origins[0].source if self.origins else ConfigSource.DEFAULT

    @property
    def type_number(self) -> int:
        """DescribeConfigs' number of the key's type."""
        key = self.key
        name = key.java_type
        if (
            name == "INT"
            and key.name not in keys(GroupSettings)
            and (key.name.endswith(".ms") or abs(key.default or 0) > 0x7FFFFFFF)
        ):
            name = "LONG"
        return _TYPES[_KAFKAS_TYPES.get(key.name, name)]


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
    kind: {key.name: key for key in kind.describe()}
    for kind in (BrokerSettings, TopicSettings, GroupSettings)
}


def keys(kind: type[Settings]) -> dict[str, Key]:
    """The keys of a settings class by name."""
    return _KEYS[kind]


def topic_configs(
    settings: BrokerSettings, dynamic: DynamicConfigs, overrides: Mapping[str, str]
) -> list[Config]:
    """Every config of a topic, in the order of names."""
    topic = effective(settings, dynamic, overrides)
    found = []
    for name, key in sorted(keys(TopicSettings).items()):
        value = text(getattr(topic, key.attribute))
        origins = [Origin(name, value, ConfigSource.TOPIC)] if name in overrides else []
        synonym = BROKER_SYNONYMS.get(name)
        if synonym is not None:
            origins += _broker_origins(settings, dynamic, synonym)
        found.append(Config(key, value, tuple(origins)))
    return found


def broker_configs(settings: BrokerSettings, dynamic: DynamicConfigs) -> list[Config]:
    """Every config of the broker, in the order of names."""
    found = []
    for name, key in sorted(keys(BrokerSettings).items()):
        origins = tuple(_broker_origins(settings, dynamic, name))
        found.append(Config(key, origins[0].value if origins else None, origins))
    return found


def group_configs(overrides: Mapping[str, str]) -> list[Config]:
    """Every config of a group, in the order of names.

    Source: Kafka `ConfigHelper.createGroupConfigEntry`; values as `ConfigDef` spells them.
    """
    typed = GroupSettings.parse(overrides)
    found = []
    for name, key in sorted(keys(GroupSettings).items()):
        value = text(getattr(typed, key.attribute))
        synonym = name if name in WITHOUT_SYNONYM else f"group.{name}"
        origins = [Origin(synonym, text(key.default), ConfigSource.DEFAULT)]
        if name in overrides:
            origins.insert(0, Origin(name, value, ConfigSource.GROUP))
        found.append(Config(key, value, tuple(origins)))
    return found


def cluster_configs(dynamic: DynamicConfigs) -> list[Config]:
    """The configs that were changed for all brokers, in the order of names."""
    return [
        Config(
            keys(BrokerSettings)[name],
            value,
            (Origin(name, value, ConfigSource.DYNAMIC_DEFAULT_BROKER),),
        )
        for name, value in sorted(dynamic.default.items())
    ]


def _broker_origins(settings: BrokerSettings, dynamic: DynamicConfigs, name: str) -> list[Origin]:
    """Say what gives a broker key its value, from the first place on that is this key's own.

    With the same thing in a coarser unit, as Kafka's `brokerConfigSynonyms`.
    """
    names = [name]
    while names[-1] in COARSER:
        names.append(COARSER[names[-1]][0])
    described = [keys(BrokerSettings)[one] for one in names]
    started = [(one, getattr(settings, one.attribute)) for one in described]
    layers = (
        (ConfigSource.DYNAMIC_BROKER, [(one.name, dynamic.own.get(one.name)) for one in described]),
        (
            ConfigSource.DYNAMIC_DEFAULT_BROKER,
            [(one.name, dynamic.default.get(one.name)) for one in described],
        ),
        (
            ConfigSource.STATIC_BROKER,
            [(one.name, text(value)) for one, value in started if value != one.default],
        ),
        (ConfigSource.DEFAULT, [(one.name, text(one.default)) for one in described]),
    )
    origins = [
        Origin(one, value, source) for source, values in layers for one, value in values if value is not None
    ]
    return [*itertools.dropwhile(lambda origin: origin.name != name, origins)]


def _broker_value(settings: BrokerSettings, dynamic: DynamicConfigs, name: str) -> Any:
    """Return the value that holds for a broker key; one that has none gets it from the coarser unit's."""
    key = keys(BrokerSettings)[name]
    value = dynamic.own.get(name, dynamic.default.get(name, getattr(settings, key.attribute)))
    if value is not None or name not in COARSER:
        return value
    coarser, factor = COARSER[name]
    value = _broker_value(settings, dynamic, coarser)
    return value if value is None or int(value) < 0 else int(value) * factor


def effective(
    settings: BrokerSettings, dynamic: DynamicConfigs, overrides: Mapping[str, str]
) -> TopicSettings:
    """The typed values that hold for a topic."""
    values: dict[str, object] = {
        name: _broker_value(settings, dynamic, synonym) for name, synonym in BROKER_SYNONYMS.items()
    }
    values.update(overrides)
    return TopicSettings.parse(values)


def log_settings(
    settings: BrokerSettings, dynamic: DynamicConfigs, overrides: Mapping[str, str]
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
        compression_codec=_CODECS.get(topic.compression_type),
        compression_level={
            "gzip": topic.compression_gzip_level,
            "zstd": topic.compression_zstd_level,
        }.get(topic.compression_type),
    )


def problem_of(kind: type[Settings], given: Mapping[str, str | None]) -> str | None:
    """Say what is wrong with configs, or None.

    Source: Kafka `LogConfig.validate`; the words are for people, clients look at the code only.
    """
    nulls = sorted(name for name, value in given.items() if value is None)
    if nulls:
        return f"null is not a value for {', '.join(nulls)}"
    known = keys(kind)
    values, problems = kind.examine(given)
    # A key that has no default must be given at the start, not in a change.
    problems = [one for one in problems if one.key in given or one.key not in known]
    if problems:
        return "; ".join(str(one) for one in problems)
    unused = sorted(set(given) - set(known))
    if unused:
        return f"{', '.join(unused)}: has no effect here, so it cannot be changed"
    if outside := _out_of_range(kind, values):
        return outside
    if given.get("remote.storage.enable") == "true":
        return "remote.storage.enable: this broker has no tiered storage"
    if values.get("min_compaction_lag_ms", 0) > values.get("max_compaction_lag_ms", LONG_MAX):
        return "min.compaction.lag.ms is above max.compaction.lag.ms"
    return None


def _out_of_range(kind: type[Settings], values: Mapping[str, Any]) -> str | None:
    """Say which whole number does not fit into Kafka's type, or is less than Kafka takes."""
    for name, key in keys(kind).items():
        value = values.get(key.attribute)
        if type(value) is not int:
            continue
        most = INT_MAX if Config(key, None, ()).type_number == _TYPES["INT"] else LONG_MAX
        if value > most:
            return f"{name}: {value} is above the maximum {most}"
        if name in _SEGMENT_SIZES and value < SMALLEST_SEGMENT:
            return f"{name}: {value} is below the minimum {SMALLEST_SEGMENT}"
    return None
