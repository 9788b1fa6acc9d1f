"""`tidelock topic` and `tidelock group` against our broker, and against Apache Kafka where it is there."""

from __future__ import annotations

import io
import json
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually
from tidelock.cli.main import main


@pytest.fixture
def broker(bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TIDELOCK_BOOTSTRAP", bootstrap)
    return bootstrap


@pytest.fixture
def topic(broker: str) -> str:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    assert main(["topic", "create", name, "-p", "3", "-c", "retention.ms=1000000"]) == 0
    return name


class Shell:
    """Runs command lines in this process and reads what they print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *line: str, code: int = 0, feed: str = "") -> str:
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(feed.encode())))
            found = main(line)
        shown = self._capsys.readouterr()
        assert found == code, shown.err
        return shown.out if code == 0 else shown.err

    def json(self, *line: str) -> Any:
        return json.loads(self(*line, "-o", "json"))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def test_a_topic_is_created_listed_described_deleted(shell: Shell, topic: str) -> None:
    assert topic in shell("topic", "ls", "-o", "name").splitlines()
    found = shell.json("topic", "describe", topic)
    assert (found["name"], found["records"], len(found["partitions"])) == (topic, 0, 3)
    assert found["configs"]["retention.ms"] == "1000000"
    assert "add --yes" in shell("topic", "delete", topic, code=5)
    shell("topic", "delete", topic, "--yes")
    assert "unknown topic" in shell("topic", "describe", topic, code=4)


def test_what_exists_is_a_conflict_unless_it_is_wanted(shell: Shell, topic: str) -> None:
    assert f"topic {topic} on " in shell("topic", "create", topic, code=6)
    shell("topic", "create", topic, "--if-not-exists")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["create", "bad name"], 2),
        (["create", "fresh", "-c", "retention.mss=1"], 2),
        (["create", "fresh", "-c", "retention.ms"], 2),
        (["delete", "absent", "-y"], 4),
        (["tail", "absent"], 4),
        (["describe", "absent"], 4),
    ],
)
def test_refusals(shell: Shell, broker: str, line: list[str], code: int) -> None:
    assert "Error TID-" in shell("topic", *line, code=code)


def test_records_go_in_and_come_out(shell: Shell, topic: str) -> None:
    shell("topic", "produce", topic, "-K", ":", "-H", "h=x", feed="a:1\nb:2\na:3\n")
    rows = shell.json("topic", "tail", topic, "--from", "beginning")
    assert sorted((row["key"], row["value"]) for row in rows) == [("a", "1"), ("a", "3"), ("b", "2")]
    assert all(row["headers"] == {"h": "x"} for row in rows)
    assert len({row["partition"] for row in rows if row["key"] == "a"}) == 1
    assert len(shell("topic", "tail", topic, "--from", "-2").splitlines()) == 2
    assert shell("topic", "tail", topic, "--from", "end") == ""
    assert "no partition 7" in shell("topic", "tail", topic, "-p", "7", code=4)
    assert shell.json("topic", "describe", topic)["records"] == 3


def test_a_topic_is_copied_with_json_lines(shell: Shell, topic: str) -> None:
    shell("topic", "produce", topic, "-p", "2", feed="".join(f"{number}\n" for number in range(3000)))
    lines = shell("topic", "tail", topic, "--from", "beginning", "-o", "jsonl")
    assert len(lines.splitlines()) == 3000
    copy = f"{topic}-copy"
    shell("topic", "create", copy, "-p", "3")
    shell("topic", "produce", copy, "--jsonl", feed=lines)
    rows = shell.json("topic", "tail", copy, "--from", "beginning")
    assert [row["value"] for row in rows] == [str(number) for number in range(3000)]
    assert {row["partition"] for row in rows} == {2}


def test_settings_and_partitions_are_altered(shell: Shell, topic: str) -> None:
    line = ("topic", "alter", topic, "-c", "cleanup.policy=compact", "-d", "retention.ms", "-p", "5")
    told = {
        "cleanup.policy": ("delete (the broker's)", "compact"),
        "retention.ms": ("1000000", "the broker's"),
        "partitions": ("3", "5"),
    }

    def found() -> tuple[int, str | None, bool]:
        one = shell.json("topic", "describe", topic)
        return len(one["partitions"]), one["configs"].get("cleanup.policy"), "retention.ms" in one["configs"]

    for more, after in (("--dry-run",), (3, None, True)), ((), (5, "compact", False)):
        rows = shell.json(*line, *more)
        assert {row["what"]: (row["before"], row["after"]) for row in rows} == told
        eventually(lambda after=after: found() == after, 20)
    eventually(lambda: shell.json(*line) == [], 20)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["-c", "retention.mss=1"], "did you mean retention.ms?"),
        (["-d", "retention.mss"], "did you mean retention.ms?"),
        (["-c", "retention.ms=soon"], "retention.ms"),
        (["-p", "2"], "has 3, and partitions cannot be taken away"),
        (["-c", "retention.ms=1", "-d", "retention.ms"], "cannot be set and deleted at once"),
        ([], "there is nothing to alter"),
    ],
)
def test_what_cannot_be_altered(shell: Shell, topic: str, line: list[str], says: str) -> None:
    assert says in shell("topic", "alter", topic, *line, code=2)
    assert shell.json("topic", "describe", topic)["configs"]["retention.ms"] == "1000000"


def test_a_topic_that_is_not_there_is_not_altered(shell: Shell, topic: str) -> None:
    shell("topic", "alter", topic, "absent", "-c", "retention.ms=1", code=4)
    assert shell.json("topic", "describe", topic)["configs"]["retention.ms"] == "1000000"


def test_a_full_disk_is_told_with_what_to_do(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidelock.cli.kafka.RETRIES", 2)
    with BrokerProcess(tmp_path / "data", flags=["--full"]) as broker:
        at = ("--bootstrap", broker.bootstrap)
        shell("topic", "create", "full-up", *at)
        shown = shell("topic", "produce", "full-up", *at, code=1, feed="a\n")
        told = "free disk space, or keep less: tidelock topic alter"
        eventually(lambda: told in broker.log.read_text(), 20)
    assert "its disk is full or fails (KAFKA_STORAGE_ERROR)" in shown
    assert "tidelock topic alter TOPIC -c retention.bytes=N" in shown


def test_a_bad_line_is_named(shell: Shell, topic: str) -> None:
    assert "line 2 has no ':'" in shell("topic", "produce", topic, "-K", ":", code=2, feed="a:1\nb\n")
    assert "line 1 is not JSON" in shell("topic", "produce", topic, "--jsonl", code=2, feed="{\n")


@pytest.fixture
def member(broker: str, topic: str, shell: Shell) -> Iterator[str]:
    """A group with one member that has read and committed two of three records of partition 0."""
    shell("topic", "produce", topic, "-p", "0", feed="1\n2\n3\n")
    group = f"group-{topic}"
    config = {
        "bootstrap.servers": broker,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "client.id": "me",
    }
    consumer = Consumer({**config, "enable.auto.commit": False})
    stop, committed = threading.Event(), threading.Event()

    def poll() -> None:
        seen = 0
        while not stop.is_set():
            message = consumer.poll(0.05)
            if message is not None and message.error() is None:
                seen += 1
                if seen == 2:
                    consumer.commit(message, asynchronous=False)
                    committed.set()
        consumer.close()

    consumer.subscribe([topic])
    thread = threading.Thread(target=poll)
    thread.start()
    assert committed.wait(30)
    yield group
    stop.set()
    thread.join()


def test_a_group_is_listed_and_described_with_its_lag(shell: Shell, topic: str, member: str) -> None:
    rows = {row["group"]: row for row in shell.json("group", "ls")}
    assert rows[member]["state"] == "STABLE"
    found = shell.json("group", "describe", member)
    assert [one["client"] for one in found["members"]] == ["me"]
    lags = {one["partition"]: (one["committed"], one["end"], one["lag"]) for one in found["partitions"]}
    assert lags == {0: (2, 3, 1), 1: (None, 0, None), 2: (None, 0, None)}
    assert {one["client"] for one in found["partitions"]} == {"me"}


def test_an_unknown_group(shell: Shell, broker: str) -> None:
    assert "there is no group 'absent'" in shell("group", "describe", "absent", code=4)


def test_following_shows_what_comes(topic: str, broker: str, shell: Shell) -> None:
    from tidelock.cli import kafka

    shell("topic", "produce", topic, feed="old\n")
    rows = kafka.tail(broker, topic, "-1", partition=None, follow=True)
    assert next(rows)["value"] == "old"
    shell("topic", "produce", topic, feed="new\n")
    assert eventually(lambda: next(rows), 20)["value"] == "new"
    rows.close()


def test_nobody_there(shell: Shell) -> None:
    assert "do: tidelock up broker" in shell("topic", "ls", "--bootstrap", "127.0.0.1:1", code=3)
    assert "is not HOST:PORT" in shell("topic", "ls", "--bootstrap", "localhost:x", code=2)
