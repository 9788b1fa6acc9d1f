"""`tidelock up` with the real parts: they answer, they survive kills with their data, they stop in order."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

from tests.support.up import REAL, ROOT, Up, starter
from tests.support.waiting import eventually
from tidelock.cli import rest
from tidelock.cli.commands import LazyGroup
from tidelock.cli.main import main, root
from tidelock.cli.service.ls import listed
from tidelock.cli.up import processes

INSTANCE = {
    "instanceId": "one",
    "app": "ORDER-SERVICE",
    "hostName": "127.0.0.1",
    "ipAddr": "127.0.0.1",
    "status": "UP",
    "port": {"$": 8081, "@enabled": "true"},
    "dataCenterInfo": {"name": "MyOwn", "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"},
}


def run(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TIDELOCK_DATA": str(up.data)}
    line = [*REAL, *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)


def test_the_broker_survives_a_kill_with_its_records(start_up: Callable[..., Up]) -> None:
    up = start_up("broker", "--set", "broker.num.partitions=2", command=REAL)
    ready = up.ready()
    assert run(up, "topic", "produce", "orders", "-k", "k", str(ROOT / "LICENSE")).returncode == 0
    before = run(up, "topic", "describe", "orders", "-o", "json")
    assert len(json.loads(before.stdout)["partitions"]) == 2
    os.kill(ready["pids"]["broker"], signal.SIGKILL)
    after = run(up, "topic", "describe", "orders", "-o", "json")
    assert after.stdout == before.stdout, "asked in between: the answer waits for the restarted broker"
    up.again("broker", ready["pids"]["broker"])
    assert up.end()[0] == 0
    again = start_up("broker", command=REAL)
    again.ready()
    kept = run(again, "topic", "describe", "orders", "-o", "json")
    assert kept.stdout == before.stdout
    assert again.end()[0] == 0


def test_a_wrong_setting_is_told_before_anything_starts(start_up: Callable[..., Up]) -> None:
    wrong = ["--set", "broker.num.partition=4", "--set", "broker.log.segment.bytes=1"]
    up = start_up(*wrong, command=REAL)
    _, err = up.process.communicate(timeout=20)
    assert up.process.returncode == 2
    assert "2 problems" in err
    assert "did you mean broker.num.partitions?" in err
    assert "broker.log.segment.bytes: 1 is below the minimum 14" in err
    assert not up.data.exists()


def file_source(folder: Path) -> Path:
    """A connector file that moves the lines of `in.txt` into the topic `lines`."""
    config = {
        "name": "lines-source",
        "connector.class": "FileStreamSource",
        "file": str(folder / "in.txt"),
        "topic": "lines",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }
    path = folder / "source.json"
    path.write_text(json.dumps(config))
    return path


def values(up: Up) -> list[str]:
    found = run(up, "topic", "tail", "lines", "--from", "beginning", "-o", "json")
    return [row["value"] for row in json.loads(found.stdout)] if found.returncode == 0 else []


def test_connect_survives_kills_with_its_connectors(start_up: Callable[..., Up], tmp_path: Path) -> None:
    up = start_up("broker", "connect", "--set", "broker.num.partitions=1", command=REAL)
    pids = up.ready()["pids"]
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    applied = run(up, "connect", "apply", "-f", str(file_source(tmp_path)), "-o", "json")
    assert json.loads(applied.stdout)[0]["result"] == "created", applied.stderr
    eventually(lambda: values(up) == ["one", "two"], 20)
    tasks = [pid for pid in processes.group_members(pids["connect"]) if pid != pids["connect"]]
    assert tasks, "tasks are processes of their own"
    os.kill(pids["connect"], signal.SIGKILL)
    up.again("connect", pids["connect"])
    assert not any(processes.is_alive(pid, 0) for pid in tasks)
    with (tmp_path / "in.txt").open("a") as lines:
        lines.write("three\n")
    eventually(lambda: "three" in values(up), 20)
    eventually(lambda: run(up, "connect", "status", "lines-source").returncode == 0, 20)
    assert [row["name"] for row in json.loads(run(up, "connect", "ls", "-o", "json").stdout)] == [
        "lines-source"
    ]
    again = run(up, "connect", "apply", "-f", str(tmp_path / "source.json"), "-o", "json")
    assert json.loads(again.stdout)[0]["result"] == "unchanged"
    assert up.end()[0] == 0


def test_killing_up_leaves_no_task_behind(start_up: Callable[..., Up], tmp_path: Path) -> None:
    up = start_up("broker", "connect", command=REAL)
    pids = up.ready()["pids"]
    (tmp_path / "in.txt").write_text("one\n")
    assert run(up, "connect", "apply", "-f", str(file_source(tmp_path))).returncode == 0
    eventually(lambda: values(up) == ["one"], 20)
    members = [pid for leader in pids.values() for pid in processes.group_members(leader)]
    up.process.kill()
    up.process.communicate()
    eventually(lambda: not any(processes.is_alive(pid, 0) for pid in members), 20)


def test_three_mistakes_are_told_at_once(start_up: Callable[..., Up], tmp_path: Path) -> None:
    up = start_up("connect", command=REAL)
    up.ready()
    file = tmp_path / "bad.json"
    bad = {"name": "bad", "connector.class": "FileStreamSink", "tasks.max": "0", "errors.tolerance": "some"}
    file.write_text(json.dumps(bad))
    found = run(up, "connect", "apply", "-f", str(file))
    assert found.returncode == 2
    assert "3 problems in the configuration of connector 'bad'" in found.stderr, found.stderr
    assert run(up, "connect", "ls", "-o", "json").stdout.strip() == "[]"


def test_the_registry_survives_a_kill_with_its_leases(start_up: Callable[..., Up]) -> None:
    up = start_up("registry", command=REAL)
    ready = up.ready()
    url = ready["registry"]
    rest.ask("registry", url, "POST", "/eureka/apps/ORDER-SERVICE", {"instance": INSTANCE})
    leases = up.data / "registry" / "leases.json"
    eventually(lambda: leases.exists() and "ORDER-SERVICE" in leases.read_text(), 5)
    os.kill(ready["pids"]["registry"], signal.SIGKILL)
    up.again("registry", ready["pids"]["registry"])
    assert [row["instance"] for row in listed(url)] == ["one"]
    found = run(up, "service", "ls", "-o", "json")
    assert [row["address"] for row in json.loads(found.stdout)] == ["127.0.0.1:8081"]
    status = run(up, "status", "-o", "json")
    assert status.returncode == 0, status.stdout
    assert {row["part"]: row["state"] for row in json.loads(status.stdout)} == {"up": "UP", "registry": "UP"}
    assert up.end()[0] == 0


READ_COMMANDS: dict[str, list[str]] = {
    "tidelock status": [],
    "tidelock verify": [
        "orders",
        "--source",
        "sqlite:///{folder}/a.db",
        "--target",
        "sqlite:///{folder}/a.db",
    ],
    "tidelock topic ls": [],
    "tidelock topic describe": ["lines"],
    "tidelock topic alter": ["lines", "-p", "9", "--dry-run"],
    "tidelock topic tail": ["lines"],
    "tidelock group ls": [],
    "tidelock group describe": ["connect-lines-sink"],
    "tidelock connect plugins": [],
    "tidelock connect ls": [],
    "tidelock connect status": ["lines-sink"],
    "tidelock connect apply": ["-f", "{folder}/sink.json"],
    "tidelock connect validate": ["{folder}/sink.json"],
    "tidelock service ls": [],
    "tidelock dlq ls": [],
    "tidelock dlq show": ["letters"],
    "tidelock dlq replay": ["letters", "--dry-run"],
}


def read_commands(group: LazyGroup, path: str = "tidelock") -> Iterator[str]:
    """Yield the path of every command that has an output format."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, LazyGroup):
            yield from read_commands(found, f"{path} {name}")
        elif found is not None:
            choices = [getattr(one.type, "choices", ()) for one in found.params if one.name == "output"]
            if any("jsonl" in one for one in choices):
                yield f"{path} {name}"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, Path]]:
    """All parts, a topic with a record, a connector with a group, a dead letter, an instance, a database."""
    folder = tmp_path_factory.mktemp("busy")
    sink = {"connector.class": "FileStreamSink", "topics": "lines", "file": str(folder / "out.txt")}
    converter = "org.apache.kafka.connect.storage.StringConverter"
    (folder / "sink.json").write_text(
        json.dumps({"name": "lines-sink", "value.converter": converter, **sink})
    )
    refusing = {
        **sink,
        "file": str(folder / "none.txt"),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "letters",
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    (folder / "refusing.json").write_text(json.dumps({"name": "refusing-sink", **refusing}))
    (folder / "line.txt").write_text("one\n")
    with closing(sqlite3.connect(folder / "a.db")) as connection, connection:
        connection.execute("create table orders (id integer primary key)")
    with starter(folder) as start:
        up = start(command=REAL)
        url = up.ready()["registry"]
        rest.ask("registry", url, "POST", "/eureka/apps/ORDER-SERVICE", {"instance": INSTANCE})
        assert run(up, "topic", "produce", "lines", str(folder / "line.txt")).returncode == 0
        assert run(up, "connect", "apply", "-f", str(folder / "sink.json")).returncode == 0
        assert run(up, "connect", "apply", "-f", str(folder / "refusing.json")).returncode == 0
        eventually((folder / "out.txt").exists, 20)
        eventually(lambda: json.loads(run(up, "dlq", "show", "letters", "-o", "json").stdout or "[]"), 20)
        eventually(lambda: run(up, "group", "describe", "connect-lines-sink").returncode == 0, 20)
        yield up, folder


@pytest.mark.parametrize("path", sorted(read_commands(root())))
def test_every_read_command_prints_each_format(
    busy: tuple[Up, Path], path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    up, folder = busy
    monkeypatch.setenv("TIDELOCK_DATA", str(up.data))
    line = [*path.split()[1:], *(one.format(folder=folder) for one in READ_COMMANDS[path])]
    shown = {}
    for form in ("table", "json", "jsonl", "yaml", "name"):
        assert main([*line, "-o", form]) == 0, form
        shown[form] = capsys.readouterr().out
    document = json.loads(shown["json"])
    assert document
    lines = [json.loads(one) for one in shown["jsonl"].splitlines()]
    assert len(lines) == (len(document) if isinstance(document, list) else 1)
    assert shown["table"]
    assert shown["yaml"]
