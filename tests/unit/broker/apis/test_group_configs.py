"""Configs of groups (resource type 32): described, checked and stored as Apache Kafka 4.3.1 does.

Each code below is the one that it gave.
"""

from __future__ import annotations

import pytest

from tests.support.node import MemoryBroker
from tests.unit.broker.apis.test_configs import APPEND, DELETE, SET, alter, describe
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages import alter_configs
from tidelock.protocol.messages.list_config_resources import ListConfigResourcesRequest

GROUP = 32
RESET, LEVEL = "share.auto.offset.reset", "share.isolation.level"


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def listed(broker: MemoryBroker, *kinds: int) -> list[tuple[int, str]]:
    found = broker.send(ListConfigResourcesRequest(resource_types=list(kinds)), 1).config_resources
    return [(one.resource_type, one.resource_name) for one in found]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("consumer.session.timeout.ms", "45000", E.NONE),
        ("consumer.session.timeout.ms", "44999", E.INVALID_CONFIG),
        ("consumer.session.timeout.ms", "60001", E.INVALID_CONFIG),
        ("consumer.session.timeout.ms", "soon", E.INVALID_CONFIG),
        ("consumer.session.timeout.ms", None, E.INVALID_REQUEST),
        ("consumer.heartbeat.interval.ms", "15000", E.NONE),
        ("consumer.heartbeat.interval.ms", "15001", E.INVALID_CONFIG),
        ("consumer.assignment.interval.ms", "15001", E.INVALID_CONFIG),
        ("consumer.assignor.offload.enable", "true", E.INVALID_CONFIG),
        (RESET, "earliest", E.NONE),
        (RESET, "by_duration:PT1H", E.NONE),
        (RESET, "by_duration:P1DT2H3M4.5S", E.NONE),
        (RESET, "by_duration:PT-1H90M", E.NONE),
        (RESET, "by_duration:-PT1H", E.INVALID_CONFIG),
        (RESET, "by_duration:PT1H-90M", E.INVALID_CONFIG),
        (RESET, "by_duration:PT0.5S", E.NONE),
        (RESET, "by_duration:PT-0.5S", E.INVALID_CONFIG),
        (RESET, "by_duration:-PT-0,5S", E.NONE),
        (RESET, "by_duration:-PT0S", E.NONE),
        (RESET, "by_duration:PT9223372036854775807.999999999S", E.NONE),
        (RESET, "by_duration:PT9223372036854775808S", E.INVALID_CONFIG),
        (RESET, "by_duration:-PT-9223372036854775808S", E.INVALID_CONFIG),
        (RESET, "by_duration:P106751991167300D", E.NONE),
        (RESET, "by_duration:P106751991167301D", E.INVALID_CONFIG),
        (RESET, "by_duration:P106751991167301DT-999999H", E.INVALID_CONFIG),
        (RESET, "by_duration:P99999999999999999999D", E.INVALID_CONFIG),
        (RESET, f"by_duration:P{'0' * 5000}1D", E.NONE),
        (RESET, f"by_duration:P{'9' * 5000}D", E.INVALID_CONFIG),
        (RESET, "by_duration:P", E.INVALID_CONFIG),
        (RESET, "by_duration:P1DT", E.INVALID_CONFIG),
        (RESET, "by_duration:1h", E.INVALID_CONFIG),
        (RESET, "PT1H", E.INVALID_CONFIG),
        (RESET, "Earliest", E.INVALID_CONFIG),
        (LEVEL, "read_committed", E.NONE),
        (LEVEL, "READ_COMMITTED", E.INVALID_CONFIG),
        ("share.record.lock.duration.ms", "15000", E.NONE),
        ("share.record.lock.duration.ms", "60001", E.INVALID_CONFIG),
        ("share.delivery.count.limit", "10", E.NONE),
        ("share.delivery.count.limit", "1", E.INVALID_CONFIG),
        ("share.partition.max.record.locks", "4001", E.INVALID_CONFIG),
        ("share.renew.acknowledge.enable", "maybe", E.INVALID_CONFIG),
        ("streams.num.standby.replicas", "2", E.NONE),
        ("streams.num.standby.replicas", "3", E.INVALID_CONFIG),
        ("streams.initial.rebalance.delay.ms", "99999999", E.NONE),
        ("streams.initial.rebalance.delay.ms", "-1", E.INVALID_CONFIG),
        ("no.such.key", "1", E.INVALID_CONFIG),
    ],
)
def test_a_value_is_taken_or_refused(broker: MemoryBroker, key: str, value: str | None, code: E) -> None:
    assert alter(broker, GROUP, "g", (key, SET, value)) == code
    assert listed(broker, GROUP) == ([(GROUP, "g")] if code is E.NONE else [])


