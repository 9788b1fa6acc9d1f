"""`tidelock dlq`: a sink leaves records out, the configuration is mended, the letters come back, once."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.connect import Worker
from tests.support.kafka import Kafka
from tests.support.waiting import eventually
from tidelock.cli.main import main
from tidelock.client import Outgoing, Producer

STRING = "org.apache.kafka.connect.storage.StringConverter"
GOOD, BAD = '{"a":1}', "한글, no JSON"


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *line: str) -> Any:
        assert main([*line, "-o", "json"]) == 0, self._capsys.readouterr().err
        return json.loads(self._capsys.readouterr().out)


def sink_of(topic: str, letters: str, out: Path) -> dict[str, str]:
    return {
        "connector.class": "FileStreamSink",
        "topics": topic,
        "file": str(out),
        "key.converter": STRING,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": letters,
        "errors.deadletterqueue.context.headers.enable": "true",
    }


def test_letters_are_listed_shown_and_sent_back_once(
    any_kafka: Kafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    topic, shell = f"orders-{uuid.uuid4().hex[:8]}", Shell(capsys)
    letters, out = f"{topic}-dlq", tmp_path / "out.txt"
    with Producer(any_kafka.bootstrap, name="tests") as producer:
        values = (GOOD, BAD, GOOD, BAD)
        producer.send_batch(topic, [Outgoing(b"k", value.encode(), [("own", b"h")]) for value in values])
    config = sink_of(topic, letters, out)
    with Worker(tmp_path, {"bootstrap.servers": any_kafka.bootstrap}) as worker:
        monkeypatch.setenv("TIDELOCK_BOOTSTRAP", any_kafka.bootstrap)
        monkeypatch.setenv("TIDELOCK_CONNECT_URL", worker.url)
        assert worker.request("PUT", f"/connectors/{topic}/config", config)[0] == 201

        def listed(count: int) -> Any:
            [row] = [one for one in shell("dlq", "ls") if one["topic"] == letters]
            return row if row.get("letters") == count else None

        row = eventually(lambda: listed(2), 30)
        assert row == {"topic": letters, "connector": topic, "letters": 2, "not_replayed": 2}
        first, _ = shell("dlq", "show", letters)
        assert first["value"] == BAD
        assert (first["connector"], first["task"], first["stage"]) == (topic, "0", "VALUE_CONVERTER")
        assert first["from"].startswith(f"{topic}-")
        assert first["from"].endswith("@1")
        assert shell("dlq", "show", letters, "--stage", "TASK_PUT") == []
        assert len(shell("dlq", "show", letters, "--error", "JSON", "--limit", "1")) == 1

        mended = {**config, "value.converter": STRING}
        assert worker.request("PUT", f"/connectors/{topic}/config", mended)[0] == 200
        assert main(["dlq", "replay", letters]) == 5  # nobody confirmed it
        sent = [{"topic": topic, "letters": 2}]
        assert shell("dlq", "replay", letters, "--dry-run") == sent
        assert shell("dlq", "replay", letters, "--yes") == sent
        assert shell("dlq", "replay", letters, "--yes") == []
        eventually(lambda: out.read_text().splitlines().count(BAD) == 2, 20)
        assert listed(2)["not_replayed"] == 0
        assert len(shell("dlq", "show", letters, "--all")) == 2
        assert shell("dlq", "show", letters) == []
        back = shell("topic", "tail", topic, "--from", "-1")[0]
        assert (back["key"], back["value"], back["headers"]) == ("k", BAD, {"own": "h"})


def test_a_letter_that_names_no_topic_is_sent_only_where_the_user_says(
    any_kafka: Kafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDELOCK_BOOTSTRAP", any_kafka.bootstrap)
    topic, shell = f"letters-{uuid.uuid4().hex[:8]}", Shell(capsys)
    with Producer(any_kafka.bootstrap, name="tests") as producer:
        producer.send(topic, Outgoing(b"k", b"v"))
    assert main(["dlq", "replay", topic, "--yes"]) == 2
    assert "--to" in capsys.readouterr().err
    assert shell("dlq", "replay", topic, "--to", f"{topic}-2", "--yes") == [
        {"topic": f"{topic}-2", "letters": 1}
    ]
    assert main(["dlq", "show", f"no-{topic}"]) == 4
