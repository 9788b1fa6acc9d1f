"""Apache Kafka's own Java clients, through its command line tools, against our broker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.fetch import Engines
from tests.engines.kafka import run_tool
from tests.support.kafka import Kafka

pytestmark = pytest.mark.needs_kafka
TOOLS = "org.apache.kafka.tools"


def tool(engines: Engines, name: str, broker: Kafka, *arguments: str, stdin: str | None = None) -> str:
    done = run_tool(
        engines, f"{TOOLS}.{name}", "--bootstrap-server", broker.bootstrap, *arguments, stdin=stdin
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_console_tools(engines: Engines, any_kafka: Kafka, unique: Callable[[str], str]) -> None:
    topic, group = unique("java"), unique("g")
    tool(engines, "TopicCommand", any_kafka, "--create", "--topic", topic, "--partitions", "3")
    described = tool(engines, "TopicCommand", any_kafka, "--describe", "--topic", topic)
    assert "PartitionCount: 3" in described
    lines = [f"line {number}" for number in range(100)]
    tool(engines, "ConsoleProducer", any_kafka, "--topic", topic, stdin="\n".join(lines) + "\n")
    limits = ("--max-messages", "100", "--timeout-ms", "20000")
    read = tool(
        engines,
        "consumer.ConsoleConsumer",
        any_kafka,
        *("--topic", topic, "--group", group, "--from-beginning", *limits),
    )
    assert sorted(read.splitlines()) == sorted(lines)
    lag = tool(engines, "consumer.group.ConsumerGroupCommand", any_kafka, "--describe", "--group", group)
    rows = [row.split() for row in lag.splitlines() if topic in row]
    assert sum(int(row[3]) for row in rows) == 100
    assert {row[5] for row in rows} == {"0"}