def test_what_was_set_is_told_with_what_it_covers(broker: MemoryBroker) -> None:
    changes = [("share.renew.acknowledge.enable", SET, " FALSE"), ("share.session.timeout.ms", SET, "50000")]
    assert alter(broker, GROUP, "g", *changes) == E.NONE
    found = {
        one.name: (
            one.value,
            one.config_source,
            one.read_only,
            [(s.name, s.value, s.source) for s in one.synonyms],
        )
        for one in describe(broker, GROUP, "g", include_synonyms=True).configs
    }
    renew, timeout = "share.renew.acknowledge.enable", "share.session.timeout.ms"
    assert found[renew] == ("false", 8, False, [(renew, "false", 8), (renew, "true", 5)])
    assert found[timeout] == ("50000", 8, False, [(timeout, "50000", 8), (f"group.{timeout}", "45000", 5)])
    assert found["share.heartbeat.interval.ms"][:2] == ("5000", 5)


def test_a_group_is_listed_as_long_as_something_is_set(broker: MemoryBroker) -> None:
    broker.create("t")
    assert alter(broker, GROUP, "g", (LEVEL, SET, "read_committed"), check=True) == E.NONE
    assert alter(broker, GROUP, "g") == E.NONE
    assert listed(broker, GROUP) == []
    assert alter(broker, GROUP, "g", (LEVEL, SET, "read_committed")) == E.NONE
    assert listed(broker) == [(GROUP, "g"), (2, "t"), (4, "1")]
    assert alter(broker, GROUP, "g", (LEVEL, DELETE, None), ("no.such.key", DELETE, None)) == E.NONE
    assert listed(broker, GROUP) == []


def test_nothing_is_a_list_and_nothing_holds_for_all_groups(broker: MemoryBroker) -> None:
    assert alter(broker, GROUP, "g", ("share.session.timeout.ms", APPEND, "3")) == E.INVALID_CONFIG
    assert alter(broker, GROUP, "", (LEVEL, SET, "read_committed")) == E.INVALID_REQUEST
    assert describe(broker, GROUP, "").error_code == E.INVALID_REQUEST


def test_replacing_leaves_only_what_is_named(broker: MemoryBroker) -> None:
    def replace(*pairs: tuple[str, str]) -> int:
        resource = alter_configs.AlterConfigsResource(
            resource_type=GROUP,
            resource_name="g",
            configs=[alter_configs.AlterableConfig(name=name, value=value) for name, value in pairs],
        )
        request = alter_configs.AlterConfigsRequest(resources=[resource], validate_only=False)
        return int(broker.send(request).responses[0].error_code)

    assert alter(broker, GROUP, "g", (RESET, SET, "earliest")) == E.NONE
    assert replace((LEVEL, "read_committed")) == E.NONE
    assert replace(("share.isolation", "read_committed")) == E.INVALID_CONFIG
    found = {one.name: one.value for one in describe(broker, GROUP, "g").configs}
    assert (found[RESET], found[LEVEL]) == ("latest", "read_committed")
    assert replace() == E.NONE
    assert listed(broker, GROUP) == []


def test_it_is_there_after_a_restart(broker: MemoryBroker) -> None:
    assert alter(broker, GROUP, "g", (RESET, SET, "earliest")) == E.NONE
    broker.restart()
    (found,) = describe(broker, GROUP, "g", keys=[RESET]).configs
    assert (found.value, found.config_source) == ("earliest", 8)
