"""A stock `server.properties` is taken: what has no effect is named, security and slips are refused."""

from __future__ import annotations

import json

import pytest

from tests.conformance.tools.record import CONFIGS
from tidelock.broker.settings import BrokerSettings
from tidelock.broker.unused_keys import SECURITY, UNUSED
from tidelock.config import ConfigError

STOCK = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.bootstrap.servers": "localhost:9093",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "inter.broker.listener.name": "PLAINTEXT",
    "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
    "num.network.threads": "3",
    "num.io.threads": "8",
    "socket.send.buffer.bytes": "102400",
    "socket.receive.buffer.bytes": "102400",
    "socket.request.max.bytes": "104857600",
    "log.dirs": "/tmp/kraft-combined-logs",
    "num.partitions": "1",
    "num.recovery.threads.per.data.dir": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.retention.hours": "168",
    "log.segment.bytes": "1073741824",
    "log.retention.check.interval.ms": "300000",
}


def test_a_stock_file_is_taken() -> None:
    settings = BrokerSettings.parse(STOCK)
    assert (settings.num_partitions, settings.log_segment_bytes) == (1, 1 << 30)
    unused = BrokerSettings.without_effect(STOCK)
    assert unused == sorted(unused)
    assert "num.io.threads" in unused
    assert "num.partitions" not in unused
    assert BrokerSettings.without_effect({"node.id": "1"}) == []


def test_every_key_that_kafka_describes_is_known_one_way_or_the_other() -> None:
    described = json.loads(CONFIGS.read_text(encoding="utf-8"))["broker"]
    refused = {name for name in described if BrokerSettings.refusal(name) is not None}
    known = {name for key in BrokerSettings.describe() for name in (key.name, key.synonym)}
    assert {name for name in refused - known if not name.startswith(SECURITY)} == set()
    assert not UNUSED & known


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("ssl.keystore.password", "no TLS"),
        ("authorizer.class.name", "no ACLs"),
        ("listener.name.internal.sasl.enabled.mechanisms", "no SASL"),
        ("num.io.thread", "is not a known key"),
        ("num.partition", "did you mean num.partitions"),
    ],
)
def test_what_is_refused(key: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        BrokerSettings.parse({**STOCK, key: "hush"})
    assert [problem.key for problem in refused.value.problems] == [key]
    if "no " in why:
        assert refused.value.problems[0].value == "[hidden]"


def test_older_names_give_what_the_newer_do_not() -> None:
    older = {name: value for name, value in STOCK.items() if name not in ("node.id", "log.dirs")}
    settings = BrokerSettings.parse({**older, "broker.id": "7", "log.dir": "/data/kafka"})
    assert (settings.node_id, settings.log_dirs) == (7, "/data/kafka")
    settings = BrokerSettings.parse({**STOCK, "broker.id": "1", "log.dir": "/data/kafka"})
    assert (settings.node_id, settings.log_dirs) == (1, "/tmp/kraft-combined-logs")
    assert BrokerSettings.without_effect({"broker.id": "7", "log.dir": "/data/kafka"}) == []


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("log.dirs", "/a,/b", "this broker has one"),
        ("log.dirs", "", "names no folder"),
        ("log.dir", "/a, /b", "this broker has one"),
        ("broker.id", "-1", "below the minimum"),
        ("broker.id", "x", "not a whole number"),
    ],
)
def test_a_value_under_either_name_is_checked(key: str, value: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        BrokerSettings.parse({key: value})
    assert [problem.key for problem in refused.value.problems] == [key]


def test_two_ids_have_to_agree() -> None:
    with pytest.raises(ConfigError, match=r"broker\.id: must be the same as node\.id"):
        BrokerSettings.parse({"node.id": "1", "broker.id": "7"})
    assert BrokerSettings.parse({"node.id": "1", "broker.id": " 1"}).node_id == 1
