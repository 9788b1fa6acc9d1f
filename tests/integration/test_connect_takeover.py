"""A JVM worker's cluster taken over and given back, and JVM and our workers in one group.

Five starts of a JVM worker take a minute, so these run only when TIDELOCK_TAKEOVER says how many connectors
the mixed group has: TIDELOCK_TAKEOVER=4 pytest tests/integration/test_connect_takeover.py
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.connect_distributed import ConnectDistributed, distributed_properties
from tests.engines.fetch import Engines
from tests.integration.connect_cluster import get, request, states, until
from tests.integration.test_exactly_once_source import committed
from tests.support.connect import DistributedProcess
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.client import Admin, Consumer, Message, TopicPartition

CONNECTORS = int(os.environ.get("TIDELOCK_TAKEOVER", "0"))
WHY = "takes a minute: set TIDELOCK_TAKEOVER to a number of connectors"

pytestmark = [
    pytest.mark.needs_kafka,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CONNECTORS, reason=WHY),
]

PATIENCE = 90.0
_numbers = itertools.count()


def source(path: Path, topic: str) -> dict[str, str]:
    return {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "file": str(path),
        "topic": topic,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }


def append(path: Path, line: str) -> None:
    with path.open("a") as text:
        text.write(f"{line}\n")


class Topic:
    """What is in a topic of one partition, read on from where the last look ended."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.name = name
        self._bootstrap = bootstrap
        self._partition = TopicPartition(name, 0)
        self.lines: list[str] = []
        Admin(bootstrap).create_topic(name, 1)

    def read(self) -> list[str]:
        with Consumer(self._bootstrap, group="reader") as consumer:
            consumer.assign({self._partition: len(self.lines)})
            end = consumer.end_offsets([self._partition])[self._partition]
            while len(self.lines) < end:
                self.lines += [(one.value() or b"").decode() for one in consumer.poll(1000, timeout=0.2)]
        return self.lines

    def until(self, *lines: str) -> None:
        """Wait for lines; each may be there once only."""
        eventually(lambda: set(lines) <= set(self.read()), PATIENCE, interval=0.2)
        assert len(self.lines) == len(set(self.lines)), "a line was read twice"


def everything(bootstrap: str, partition: TopicPartition) -> list[Message]:
    """Return all records of a partition."""
    found: list[Message] = []
    with Consumer(bootstrap, group="reader") as consumer:
        consumer.assign({partition: 0})
        while partition not in consumer.at_end:
            found += consumer.poll(1000, timeout=0.2)
    return found


def has_offsets(url: str, name: str, position: int) -> Callable[[], bool]:
    def check() -> bool:
        found = get(url, f"/connectors/{name}/offsets")["offsets"]
        return [one["offset"] for one in found] == [{"position": position}]

    return check


def test_a_jvm_worker_s_topics_are_continued_and_given_back(
    engines: Engines, any_kafka: Kafka, tmp_path: Path
) -> None:
    bootstrap = any_kafka.bootstrap
    group = f"takeover-{os.getpid()}"
    topic = Topic(bootstrap, f"{group}-lines")
    file, other = tmp_path / '파일 😀 "x".txt', tmp_path / "other.txt"
    append(file, "jvm")
    append(other, "other")
    names = {"running": file, "paused": other, "stopped": other, "gone": other}
    with ConnectDistributed(engines, tmp_path / "jvm", bootstrap, group) as jvm:
        for name in ("paused", "stopped"):
            body = {"name": name, "config": source(names[name], topic.name), "initial_state": name.upper()}
            assert request(jvm.url, "POST", "/connectors", body)[0] == 201
        for name in ("running", "gone"):
            config = source(names[name] if name == "running" else tmp_path / "none", topic.name)
            assert request(jvm.url, "PUT", f"/connectors/{name}/config", config)[0] == 201
        topic.until("jvm")
        eventually(has_offsets(jvm.url, "running", 4), PATIENCE)
        assert request(jvm.url, "DELETE", "/connectors/gone")[0] == 204
    append(file, "between")
    with DistributedProcess(tmp_path / "ours.log", distributed_properties(bootstrap, group)) as ours:
        assert sorted(get(ours.url, "/connectors")) == ["paused", "running", "stopped"]
        until(ours.url, "running", "RUNNING", "RUNNING", timeout=PATIENCE)
        until(ours.url, "paused", "PAUSED", "PAUSED", timeout=PATIENCE)
        until(ours.url, "stopped", "STOPPED", timeout=PATIENCE)
        append(file, "ours")
        topic.until("jvm", "between", "ours")
        eventually(has_offsets(ours.url, "running", 17), PATIENCE)
        config = {**source(other, topic.name), "connector.class": "FileStreamSource"}
        assert request(ours.url, "PUT", "/connectors/made/config", config)[0] == 201
        topic.until("other")
        eventually(has_offsets(ours.url, "made", 6), PATIENCE)
        assert request(ours.url, "PUT", "/connectors/running/pause")[0] == 202
        until(ours.url, "running", "PAUSED", "PAUSED", timeout=PATIENCE)
    append(file, "again")
    append(other, "more")
    with ConnectDistributed(engines, tmp_path / "jvm2", bootstrap, group) as jvm:
        until(jvm.url, "running", "PAUSED", "PAUSED", timeout=PATIENCE)
        until(jvm.url, "made", "RUNNING", "RUNNING", timeout=PATIENCE)
        assert request(jvm.url, "PUT", "/connectors/running/resume")[0] == 202
        topic.until("jvm", "between", "ours", "other", "again", "more")
        assert sorted(get(jvm.url, "/connectors")) == ["made", "paused", "running", "stopped"]
    assert sorted(topic.lines) == ["again", "between", "jvm", "more", "other", "ours"]


