"""Three tasks that misbehave next to one that works: it is not held up, REST answers, each is dealt with.

What they cost their neighbours is measured by bench/isolation.py: on a loaded machine a test cannot tell.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually

HOME = "tests.support.connectors"
LINES = 20_000
STALLED = "no progress for"


@pytest.fixture
def worker(tmp_path: Path, any_kafka: Kafka) -> Iterator[Worker]:
    properties = {
        "bootstrap.servers": any_kafka.bootstrap,
        "key.converter": "StringConverter",
        "value.converter": "StringConverter",
        "task.shutdown.graceful.timeout.ms": "500",
        "offset.flush.interval.ms": "300",
    }
    with Worker(tmp_path, properties) as running:
        yield running


def put(worker: Worker, name: str, **config: Any) -> None:
    status, answer = worker.request("PUT", f"/connectors/{name}/config", config)
    assert status in (200, 201), answer


def task(worker: Worker, name: str) -> Any:
    return worker.get(f"/connectors/{name}/progress")["tasks"][0]


def move(worker: Worker, folder: Path, name: str) -> None:
    """Move a file through a topic into a file."""
    before, after = folder / f"{name}.in", folder / f"{name}.out"
    before.write_text("".join(f"줄 {number}\n" for number in range(LINES)))
    put(worker, f"{name}-to", **{"connector.class": "FileStreamSink", "file": str(after), "topics": name})
    worker.until(f"{name}-to", "RUNNING", "RUNNING")
    put(worker, f"{name}-from", **{"connector.class": "FileStreamSource", "file": str(before), "topic": name})
    eventually(lambda: after.exists() and after.read_bytes().count(b"\n") >= LINES, 60)
    assert after.read_text().splitlines() == before.read_text().splitlines()


def test_bad_neighbours_are_dealt_with_and_hold_nobody_up(worker: Worker, tmp_path: Path) -> None:
    topic = uuid.uuid4().hex
    move(worker, tmp_path, f"alone-{topic}")
    shared = {"folder": str(tmp_path), "topics": f"alone-{topic}", "errors.restart.delay.ms": "50"}
    limit = str(150 << 20)
    put(
        worker,
        "leaks",
        **shared,
        **{"connector.class": f"{HOME}:LeakingSink", "task.memory.max.bytes": limit},
    )
    put(
        worker, "hangs", **shared, **{"connector.class": f"{HOME}:StuckSink", "errors.stall.report.ms": "700"}
    )
    moody = {"connector.class": f"{HOME}:MoodySink", "errors.restart.policy": "always", "seed": topic}
    put(worker, "moody", **shared, **moody, **{"consumer.override.max.poll.records": "500"})
    move(worker, tmp_path, f"beside-{topic}")

    eventually(lambda: "task.memory.max.bytes" in (task(worker, "leaks")["last_error"] or ""), 30)
    eventually(lambda: task(worker, "leaks")["restarts"] > 0, 30)
    eventually(lambda: "bad mood" in (task(worker, "moody")["last_error"] or ""), 30)

    def stalled() -> Any:
        return worker.get("/connectors/hangs/status")["tasks"][0].get("trace")

    eventually(lambda: STALLED in (stalled() or "") and "time.sleep" in stalled(), 30)
    assert worker.states("hangs") == ["RUNNING", "RUNNING"]
    assert set(worker.get("/connectors?expand=status")) >= {"leaks", "hangs", "moody"}


def test_a_sinks_progress_tells_lag_and_speed(worker: Worker, tmp_path: Path) -> None:
    topic = uuid.uuid4().hex
    move(worker, tmp_path, topic)

    def is_through() -> Any:
        found = task(worker, f"{topic}-to")
        return found if (found["records"], found["lag_records"]) == (LINES, 0) else None

    progress = eventually(is_through, 20)
    assert (progress["lag_seconds"], progress["eta_seconds"]) == (0.0, 0.0)
    [place] = [one for one in progress["partitions"] if one["position"]]
    assert (place["topic"], place["end"], place["lag"]) == (topic, LINES, 0)
    assert progress["rate"] > 0
    worker.request("PUT", f"/connectors/{topic}-to/pause")
    worker.until(f"{topic}-to", "PAUSED", "PAUSED")
    assert task(worker, f"{topic}-from")["in_flight"] == 0
