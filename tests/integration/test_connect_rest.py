"""One script of requests, played to Apache Kafka's own standalone worker and to ours: the same answers.

What differs on purpose is listed here by request, with the reason; docs/compat/connect.md has the same list.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.fetch import Engines
from tests.engines.kafka import ApacheKafka, ConnectStandalone
from tests.support.connect import Worker
from tidelock.client import Admin

pytestmark = pytest.mark.needs_kafka

SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"
SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
VALIDATE = "/connector-plugins/FileStreamSink/config/validate"
SETTLE = ("SETTLE", "", None)  # wait until all tasks of `s` are in its state

Step = tuple[str, str, Any]
Answer = tuple[int, Any, str | None]


def script(out: str) -> list[Step]:
    good = {"connector.class": SINK, "file": out, "topics": "rest"}
    return [
        ("GET", "/health", None),
        ("GET", "/connectors", None),
        ("POST", "/connectors", {"name": "s", "config": good}),
        ("POST", "/connectors", {"name": "s", "config": good}),
        SETTLE,
        ("GET", "/connectors", None),
        ("GET", "/connectors/s", None),
        ("GET", "/connectors/s/config", None),
        ("GET", "/connectors/s/status", None),
        ("GET", "/connectors/s/tasks/0/status", None),
        ("GET", "/connectors/s/tasks/9/status", None),
        ("GET", "/connectors?expand=status&expand=info", None),
        ("GET", "/connectors?expand=nope", None),
        *(("GET", f"/connectors/none{part}", None) for part in ("", "/config", "/status", "/tasks")),
        ("DELETE", "/connectors/none", None),
        ("PUT", "/connectors/none/pause", None),
        ("PUT", "/connectors/none/resume", None),
        ("PUT", "/connectors/s/pause", None),
        SETTLE,
        ("GET", "/connectors/s/status", None),
        ("PUT", "/connectors/s/resume", None),
        SETTLE,
        ("GET", "/connectors/s/status", None),
        ("PUT", "/connectors/s/stop", None),
        SETTLE,
        ("GET", "/connectors/s/status", None),
        ("GET", "/connectors/s/tasks", None),
        ("PUT", "/connectors/s/resume", None),
        SETTLE,
        ("POST", "/connectors/s/restart", None),
        SETTLE,
        ("POST", "/connectors/s/restart?includeTasks=true", None),
        SETTLE,
        ("POST", "/connectors/s/restart?onlyFailed=true", None),
        ("POST", "/connectors/s/tasks/0/restart", None),
        SETTLE,
        ("GET", "/connectors/s/topics", None),
        ("PUT", "/connectors/s/topics/reset", None),
        *changes(good, out),
        *odd_requests(good),
        *offsets(out),
        *sink_offsets(good),
        *loggers(),
    ]


def offsets(out: str) -> list[Step]:
    config = {"connector.class": SOURCE, "file": out, "topic": "t"}
    changed = {"offsets": [{"partition": {"filename": out}, "offset": {"position": 4}}]}
    return [
        ("POST", "/connectors", {"name": "f", "config": config, "initial_state": "STOPPED"}),
        ("GET", "/connectors/f/offsets", None),
        ("PATCH", "/connectors/f/offsets", changed),
        ("GET", "/connectors/f/offsets", None),
        ("PATCH", "/connectors/f/offsets", {"offsets": []}),
        ("PATCH", "/connectors/none/offsets", changed),
        ("DELETE", "/connectors/f/offsets", None),
        ("GET", "/connectors/f/offsets", None),
        ("DELETE", "/connectors/none/offsets", None),
        ("DELETE", "/connectors/f", None),
    ]


def sink_offsets(good: dict[str, str]) -> list[Step]:
    path = "/connectors/k/offsets"
    place = {"kafka_topic": "rest", "kafka_partition": 0}
    wrong = [
        (place, {"kafka_offset": "x"}),
        (place, {"kafka_offset": None}),
        (place, {"offset": 5}),
        ({"kafka_partition": 0}, {"kafka_offset": 1}),
        ({"kafka_topic": "rest"}, {"kafka_offset": 1}),
        ({"kafka_topic": None, "kafka_partition": 0}, {"kafka_offset": 1}),
        ({"kafka_topic": "rest", "kafka_partition": None}, {"kafka_offset": 1}),
        ({"kafka_topic": "rest", "kafka_partition": "x"}, {"kafka_offset": 1}),
        ({"kafka_topic": "rest", "kafka_partition": 1.5}, {"kafka_offset": 1}),
        (None, {"kafka_offset": 1}),
    ]
    right = [
        (place, {"kafka_offset": 1}),
        ({"kafka_topic": "rest", "kafka_partition": "0"}, {"kafka_offset": "3"}),
        (place, None),
        (place, {"kafka_offset": 100}),
    ]
    first = {"offsets": [{"partition": place, "offset": {"kafka_offset": 1}}]}
    changed = [
        ("PATCH", path, {"offsets": [{"partition": one, "offset": offset}]})
        for one, offset in (*wrong, *right)
    ]
    return [
        ("POST", "/connectors", {"name": "k", "config": good}),
        ("GET", path, None),
        ("PATCH", path, first),
        ("DELETE", path, None),
        ("PUT", "/connectors/k/stop", None),
        *(step for change in changed for step in (change, ("GET", path, None))),
        ("DELETE", path, None),
        ("GET", path, None),
        ("DELETE", path, None),
        ("GET", "/connectors/none/offsets", None),
        ("DELETE", "/connectors/k", None),
    ]


def loggers() -> list[Step]:
    return [
        ("GET", "/admin/loggers/nope", None),
        *(
            ("PUT", f"/admin/loggers/{name}", {"level": level})
            for name, level in (
                ("nope.a", "info"),
                ("nope.b", "DEBUG"),
                ("nope", "ERROR"),
                ("nope", "LOUD"),
                ("nope", None),
                ("nope", 5),
                ("nope?scope=cluster", "INFO"),
                ("nope?scope=worker", "INFO"),
                ("nope?scope=x", "FATAL"),
                ("nope", "OFF"),
                ("nope", "TRACE"),
            )
        ),
        ("PUT", "/admin/loggers/nope", {}),
        ("GET", "/admin/loggers/nope.a", None),
        ("DELETE", "/admin/loggers/nope", None),
    ]


def odd_requests(good: dict[str, str]) -> list[Step]:
    return [
        ("POST", "/connectors", {"config": good}),
        ("POST", "/connectors", {"name": "", "config": good}),
        (
            "POST",
            "/connectors",
            {"name": " num ", "config": {**good, "tasks.max": 2}, "initial_state": "stopped"},
        ),
        ("GET", "/connectors/num/status", None),
        ("GET", "/connectors/num/", None),
        ("GET", "/connectors?expand=info&expand=nope", None),
        ("PATCH", "/connectors/num/config", {"file": None}),
        ("GET", "/connectors/num/config", None),
        ("POST", "/connectors/num/tasks/0/restart", None),
        ("DELETE", "/connectors/num", None),
        ("PATCH", "/connectors/none/config", {"a": "b"}),
        ("GET", "/connectors/none/tasks/0/status", None),
        ("GET", "/connectors/none/tasks/x/status", None),
        ("GET", "/connectors/none/tasks-config", None),
        ("POST", "/connectors/none/restart?includeTasks=true", None),
    ]


def changes(good: dict[str, str], out: str) -> list[Step]:
    return [
        ("PUT", "/connectors/s/config", {**good, "tasks.max": "2"}),
        ("PUT", "/connectors/s/config", {**good, "name": "other"}),
        ("PATCH", "/connectors/s/config", {"tasks.max": "1"}),
        ("PUT", "/connectors/new/config", good),
        ("DELETE", "/connectors/new", None),
        ("POST", "/connectors", {"name": "b", "config": {**good, "topics.regex": "t"}}),
        ("POST", "/connectors", {"name": "b", "config": {"connector.class": SOURCE, "file": out}}),
        ("PUT", VALIDATE, {"connector.class": SOURCE, "topics": "t"}),
        ("PUT", "/connector-plugins/Nope/config/validate", {"connector.class": SINK}),
        ("GET", "/nope", None),
        ("POST", "/connectors/s/status", None),
        ("PATCH", "/connectors", None),
        ("DELETE", "/connectors/s", None),
        ("GET", "/connectors/s", None),
        ("GET", "/connectors", None),
    ]


def ask(url: str, method: str, path: str, body: Any) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            content, status, location = response.read(), response.status, response.headers.get("Location")
    except urllib.error.HTTPError as error:
        with error:
            content, status, location = error.read(), error.code, None
    parsed = json.loads(content) if content else None
    return status, parsed, location


def settle(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = ask(url, "GET", "/connectors/s/status", None)[1]
        wanted = status["connector"]["state"]
        if wanted != "RESTARTING" and all(task["state"] == wanted for task in status["tasks"]):
            return
        time.sleep(0.05)
    raise AssertionError(status)


def play(url: str, steps: list[Step]) -> Iterator[Answer]:
    for step in steps:
        if step is SETTLE:
            settle(url)
            continue
        status, body, location = ask(url, *step)
        text = json.dumps(body).replace(url.removeprefix("http://"), "WORKER")
        text = re.sub(r'"version": "[0-9.]+"', '"version": "V"', text)
        normal = json.loads(re.sub(r'"last_modified": \d+', '"last_modified": 1', text))
        yield status, normal, location and location.replace(url, "")


def test_our_answers_are_kafkas_answers(engines: Engines, apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    steps = script(str(tmp_path / "out.txt"))
    Admin(apache_kafka.bootstrap).create_topic("rest", 1, if_not_exists=True)
    with ConnectStandalone(engines, tmp_path / "java", apache_kafka.bootstrap) as java:
        theirs = list(play(java.url, steps))
    (tmp_path / "ours").mkdir()
    with Worker(tmp_path / "ours", {"bootstrap.servers": apache_kafka.bootstrap}) as worker:
        ours = list(play(worker.url, steps))
    asked = [step for step in steps if step is not SETTLE]
    different = [
        (step, their, our) for step, their, our in zip(asked, theirs, ours, strict=True) if their != our
    ]
    assert different == []


REFUSED = [
    # request, Kafka's status (an accident of its implementation, as its message says), ours
    (("PUT", "/connectors/none/stop", None), 500, 404),
    (("POST", "/connectors/none/restart", None), 500, 404),
    (("GET", "/connectors/none/topics", None), 200, 404),
    (("POST", "/connectors", {"name": "b"}), 500, 400),
    (("POST", "/connectors/none/tasks/0/restart", None), 500, 404),
    (("PUT", "/admin/loggers/nope", []), 500, 400),
    (("PATCH", "/connectors/none/offsets", []), 500, 400),
    (("POST", "/connectors/none/tasks", []), 500, 405),  # between workers only
    (("PUT", "/connectors/none/fence", None), 500, 404),
    (
        ("POST", "/connectors", {"name": "b", "config": {"connector.class": SINK}, "initial_state": "X"}),
        500,
        400,
    ),
]


def test_where_kafka_stumbles_we_say_what_is_wrong(
    engines: Engines, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    (tmp_path / "ours").mkdir()
    with (
        ConnectStandalone(engines, tmp_path / "java", apache_kafka.bootstrap) as java,
        Worker(tmp_path / "ours", {"bootstrap.servers": apache_kafka.bootstrap}) as worker,
    ):
        for step, their, our in REFUSED:
            assert ask(java.url, *step)[0] == their, step
            status, body, _ = ask(worker.url, *step)
            assert status == our == body["error_code"], step


def test_definitions_have_kafkas_fields_types_and_defaults(
    engines: Engines, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    config = {"connector.class": SINK, "topics": "t", "tasks.max": "x"}
    (tmp_path / "ours").mkdir()
    with ConnectStandalone(engines, tmp_path / "java", apache_kafka.bootstrap) as java:
        theirs = ask(java.url, "PUT", VALIDATE, config)[1]
    with Worker(tmp_path / "ours", {"bootstrap.servers": apache_kafka.bootstrap}) as worker:
        ours = ask(worker.url, "PUT", VALIDATE, config)[1]
    assert ours.keys() == theirs.keys()
    their_keys = {one["definition"]["name"]: one for one in theirs["configs"]}
    shared = [one for one in ours["configs"] if one["definition"]["name"] in their_keys]
    assert len(shared) >= 15
    for our in shared:
        their = their_keys[our["definition"]["name"]]
        assert our["definition"].keys() == their["definition"].keys()
        assert our["value"].keys() == their["value"].keys()
        for part in ("required", "importance", "default_value"):
            name = our["definition"]["name"]
            assert our["definition"][part] == their["definition"][part], (name, part)