def test_jvm_and_our_workers_are_one_group_and_no_task_runs_twice(
    engines: Engines, any_kafka: Kafka, tmp_path: Path
) -> None:
    bootstrap = any_kafka.bootstrap
    group = f"mixed-{os.getpid()}"
    topic = Topic(bootstrap, f"{group}-lines")
    files = {f"c{number}": tmp_path / f"c{number}.txt" for number in range(CONNECTORS)}
    rounds = itertools.count()
    ours = DistributedProcess(tmp_path / "ours.log", distributed_properties(bootstrap, group))
    jvm = ConnectDistributed(engines, tmp_path / "jvm", bootstrap, group)

    def settle(url: str, workers: int) -> None:
        """Everything runs, on so many workers, and each new line comes once."""

        def runs() -> bool:
            found = [states(url, name) for name in files]
            whole = all([state for state, _ in one] == ["RUNNING"] * 2 for one in found)
            return whole and len({worker for one in found for _, worker in one}) == workers

        eventually(runs, PATIENCE, interval=0.2)
        number = next(rounds)
        for name, path in files.items():
            append(path, f"{name}-{number}")
        topic.until(*(f"{name}-{one}" for name in files for one in range(number + 1)))

    with ours:
        for name, path in files.items():
            path.touch()
            config = source(path, topic.name)
            assert request(ours.url, "PUT", f"/connectors/{name}/config", config)[0] == 201
        settle(ours.url, 1)
        with jvm:
            settle(ours.url, 2)  # ours leads
            assert request(jvm.url, "PUT", "/connectors/c0/pause")[0] == 202
            until(ours.url, "c0", "PAUSED", "PAUSED", timeout=PATIENCE)
            assert request(ours.url, "PUT", "/connectors/c0/resume")[0] == 202
            ours.stop()
            settle(jvm.url, 1)
            ours.start()
            settle(jvm.url, 2)  # the JVM leads: what ours changes is forwarded to it, signed
            path = files["late"] = tmp_path / "late.txt"
            append(path, "late-0")
            for one in range(1, 5):
                append(path, f"late-{one}")
            assert request(ours.url, "PUT", "/connectors/late/config", source(path, topic.name))[0] == 201
            until(jvm.url, "late", "RUNNING", "RUNNING", timeout=PATIENCE)
            topic.until(*(f"late-{one}" for one in range(5)))
            del files["late"]
        settle(ours.url, 1)


def test_exactly_once_tasks_of_ours_and_of_the_jvm_ask_each_other_s_leader(
    engines: Engines, tidelock_broker: Kafka, tmp_path: Path
) -> None:
    """Each in turn leads; no line is lost or doubled when the work moves, and counts are written alike."""
    bootstrap = tidelock_broker.bootstrap
    group = f"once-{os.getpid()}"
    keys = {"exactly.once.source.support": "enabled"}
    Admin(bootstrap).create_topic(f"{group}-lines", 1)
    files = {f"c{number}": tmp_path / f"c{number}.txt" for number in range(4)}
    expected: list[str] = []
    ours = DistributedProcess(tmp_path / "ours.log", distributed_properties(bootstrap, group) | keys)
    jvm = ConnectDistributed(engines, tmp_path / "jvm", bootstrap, group, properties=keys)

    def settle(url: str, workers: int) -> None:
        def runs() -> bool:
            found = [states(url, name) for name in files]
            whole = all([state for state, _ in one] == ["RUNNING"] * 2 for one in found)
            return whole and len({worker for one in found for _, worker in one}) == workers

        eventually(runs, PATIENCE, interval=0.2)
        for name, path in files.items():
            append(path, f"{name}-{len(expected)}")
            expected.append(path.read_text().splitlines()[-1])
        assert sorted(committed(bootstrap, f"{group}-lines", len(expected))) == sorted(expected)

    for path in files.values():
        path.touch()
    with ours:
        for name, path in files.items():
            config = source(path, f"{group}-lines") | {"exactly.once.support": "required"}
            assert request(ours.url, "PUT", f"/connectors/{name}/config", config)[0] == 201
        settle(ours.url, 1)
        with jvm:
            settle(ours.url, 2)  # ours leads, and shuts out for the JVM's tasks
            ours.kill()
            settle(jvm.url, 1)
            ours.start()
            settle(jvm.url, 2)  # the JVM leads
            for name in files:
                assert request(ours.url, "PUT", f"/connectors/{name}/stop")[0] == 204
                until(jvm.url, name, "STOPPED", timeout=PATIENCE)
                assert request(jvm.url, "PUT", f"/connectors/{name}/resume")[0] == 202
            settle(jvm.url, 2)
        settle(ours.url, 1)
    found = everything(bootstrap, TopicPartition(f"{group}-configs", 0))
    counts = {one.value() for one in found if (one.key() or b"").startswith(b"tasks-fencing-")}
    assert counts == {b'{"task-count":1}'}
