"""The originals that other tests compare with start, answer, keep their data and stop."""

from pathlib import Path

import pytest

from tests.engines.fetch import Engines
from tests.engines.kafka import ApacheKafka, ConnectStandalone, answers, brokers_of, run_tool

pytestmark = pytest.mark.needs_kafka


def test_a_broker_keeps_its_topics_over_a_kill(engines: Engines, tmp_path: Path) -> None:
    node = ApacheKafka(engines, tmp_path / "node").start()
    try:
        topics = ["--bootstrap-server", node.bootstrap]
        created = run_tool(
            engines, "org.apache.kafka.tools.TopicCommand", *topics, "--create", "--topic", "kept"
        )
        assert created.returncode == 0, created.stderr
        node.kill()
        assert brokers_of(node.port) == 0
        node.start()
        listed = run_tool(engines, "org.apache.kafka.tools.TopicCommand", *topics, "--list")
        assert listed.stdout.split() == ["kept"]
    finally:
        node.stop()


def test_a_standalone_worker_answers_and_stops(
    engines: Engines, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    with ConnectStandalone(engines, tmp_path / "worker", apache_kafka.bootstrap) as worker:
        assert answers(f"{worker.url}/connector-plugins")
    assert not answers(f"{worker.url}/health")
