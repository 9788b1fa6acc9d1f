"""A worker of ours with a real Kafka: files through topics, kills, restarts, and what REST says meanwhile."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka_connect import KafkaConnect

from tests.support.connect import Worker, is_alive
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.client import Admin
from tidelock.errors import TidelockError

STRING = "org.apache.kafka.connect.storage.StringConverter"


@pytest.fixture
def name() -> str:
    return f"n{uuid.uuid4().hex[:10]}"


@pytest.fixture
def properties(kafka: Kafka) -> dict[str, str]:
    return {
        "bootstrap.servers": kafka.bootstrap,
        "key.converter": STRING,
        "value.converter": STRING,
        "offset.flush.interval.ms": "1000",
    }


@pytest.fixture
def worker(tmp_path: Path, properties: dict[str, str]) -> Iterator[Worker]:
    with Worker(tmp_path, properties) as running:
        yield running


def source(path: Path, topic: str) -> dict[str, Any]:
    return {"connector.class": "FileStreamSource", "file": str(path), "topic": topic}


def sink(path: Path, topic: str, **more: str) -> dict[str, Any]:
    return {"connector.class": "FileStreamSink", "file": str(path), "topics": topic, **more}


def count(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def append(path: Path, start: int, stop: int) -> None:
    with path.open("a") as out:
        out.write("".join(f"줄 {number}\n" for number in range(start, stop)))


def test_a_file_goes_through_a_topic_and_goes_on_after_a_restart(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    append(before, 0, 2010)
    assert worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))[0] == 201
    assert worker.request("PUT", f"/connectors/{name}-sink/config", sink(after, name))[0] == 201
    eventually(lambda: count(after) == 2010, 30)
    eventually(lambda: worker.get(f"/connectors/{name}-source/offsets")["offsets"], 10)
    worker.stop()
    append(before, 2010, 3000)
    worker.start()
    eventually(lambda: count(after) == 3000, 30)
    assert sorted(after.read_text().splitlines()) == sorted(before.read_text().splitlines())
    assert worker.get(f"/connectors/{name}-sink/topics") == {f"{name}-sink": {"topics": [name]}}


def test_a_killed_task_is_failed_at_once_and_comes_back_without_losing_anything(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    append(before, 0, 100)
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    slow = {"errors.restart.delay.ms": "600"}
    worker.request("PUT", f"/connectors/{name}-sink/config", sink(after, name, **slow))
    eventually(lambda: count(after) == 100, 30)
    pid = worker.task_pid(f"{name}-sink")
    os.kill(pid, signal.SIGKILL)
    worker.until(f"{name}-sink", "RUNNING", "FAILED", timeout=0.5)
    status = worker.get(f"/connectors/{name}-sink/status")
    assert status["tasks"][0]["trace"] == "the task's process was ended by SIGKILL"
    append(before, 100, 200)
    worker.until(f"{name}-sink", "RUNNING", "RUNNING")
    eventually(lambda: set(after.read_text().splitlines()) == set(before.read_text().splitlines()), 20)
    assert worker.get(f"/connectors/{name}-sink/progress")["tasks"][0]["restarts"] == 1


def test_a_killed_worker_leaves_no_process_and_comes_back_with_everything(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    append(before, 0, 500)
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    worker.request("PUT", f"/connectors/{name}-sink/config", sink(after, name))
    eventually(lambda: count(after) >= 500, 30)
    tasks = [worker.task_pid(f"{name}-{kind}") for kind in ("source", "sink")]
    worker.kill()
    eventually(lambda: not any(map(is_alive, tasks)), 10)
    append(before, 500, 600)
    worker.start()
    assert sorted(worker.get("/connectors")) == [f"{name}-sink", f"{name}-source"]
    eventually(lambda: set(after.read_text().splitlines()) == set(before.read_text().splitlines()), 30)


def test_pause_resume_stop_and_restart(worker: Worker, tmp_path: Path, name: str) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    append(before, 0, 10)
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    worker.request("PUT", f"/connectors/{name}/config", sink(after, name))
    eventually(lambda: count(after) == 10, 30)
    assert worker.request("PUT", f"/connectors/{name}/pause") == (202, None)
    worker.until(name, "PAUSED", "PAUSED")
    append(before, 10, 20)
    eventually(lambda: worker.get(f"/connectors/{name}-source/progress")["tasks"][0]["records"] == 20, 10)
    assert count(after) == 10
    assert worker.request("PUT", f"/connectors/{name}/resume") == (202, None)
    eventually(lambda: count(after) == 20, 20)
    assert worker.request("PUT", f"/connectors/{name}/stop") == (204, None)
    assert worker.states(name) == ["STOPPED"]
    assert worker.get(f"/connectors/{name}/tasks") == []
    assert worker.request("PUT", f"/connectors/{name}/resume") == (202, None)
    worker.until(name, "RUNNING", "RUNNING")
    first = worker.task_pid(name)
    assert worker.request("POST", f"/connectors/{name}/tasks/0/restart") == (204, None)
    worker.until(name, "RUNNING", "RUNNING")
    second = worker.task_pid(name)
    assert second != first
    status, body = worker.request("POST", f"/connectors/{name}/restart?includeTasks=true")
    assert status == 202
    assert body["tasks"][0]["state"] == "RESTARTING"
    eventually(lambda: worker.task_pid(name) != second, 10)
    worker.until(name, "RUNNING", "RUNNING")
    assert count(after) == 20
    assert worker.request("DELETE", f"/connectors/{name}") == (204, None)
    assert worker.request("GET", f"/connectors/{name}/status")[0] == 404


def test_altered_offsets_of_a_sink_are_where_it_goes_on(worker: Worker, tmp_path: Path, name: str) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    append(before, 0, 10)
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    worker.request("PUT", f"/connectors/{name}/config", sink(after, name))
    eventually(lambda: count(after) == 10, 30)
    worker.request("PUT", f"/connectors/{name}/stop")
    path = f"/connectors/{name}/offsets"

    def offsets(number: int) -> dict[str, Any]:
        place = {"kafka_topic": name, "kafka_partition": 0}
        return {"offsets": [{"partition": place, "offset": {"kafka_offset": number}}]}

    assert worker.get(path) == offsets(10)
    assert worker.request("PATCH", path, offsets(7))[0] == 200
    assert worker.get(path) == offsets(7)
    worker.request("PUT", f"/connectors/{name}/resume")
    eventually(lambda: count(after) == 13, 20)
    assert after.read_text().splitlines()[-3:] == ["줄 7", "줄 8", "줄 9"]


def test_fewer_tasks_take_over_the_partitions_of_those_that_are_gone(
    worker: Worker, tmp_path: Path, properties: dict[str, str], name: str
) -> None:
    admin = Admin(properties["bootstrap.servers"])
    admin.create_topic(name, 4)
    after = tmp_path / "out.txt"
    worker.request("PUT", f"/connectors/{name}/config", sink(after, name, **{"tasks.max": "2"}))

    def members() -> list[int]:
        found = admin.describe_group(f"connect-{name}").members
        return sorted(len(member.partitions) for member in found)

    def settled_with(*counts: int) -> bool:
        try:
            return members() == list(counts)
        except TidelockError:  # nobody coordinates the group yet, or a fresh broker is slow to say so
            return False

    eventually(lambda: settled_with(2, 2), 60)
    worker.request("PUT", f"/connectors/{name}/config", sink(after, name))
    eventually(lambda: settled_with(4), 60)


def test_a_log_level_reaches_tasks_that_run_and_tasks_that_start(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    logger = "tidelock.connect.runtime.sink_task"
    worker.request("PUT", f"/connectors/{name}-1/config", sink(tmp_path / "1.txt", name))
    worker.until(f"{name}-1", "RUNNING", "RUNNING")
    assert worker.request("PUT", f"/admin/loggers/{logger}", {"level": "INFO"}) == (200, [logger])
    worker.request("PUT", f"/connectors/{name}-2/config", sink(tmp_path / "2.txt", name))
    append(tmp_path / "in.txt", 0, 1)  # whoever writes makes the topic; then there are partitions to log
    worker.request("PUT", f"/connectors/{name}-source/config", source(tmp_path / "in.txt", name))

    def logged() -> bool:
        text = (tmp_path / "worker.log").read_text()
        return all(f"connector {name}-{number}: partitions [Top" in text for number in (1, 2))

    eventually(logged, 30)


def test_a_task_that_fails_shows_why_and_a_better_configuration_helps(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    before = tmp_path / "in.txt"
    append(before, 0, 1)
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    wrong = sink(tmp_path / "no" / "such" / "folder", name)
    assert worker.request("PUT", f"/connectors/{name}/config", wrong)[0] == 201
    worker.until(name, "RUNNING", "FAILED")
    trace = worker.get(f"/connectors/{name}/tasks/0/status")["trace"]
    assert "cannot write the file: No such file or directory" in trace
    assert "Traceback" not in trace
    status, _ = worker.request("PUT", f"/connectors/{name}/config", sink(tmp_path / "out.txt", name))
    assert status == 200
    eventually(lambda: count(tmp_path / "out.txt") == 1, 20)


def test_a_source_that_java_would_tear_is_read_whole_over_restarts(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    before, after = tmp_path / "in.txt", tmp_path / "out.txt"
    before.write_text("서울\n부산\n")
    worker.request("PUT", f"/connectors/{name}-source/config", source(before, name))
    worker.request("PUT", f"/connectors/{name}/config", sink(after, name))
    eventually(lambda: count(after) == 2, 30)
    worker.request("POST", f"/connectors/{name}-source/restart?includeTasks=true")
    with before.open("a") as out:
        out.write("대전\n광주\n")
    eventually(lambda: count(after) == 4, 20)
    assert sorted(after.read_text().split()) == sorted(["서울", "부산", "대전", "광주"])


def test_the_client_from_pypi_creates_lists_pauses_and_deletes(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    client = KafkaConnect(url=worker.url)
    made = client.create_connector({"name": name, "config": sink(tmp_path / "out.txt", name)})
    assert made["name"] == name
    assert client.list_connectors() == [name]
    assert set(client.list_connectors(expand="status")) == {name}
    assert client.get_connector_config(name)["topics"] == name
    worker.until(name, "RUNNING", "RUNNING")
    client.pause_connector(name)
    worker.until(name, "PAUSED", "PAUSED")
    assert client.get_connector_status(name)["connector"]["state"] == "PAUSED"
    client.resume_connector(name)
    worker.until(name, "RUNNING", "RUNNING")
    client.restart_connector(name, include_tasks=True)
    assert [one["id"]["task"] for one in client.list_connector_tasks(name)] == [0]
    assert any(one["class"].endswith("FileStreamSinkConnector") for one in client.list_connector_plugins())
    client.delete_connector(name)
    assert client.list_connectors() == []


def test_three_mistakes_are_reported_per_field(worker: Worker, name: str) -> None:
    config = {
        "connector.class": "FileStreamSource",
        "tasks.max": "many",
        "errors.tolerance": "some",
        "batch.size": "0",
    }
    status, infos = worker.request(
        "PUT", "/connector-plugins/FileStreamSource/config/validate", {"name": name, **config}
    )
    assert status == 200
    wrong = {one["value"]["name"] for one in infos["configs"] if one["value"]["errors"]}
    assert wrong == {"tasks.max", "errors.tolerance", "batch.size", "file", "topic"}
    assert infos["error_count"] == 5
    status, answer = worker.request("POST", "/connectors", {"name": name, "config": config})
    assert status == 400
    for field in wrong:
        assert field in answer["message"]
    assert worker.get("/connectors") == []


def test_a_password_is_never_shown_and_survives_a_round_trip(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    config = {
        "connector.class": "JdbcSink",
        "topics": name,
        "connection.url": f"sqlite:///{tmp_path / 'x.db'}",
        "connection.password": "hunter2",
    }
    status, made = worker.request("PUT", f"/connectors/{name}/config", config)
    assert status == 201
    shown = worker.get(f"/connectors/{name}/config")
    assert shown["connection.password"] == "[hidden]"
    path = f"/connectors/{name}/config/compare"
    assert worker.request("PUT", path, {**config, "connection.password": "other"}) == (
        200,
        {"changed": ["connection.password"]},
    )
    assert worker.request("PUT", path, config) == worker.request("PUT", path, shown) == (200, {"changed": []})
    assert "hunter2" not in str([made, worker.get(f"/connectors/{name}/tasks"), shown])
    assert worker.request("PUT", f"/connectors/{name}/config", {**shown, "topics": f"{name}-2"})[0] == 200
    assert "hunter2" in (tmp_path / "data" / "connect.configs.json").read_text()


def test_an_idle_task_is_small(worker: Worker, tmp_path: Path, name: str) -> None:
    tasks = {f"{name}-{number}": sink(tmp_path / f"{number}.txt", name) for number in range(3)}
    for one, config in tasks.items():
        worker.request("PUT", f"/connectors/{one}/config", config)
    for one in tasks:
        worker.until(one, "RUNNING", "RUNNING")
    private = [private_memory(worker.task_pid(one)) for one in tasks]
    assert max(private) < 8_000_000, private


def private_memory(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty"))


def test_a_key_that_nobody_reads_is_taken_and_told(worker: Worker, tmp_path: Path, name: str) -> None:
    config = {"name": name, **sink(tmp_path / "out.txt", name, **{"task.max": "1"})}
    path = "/connector-plugins/FileStreamSink/config/unknown"
    told = {"key": "task.max", "why": "is not a known key", "nearest": "tasks.max"}
    assert worker.request("PUT", path, config) == (200, {"unknown": [told]})
    body = {"name": name, "config": config, "initial_state": "STOPPED"}
    status, made = worker.request("POST", "/connectors", body)
    assert (status, made["config"]) == (201, config)
    lines = [one for one in worker.log.read_text().splitlines() if name in one]
    assert len(lines) == 1
    assert lines[0].startswith("WARNING:")
    assert lines[0].endswith("task.max: is not a known key; did you mean tasks.max?")
