"""Which value of a config holds, and where it comes from."""

from __future__ import annotations

import pytest

from tidelock.broker import configs
from tidelock.broker.configs import ConfigSource, Origin
from tidelock.broker.metadata import DynamicConfigs
from tidelock.broker.settings import (
    BROKER_SYNONYMS,
    COARSER,
    DYNAMIC_BROKER_KEYS,
    BrokerSettings,
    TopicSettings,
)

NOTHING = DynamicConfigs()


def found(
    name: str, settings: BrokerSettings | None = None, dynamic: dict[str, str] | None = None, **overrides: str
) -> configs.Config:
    given = {key.replace("_", "."): value for key, value in overrides.items()}
    changed = DynamicConfigs(default=dynamic or {})
    every = configs.topic_configs(settings or BrokerSettings(), changed, given)
    return next(one for one in every if one.key.name == name)


def test_the_default() -> None:
    config = found("retention.ms")
    assert (config.value, config.source) == ("604800000", ConfigSource.DEFAULT)
    assert config.origins == ()
    assert found("max.message.bytes").origins == (
        Origin("message.max.bytes", "1048588", ConfigSource.DEFAULT),
    )


def test_every_place_is_told_the_strongest_first() -> None:
    settings = BrokerSettings.parse({"log.retention.ms": "2"})
    config = found("retention.ms", settings, {"log.retention.ms": "3"}, retention_ms="4")
    assert config.origins == (
        Origin("retention.ms", "4", ConfigSource.TOPIC),
        Origin("log.retention.ms", "3", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        Origin("log.retention.ms", "2", ConfigSource.STATIC_BROKER),
        Origin("log.retention.hours", "168", ConfigSource.DEFAULT),
    )


def test_a_coarser_unit_gives_what_the_finer_one_leaves_open() -> None:
    settings = BrokerSettings.parse({"log.retention.hours": "2", "log.roll.jitter.hours": "1"})
    assert found("retention.ms", settings).value == "7200000"
    assert found("retention.ms", settings).source is ConfigSource.DEFAULT
    assert found("segment.jitter.ms", settings).value == "3600000"
    assert found("segment.ms", settings).value == "604800000"
    settings = BrokerSettings.parse({"log.retention.hours": "2", "log.retention.minutes": "3"})
    assert found("retention.ms", settings).value == "180000"
    assert found("retention.ms", BrokerSettings.parse({"log.retention.hours": "-1"})).value == "-1"


def test_a_brokers_own_dynamic_config_comes_before_the_one_of_all() -> None:
    dynamic = DynamicConfigs(own={"message.max.bytes": "5"}, default={"message.max.bytes": "6"})
    (config,) = (
        one
        for one in configs.broker_configs(BrokerSettings(), dynamic)
        if one.key.name == "message.max.bytes"
    )
    assert [(one.value, one.source) for one in config.origins] == [
        ("5", ConfigSource.DYNAMIC_BROKER),
        ("6", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ("1048588", ConfigSource.DEFAULT),
    ]
    assert configs.effective(BrokerSettings(), dynamic, {}).max_message_bytes == 5
    (changed,) = configs.cluster_configs(dynamic)
    assert (changed.value, changed.source) == ("6", ConfigSource.DYNAMIC_DEFAULT_BROKER)


def test_values_are_spelt_as_java_spells_them() -> None:
    assert found("cleanup.policy").value == "delete"
    assert found("preallocate").value == "false"
    assert found("min.cleanable.dirty.ratio").value == "0.5"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("preallocate", 1),
        ("compression.type", 2),
        ("segment.bytes", 3),
        ("retention.ms", 5),
        ("cleanup.policy", 7),
    ],
)
def test_types_have_kafkas_numbers(name: str, number: int) -> None:
    assert found(name).type_number == number


def test_every_topic_key_has_kafkas_default_or_the_brokers() -> None:
    for topic_key, broker_key in BROKER_SYNONYMS.items():
        topic = configs.keys(TopicSettings)[topic_key]
        broker = configs.keys(BrokerSettings)[broker_key]
        if broker_key not in COARSER:
            assert topic.default == broker.default, topic_key
        value = getattr(configs.effective(BrokerSettings(), NOTHING, {}), topic.attribute)
        assert value == topic.default, topic_key
    assert set(configs.keys(BrokerSettings)) >= DYNAMIC_BROKER_KEYS


def test_the_log_obeys_the_effective_values() -> None:
    settings = BrokerSettings.parse({"message.max.bytes": "1000", "log.segment.bytes": "5000"})
    obeyed = configs.log_settings(
        settings,
        DynamicConfigs(default={"message.max.bytes": "2000"}),
        {"cleanup.policy": "compact, delete"},
    )
    assert (obeyed.max_message_bytes, obeyed.segment_bytes) == (2000, 5000)
    assert obeyed.cleanup_policy == {"compact", "delete"}


def test_the_log_is_told_the_codec_and_its_own_level() -> None:
    given = {"compression.type": "zstd", "compression.zstd.level": "7", "compression.gzip.level": "2"}
    obeyed = configs.log_settings(BrokerSettings(), NOTHING, given)
    assert (obeyed.compression_codec, obeyed.compression_level) == (4, 7)
    assert configs.log_settings(BrokerSettings(), NOTHING, {}).compression_codec is None
    plain = configs.log_settings(BrokerSettings(), NOTHING, {"compression.type": "uncompressed"})
    assert (plain.compression_codec, plain.compression_level) == (0, None)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"retention.ms": "soon"}, "whole number"),
        ({"retention.ms": "-2"}, "minimum"),
        ({"no.such.key": "1"}, "not a known key"),
        ({"cleanup.policy": "burn"}, "not one of"),
        ({"retention.ms": None}, "null"),
        ({"remote.storage.enable": "true"}, "tiered"),
        ({"min.cleanable.dirty.ratio": "1.5"}, "between 0 and 1"),
        ({"compression.gzip.level": "0"}, "1 to 9"),
        ({"leader.replication.throttled.replicas": "all"}, "PARTITION:BROKER"),
        ({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}, "above"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, str | None], word: str) -> None:
    assert word in (configs.problem_of(TopicSettings, given) or "")


def test_what_is_right_is_not() -> None:
    assert (
        configs.problem_of(TopicSettings, {"retention.ms": "5", "cleanup.policy": "compact,delete"}) is None
    )
    throttled = {"leader.replication.throttled.replicas": "0:1,1:1"}
    assert configs.problem_of(TopicSettings, throttled) is None
    assert configs.problem_of(TopicSettings, dict.fromkeys(throttled, "*")) is None
