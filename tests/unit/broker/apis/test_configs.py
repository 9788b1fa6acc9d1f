"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import MemoryBroker
from tidelock.broker.settings import BrokerSettings, TopicSettings
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages import alter_configs, incremental_alter_configs
from tidelock.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", retention_ms="5")
    return found


def describe(broker: MemoryBroker, kind: int, name: str, version: int = 4, **fields: Any) -> Any:
    keys = fields.pop("keys", None)
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
    return broker.send(DescribeConfigsRequest(resources=[resource], **fields), version).results[0]


def alter(
    broker: MemoryBroker, kind: int, name: str, *changes: tuple[str, int, str | None], check: bool = False
) -> int:
    configs = [
        incremental_alter_configs.AlterableConfig(name=key, config_operation=op, value=value)
        for key, op, value in changes
    ]
    resource = incremental_alter_configs.AlterConfigsResource(
        resource_type=kind, resource_name=name, configs=configs
    )
    request = incremental_alter_configs.IncrementalAlterConfigsRequest(
        resources=[resource], validate_only=check
    )
    return int(broker.send(request).responses[0].error_code)


def value(broker: MemoryBroker, key: str, kind: int = TOPIC, name: str = "t") -> str | None:
    (found,) = describe(broker, kind, name, keys=[key]).configs
    text: str | None = found.value
    return text


@pytest.mark.parametrize("version", range(1, 5))
def test_every_config_is_described(broker: MemoryBroker, version: int) -> None:
    found = describe(broker, TOPIC, "t", version, include_synonyms=True, include_documentation=True)
    assert [one.name for one in found.configs] == sorted(key.name for key in TopicSettings.describe())
    retention = next(one for one in found.configs if one.name == "retention.ms")
    assert (retention.value, retention.config_source, retention.read_only) == ("5", 1, False)
    assert [(one.name, one.value, one.source) for one in retention.synonyms] == [("retention.ms", "5", 1)]
    if version >= 3:
        assert retention.config_type == 5
        assert retention.documentation
    found = describe(broker, BROKER, "1", version)
    assert len(found.configs) == len(BrokerSettings.describe())
    assert {one.name for one in found.configs if not one.read_only} >= {"log.retention.ms"}


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (TOPIC, "u", E.UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "9", E.INVALID_REQUEST),
        (8, "1", E.INVALID_REQUEST),
    ],
)
def test_resources_that_are_not_there(broker: MemoryBroker, kind: int, name: str, code: int) -> None:
    assert describe(broker, kind, name).error_code == code
    assert alter(broker, kind, name, ("retention.ms", SET, "1")) == code


def test_set_and_delete(broker: MemoryBroker) -> None:
    assert alter(broker, TOPIC, "t", ("retention.ms", SET, "7"), ("segment.bytes", SET, "2000000")) == 0
    assert (value(broker, "retention.ms"), value(broker, "segment.bytes")) == ("7", "2000000")
    assert broker.state.log_settings("t").retention_ms == 7
    assert alter(broker, TOPIC, "t", ("retention.ms", DELETE, None)) == 0
    broker.restart()
    assert value(broker, "retention.ms") == "604800000"


def test_append_and_subtract(broker: MemoryBroker) -> None:
    assert alter(broker, TOPIC, "t", ("cleanup.policy", APPEND, "compact")) == 0
    assert value(broker, "cleanup.policy") == "delete,compact"
    assert alter(broker, TOPIC, "t", ("cleanup.policy", SUBTRACT, "delete")) == 0
    assert value(broker, "cleanup.policy") == "compact"
    assert alter(broker, TOPIC, "t", ("retention.ms", APPEND, "1")) == E.INVALID_CONFIG


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("retention.ms", SET, "soon")], E.INVALID_CONFIG),
        ([("segment.bytes", SET, "1048575")], E.INVALID_CONFIG),
        ([("segment.index.bytes", SET, str(1 << 31))], E.INVALID_CONFIG),
        ([("retention.ms", SET, str(1 << 63))], E.INVALID_CONFIG),
        ([("retention.ms", SET, None)], E.INVALID_REQUEST),
        ([("cleanup.policy", APPEND, None)], E.INVALID_REQUEST),
        ([("no.such.key", SET, "1")], E.INVALID_CONFIG),
        ([("retention.ms", 9, "1")], E.INVALID_REQUEST),
        ([("retention.ms", SET, "1"), ("retention.ms", SET, "2")], E.INVALID_REQUEST),
        ([("segment.bytes", SET, "1048576"), ("retention.ms", SET, "soon")], E.INVALID_CONFIG),
    ],
)
def test_all_of_a_resources_changes_happen_or_none(
    broker: MemoryBroker, changes: list[tuple[str, int, str | None]], code: int
) -> None:
    assert alter(broker, TOPIC, "t", *changes) == code
    assert broker.state.image.topics["t"].configs == {"retention.ms": "5"}


def test_only_checking_changes_nothing(broker: MemoryBroker) -> None:
    assert alter(broker, TOPIC, "t", ("retention.ms", SET, "9"), check=True) == 0
    assert value(broker, "retention.ms") == "5"


def test_the_brokers_default_holds_for_topics_without_their_own(broker: MemoryBroker) -> None:
    broker.create("u")
    assert alter(broker, BROKER, "", ("message.max.bytes", SET, "5000")) == 0
    assert value(broker, "max.message.bytes", name="u") == "5000"
    partition = broker.state.partition("u", 0)
    assert partition.settings.max_message_bytes == 5000
    assert value(broker, "message.max.bytes", BROKER, "") == "5000"
    assert alter(broker, BROKER, "1", ("node.id", SET, "2")) == E.INVALID_REQUEST
    assert alter(broker, BROKER, "1", ("message.max.bytes", SET, "much")) == E.INVALID_REQUEST


def test_what_is_not_known_can_be_cleared(broker: MemoryBroker) -> None:
    assert alter(broker, TOPIC, "t", ("no.such.key", DELETE, None)) == 0
    assert alter(broker, BROKER, "1", ("leader.replication.throttled.rate", DELETE, None)) == 0
    assert broker.state.image.topics["t"].configs == {"retention.ms": "5"}


def test_one_brokers_config_holds_before_that_of_all(broker: MemoryBroker) -> None:
    broker.create("u")
    assert alter(broker, BROKER, "1", ("message.max.bytes", SET, "7000")) == 0
    assert alter(broker, BROKER, "", ("message.max.bytes", SET, "5000")) == 0
    broker.restart()
    assert value(broker, "max.message.bytes", name="u") == "7000"
    assert value(broker, "message.max.bytes", BROKER, "") == "5000"
    assert alter(broker, BROKER, "1", ("message.max.bytes", DELETE, None)) == 0
    assert value(broker, "max.message.bytes", name="u") == "5000"


@pytest.mark.parametrize("version", range(3))
def test_replacing_all_configs(broker: MemoryBroker, version: int) -> None:
    configs = [alter_configs.AlterableConfig(name="segment.bytes", value="1048576")]
    resource = alter_configs.AlterConfigsResource(resource_type=TOPIC, resource_name="t", configs=configs)
    request = alter_configs.AlterConfigsRequest(resources=[resource])
    assert broker.send(request, version).responses[0].error_code == 0
    assert broker.state.image.topics["t"].configs == {"segment.bytes": "1048576"}
