"""Every config is described as Apache Kafka 4.3.1 describes it; `record.py` has written down its answers.

Type, default, whether it can be changed on a running broker, synonyms. What differs is listed here.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.tools.described import BROKER, GROUP, TOPIC, VERSION, plain
from tests.conformance.tools.record import CONFIGS
from tests.support.node import MemoryBroker
from tidelock.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

KAFKAS = json.loads(CONFIGS.read_text(encoding="utf-8"))
PLACES = {
    "advertised.listeners",
    "controller.listener.names",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
    "node.id",
}
"""Differ from broker to broker."""
EMBEDDED = {
    "group.initial.rebalance.delay.ms",
    "log.flush.interval.ms",
    "log.segment.bytes",
    "num.partitions",
    "offsets.topic.num.partitions",
    "segment.bytes",
    "transaction.state.log.num.partitions",
}
"""An embedded broker wants another default."""
LIKE_A_CLUSTER = {"min.insync.replicas"}
"""Kafka sets it for the whole cluster by itself, for its eligible leader replicas (KIP-966)."""
ENGINE = {"log.cleaner.dedupe.buffer.size"}
"""Set by the one who recorded."""
READ_ONCE = {
    "listener.security.protocol.map",
    "listeners",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.flush.interval.ms",
    "max.connections",
    "producer.id.expiration.ms",
}
"""Kafka can change them while it runs; here they are read at the start."""
OURS = {"tidelock.flush.policy"}


def ours(kind: int, name: str) -> dict[str, dict[str, Any]]:
    broker = MemoryBroker()
    broker.create("words")
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=None)
    answer = broker.send(DescribeConfigsRequest(resources=[resource], include_synonyms=True), VERSION)
    return {one.name: plain(one) for one in answer.results[0].configs}


def compared(found: dict[str, Any], kafkas: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    different = []
    for name in sorted(set(found) & set(kafkas)):
        mine, theirs = dict(found[name]), dict(kafkas[name])
        if name in PLACES | EMBEDDED | LIKE_A_CLUSTER | ENGINE:
            for answer in (mine, theirs):
                del answer["value"], answer["source"], answer["synonyms"]
        if name in READ_ONCE:
            assert (mine.pop("read_only"), theirs.pop("read_only")) == (True, False), name
        if mine != theirs:
            different.append((name, mine, theirs))
    return different


def test_topic_configs() -> None:
    found = ours(TOPIC, "words")
    assert set(found) == set(KAFKAS["topic"])
    assert compared(found, KAFKAS["topic"]) == []


def test_broker_configs() -> None:
    found = ours(BROKER, "1")
    assert set(found) - set(KAFKAS["broker"]) == OURS
    assert compared(found, KAFKAS["broker"]) == []


def test_group_configs() -> None:
    found = ours(GROUP, "nobody")
    assert set(found) == set(KAFKAS["group"])
    assert compared(found, KAFKAS["group"]) == []


@pytest.mark.parametrize("names", [PLACES, EMBEDDED, LIKE_A_CLUSTER, READ_ONCE, ENGINE])
def test_no_exception_is_listed_in_vain(names: set[str]) -> None:
    assert names <= {*ours(TOPIC, "words"), *ours(BROKER, "1")}
