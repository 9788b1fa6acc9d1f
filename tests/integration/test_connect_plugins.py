"""Connectors of a third party: found, kept apart, restarted by their policy, killed when they hang."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.connect import Worker, is_alive
from tests.support.kafka import Kafka
from tests.support.waiting import eventually

HOME = "tests.support.connectors"


@pytest.fixture
def worker(tmp_path: Path, any_kafka: Kafka) -> Iterator[Worker]:
    properties = {
        "bootstrap.servers": any_kafka.bootstrap,
        "value.converter": "StringConverter",
        "task.shutdown.graceful.timeout.ms": "500",
        "offset.flush.interval.ms": "300",
    }
    with Worker(tmp_path, properties) as running:
        yield running


def config(kind: str, folder: Path, **more: str) -> dict[str, Any]:
    return {"connector.class": f"{HOME}:{kind}", "folder": str(folder), **more}


def put(worker: Worker, name: str, config: dict[str, Any]) -> None:
    status, answer = worker.request("PUT", f"/connectors/{name}/config", config)
    assert status in (200, 201), answer


def test_a_connector_divides_its_work_anew_when_it_wants(worker: Worker, tmp_path: Path) -> None:
    topic = uuid.uuid4().hex
    put(worker, "c", config("CountingSource", tmp_path, topic=topic, **{"tasks.max": "2"}))
    worker.until("c", "RUNNING", "RUNNING")
    (tmp_path / "more").touch()
    worker.until("c", "RUNNING", "RUNNING", "RUNNING")
    put(worker, "s", {"connector.class": "FileStreamSink", "topics": topic, "file": str(tmp_path / "out")})

    def lines() -> list[str]:
        return sorted((tmp_path / "out").read_text().split()) if (tmp_path / "out").exists() else []

    expected = sorted(f"{part}:{number}" for part in range(2) for number in range(100))
    eventually(lambda: sorted(set(lines())) == expected, 30)

    def stored() -> set[str]:
        return {one["partition"]["task"] for one in worker.get("/connectors/c/offsets")["offsets"]}

    eventually(lambda: stored() == {"0", "1"}, 30)


def test_a_task_that_raises_is_restarted_only_by_its_policy(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    put(worker, "stays", config("CountingSource", tmp_path))
    always = {"errors.restart.policy": "always", "errors.restart.delay.ms": "50"}
    put(worker, "returns", config("CountingSource", tmp_path, **always))
    worker.until("stays", "RUNNING", "FAILED")
    trace = worker.get("/connectors/stays/status")["tasks"][0]["trace"]
    assert "ValueError: broken on purpose" in trace
    assert "Traceback" in trace
    eventually(lambda: worker.get("/connectors/returns/progress")["tasks"][0]["restarts"] >= 2, 20)
    (tmp_path / "broken").unlink()
    worker.until("returns", "RUNNING", "RUNNING")
    assert worker.states("stays") == ["RUNNING", "FAILED"]
    status, answer = worker.request("POST", "/connectors/stays/restart?includeTasks=true&onlyFailed=true")
    assert status == 202
    assert [answer["connector"]["state"], answer["tasks"][0]["state"]] == ["RUNNING", "RESTARTING"]
    worker.until("stays", "RUNNING", "RUNNING")


def test_a_task_that_hangs_harms_nobody_and_is_killed_when_it_must_stop(
    worker: Worker, tmp_path: Path
) -> None:
    topic = uuid.uuid4().hex
    put(worker, "c", config("CountingSource", tmp_path, topic=topic))
    put(worker, "hangs", config("StuckSink", tmp_path, topics=topic))
    eventually(lambda: (tmp_path / "stuck").exists(), 30)
    pid = worker.task_pid("hangs")
    started = time.monotonic()
    for _ in range(20):
        assert worker.get("/connectors/c/status")["tasks"][0]["state"] == "RUNNING"
    assert time.monotonic() - started < 2.0
    assert worker.request("DELETE", "/connectors/hangs") == (204, None)
    eventually(lambda: not is_alive(pid), 5)


def test_a_task_that_never_returns_ends_with_its_killed_worker(worker: Worker, tmp_path: Path) -> None:
    topic = uuid.uuid4().hex
    put(worker, "c", config("CountingSource", tmp_path, topic=topic))
    put(worker, "hangs", config("StuckSink", tmp_path, topics=topic))
    eventually(lambda: (tmp_path / "stuck").exists(), 30)
    pid = worker.task_pid("hangs")
    assert is_alive(pid)
    worker.kill()
    eventually(lambda: not is_alive(pid), 10)
    worker.start()  # whose successor has the partitions for itself
    eventually(lambda: worker.states("hangs") == ["RUNNING", "RUNNING"], 20)


def test_a_connector_that_cannot_start_says_why_and_is_restarted_on_request(
    worker: Worker, tmp_path: Path
) -> None:
    put(worker, "b", config("BrokenSink", tmp_path, topics="t"))
    status = worker.get("/connectors/b/status")
    assert status["connector"]["state"] == "FAILED"
    assert "RuntimeError: no licence" in status["connector"]["trace"]
    assert status["tasks"] == []
    assert worker.request("POST", "/connectors/b/restart") == (204, None)
    assert worker.states("b") == ["FAILED"]


def test_a_module_that_is_not_installed_is_said_at_its_key(worker: Worker) -> None:
    status, answer = worker.request(
        "POST", "/connectors", {"name": "x", "config": {"connector.class": "no.such:Thing", "topics": "t"}}
    )
    assert status == 400
    assert "connector.class" in answer["message"]
    assert "cannot be loaded" in answer["message"]
