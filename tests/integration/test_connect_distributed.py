"""Several workers as one: work is shared, forwarded, moved; states and offsets are in Kafka."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.connect_distributed import distributed_properties
from tests.integration.connect_cluster import get, lines_of, request, states, until
from tests.integration.test_exactly_once_source import committed
from tests.support.connect import DistributedProcess
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.client import Admin, Consumer, Outgoing, Producer, TopicPartition
from tidelock.connect.distributed import config_state

_numbers = itertools.count()


def source(path: Path, topic: str) -> dict[str, str]:
    return {
        "connector.class": "FileStreamSource",
        "file": str(path),
        "topic": topic,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }


def sink(path: Path, topic: str) -> dict[str, str]:
    made = source(path, topic)
    return {**{key: value for key, value in made.items() if key != "topic"}, "topics": topic} | {
        "connector.class": "FileStreamSink"
    }


@pytest.fixture
def properties(any_kafka: Kafka) -> dict[str, str]:
    return distributed_properties(any_kafka.bootstrap, f"cluster-{os.getpid()}-{next(_numbers)}")


@pytest.fixture
def pair(
    tmp_path: Path, properties: dict[str, str]
) -> Iterator[tuple[DistributedProcess, DistributedProcess]]:
    first = DistributedProcess(tmp_path / "one.log", properties)
    second = DistributedProcess(tmp_path / "two.log", properties)
    with first, second:
        yield first, second


def values(bootstrap: str, topic: str) -> list[str]:
    """Everything in a topic of one partition."""
    partition = TopicPartition(topic, 0)
    with Consumer(bootstrap, group="reader") as consumer:
        consumer.assign({partition: 0})
        end = consumer.end_offsets([partition])[partition]
        found: list[str] = []
        while len(found) < end:
            found += [(one.value() or b"").decode() for one in consumer.poll(100, timeout=0.2)]
        return found


def test_work_is_shared_and_survives_the_death_of_a_worker(
    pair: tuple[DistributedProcess, DistributedProcess], properties: dict[str, str], tmp_path: Path
) -> None:
    one, two = pair
    topic = f"t-{os.getpid()}-{next(_numbers)}"
    Admin(properties["bootstrap.servers"]).create_topic(topic, 1)
    inputs = [tmp_path / f"in-{number}.txt" for number in range(4)]
    for number, path in enumerate(inputs):
        path.write_text(f"{number}a\n")
        url = (one, two)[number % 2].url  # whoever is asked, the leader writes
        status, made = request(url, "PUT", f"/connectors/in-{number}/config", source(path, topic))
        assert status == 201, made
    workers = {worker for number in range(4) for worker in until(one.url, f"in-{number}", *["RUNNING"] * 2)}
    eventually(
        lambda: (
            {worker for number in range(4) for _, worker in states(two.url, f"in-{number}")}
            == {one.worker_id, two.worker_id}
        ),
        40.0,
    )
    assert workers <= {one.worker_id, two.worker_id}
    out = tmp_path / "out.txt"
    assert request(two.url, "PUT", "/connectors/out/config", sink(out, topic))[0] == 201
    eventually(lambda: sorted(lines_of(out)) == [f"{number}a" for number in range(4)], 40.0)
    for number in range(4):
        eventually(lambda: get(one.url, f"/connectors/in-{number}/offsets")["offsets"], 40.0)  # noqa: B023

    two.kill()
    for path in inputs:
        with path.open("a") as text:
            text.write("later\n")
    for name in ("in-0", "in-1", "in-2", "in-3", "out"):

        def moved(name: str = name) -> bool:
            return states(one.url, name) == [("RUNNING", one.worker_id)] * 2

        eventually(moved, 60.0)
    eventually(lambda: lines_of(out).count("later") == 4, 40.0)
    assert sorted(values(properties["bootstrap.servers"], topic)) == [
        "0a",
        "1a",
        "2a",
        "3a",
        *["later"] * 4,
    ], "the other worker went on at the offsets of all sources"


def test_a_connector_s_life_as_every_worker_tells_it(
    pair: tuple[DistributedProcess, DistributedProcess], tmp_path: Path
) -> None:
    one, two = pair
    path = tmp_path / "in.txt"
    path.write_text("a\n")
    body = {"name": "life", "config": source(path, f"life-{os.getpid()}"), "initial_state": "PAUSED"}
    assert request(two.url, "POST", "/connectors", body)[0] == 201
    until(one.url, "life", "PAUSED", "PAUSED")
    assert request(one.url, "PUT", "/connectors/life/resume")[0] == 202
    until(two.url, "life", "RUNNING", "RUNNING")
    assert get(two.url, "/connectors/life/tasks")[0]["config"]["task.class"].endswith("FileStreamSourceTask")
    for url in (one.url, two.url):
        assert request(url, "POST", "/connectors/life/tasks/0/restart")[0] == 204
        assert request(url, "POST", "/connectors/life/restart?includeTasks=true")[0] == 202
        until(url, "life", "RUNNING", "RUNNING")
    eventually(lambda: get(one.url, "/connectors/life/topics")["life"]["topics"], 40.0)
    eventually(lambda: get(one.url, "/connectors/life/offsets")["offsets"], 40.0)
    assert request(one.url, "DELETE", "/connectors/life/offsets")[0] == 400, "it runs"
    assert request(one.url, "PUT", "/connectors/life/stop")[0] == 204
    until(two.url, "life", "STOPPED")
    assert get(one.url, "/connectors/life")["tasks"] == []
    assert request(two.url, "DELETE", "/connectors/life/offsets")[0] == 200
    assert get(one.url, "/connectors/life/offsets") == {"offsets": []}
    assert request(two.url, "DELETE", "/connectors/life")[0] == 204
    for url in (one.url, two.url):
        eventually(lambda: request(url, "GET", "/connectors/life")[0] == 404, 40.0)  # noqa: B023
        assert request(url, "PUT", "/connectors/life/pause")[0] == 404
    assert request(one.url, "POST", "/connectors/x/tasks", [{}])[0] == 400, "unsigned"


def test_an_exactly_once_source_keeps_its_offsets_in_a_topic_of_its_own_and_they_can_be_reset(
    properties: dict[str, str], tmp_path: Path
) -> None:
    keys = properties | {"exactly.once.source.support": "enabled"}
    path, topic = tmp_path / "in.txt", f"own-{os.getpid()}-{next(_numbers)}"
    Admin(properties["bootstrap.servers"]).create_topic(topic, 1)
    path.write_text("a\n")
    config = source(path, topic) | {
        "exactly.once.support": "required",
        "offsets.storage.topic": f"{topic}-offsets",
    }
    stored = [{"partition": {"filename": str(path)}, "offset": {"position": 2}}]
    one = DistributedProcess(tmp_path / "one.log", keys)
    with one, DistributedProcess(tmp_path / "two.log", keys) as two:
        assert request(two.url, "PUT", "/connectors/own/config", config)[0] == 201
        for url in (one.url, two.url):
            eventually(lambda: get(url, "/connectors/own/offsets")["offsets"] == stored, 40.0)  # noqa: B023
        assert request(one.url, "PUT", "/connectors/own/fence")[0] == 400, "unsigned"
        assert request(one.url, "PUT", "/connectors/own/stop")[0] == 204
        until(two.url, "own", "STOPPED")
        assert request(two.url, "DELETE", "/connectors/own/offsets")[0] == 200
        assert get(one.url, "/connectors/own/offsets") == {"offsets": []}
        assert request(one.url, "PUT", "/connectors/own/resume")[0] == 202
        until(two.url, "own", "RUNNING", "RUNNING")
        eventually(lambda: get(two.url, "/connectors/own/offsets")["offsets"] == stored, 40.0)
        logger = "/admin/loggers/tidelock.connect.nobody"
        assert request(one.url, "PUT", f"{logger}?scope=cluster", {"level": "DEBUG"}) == (204, None)
        for url in (one.url, two.url):
            eventually(lambda: request(url, "GET", logger)[1].get("level") == "DEBUG", 40.0)  # noqa: B023
    assert committed(properties["bootstrap.servers"], topic, 2) == ["a", "a"]


def test_a_half_written_task_set_and_tombstones_are_taken_over(
    properties: dict[str, str], tmp_path: Path
) -> None:
    """A leader that died between two records, or compaction: the set is written again, and only then runs."""
    path, topic = tmp_path / "in.txt", f"half-{os.getpid()}-{next(_numbers)}"
    path.write_text("a\n")
    Admin(properties["bootstrap.servers"]).create_topic(topic, 1)
    configs = properties["config.storage.topic"]
    Admin(properties["bootstrap.servers"]).create_topic(configs, 1, {"cleanup.policy": "compact"})
    config = source(path, topic) | {"name": "half"}
    gone = config | {"name": "gone"}
    records = [
        *(config_state.connector_record("half", config), config_state.connector_record("gone", gone)),
        *config_state.task_records("gone", [gone]),
        *(config_state.connector_record("gone", None), config_state.target_record("gone", None)),
        *config_state.task_records("half", [config, config])[1:],  # of two tasks, the first is missing
    ]
    with Producer(properties["bootstrap.servers"]) as producer:
        for key, value in records:
            producer.send(configs, Outgoing(key, value))
    with DistributedProcess(tmp_path / "one.log", properties) as one:
        assert get(one.url, "/connectors") == ["half"]
        until(one.url, "half", "RUNNING", "RUNNING")
        eventually(lambda: values(properties["bootstrap.servers"], topic) == ["a"], 40.0)
        assert [task["config"]["file"] for task in get(one.url, "/connectors/half/tasks")] == [str(path)]
