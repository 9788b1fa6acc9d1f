"""Which value of a config holds, and where it comes from."""

from __future__ import annotations

import pytest

from tidelock.broker import configs
from tidelock.broker.configs import ConfigSource, Origin
from tidelock.broker.settings import BROKER_SYNONYMS, DYNAMIC_BROKER_KEYS, BrokerSettings, TopicSettings


def found(
    name: str, settings: BrokerSettings | None = None, dynamic: dict[str, str] | None = None, **overrides: str
) -> configs.Config:
    given = {key.replace("_", "."): value for key, value in overrides.items()}
    every = configs.topic_configs(settings or BrokerSettings(), dynamic or {}, given)
    return next(one for one in every if one.key.name == name)


def test_the_default() -> None:
    config = found("retention.ms")
    assert (config.value, config.source) == ("604800000", ConfigSource.DEFAULT)
    assert config.origins == (Origin("log.retention.ms", "604800000", ConfigSource.DEFAULT),)


def test_every_place_is_told_the_strongest_first() -> None:
    settings = BrokerSettings.parse({"log.retention.ms": "2"})
    config = found("retention.ms", settings, {"log.retention.ms": "3"}, retention_ms="4")
    assert config.origins == (
        Origin("retention.ms", "4", ConfigSource.TOPIC),
        Origin("log.retention.ms", "3", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        Origin("log.retention.ms", "2", ConfigSource.STATIC_BROKER),
        Origin("log.retention.ms", "604800000", ConfigSource.DEFAULT),
    )


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
        assert topic.default == broker.default, topic_key
    assert set(configs.keys(BrokerSettings)) >= DYNAMIC_BROKER_KEYS


def test_the_log_obeys_the_effective_values() -> None:
    settings = BrokerSettings.parse({"message.max.bytes": "1000", "log.segment.bytes": "5000"})
    obeyed = configs.log_settings(
        settings, {"message.max.bytes": "2000"}, {"cleanup.policy": "compact, delete"}
    )
    assert (obeyed.max_message_bytes, obeyed.segment_bytes) == (2000, 5000)
    assert obeyed.cleanup_policy == {"compact", "delete"}


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
    ],
)
def test_what_is_wrong_is_said(given: dict[str, str | None], word: str) -> None:
    assert word in (configs.problem_of(TopicSettings, given) or "")


def test_what_is_right_is_not() -> None:
    assert (
        configs.problem_of(TopicSettings, {"retention.ms": "5", "cleanup.policy": "compact,delete"}) is None
    )
