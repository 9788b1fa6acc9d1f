"""Connector files and rows: what a file may look like, and what applying it would change."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidelock.cli.connect import connectors
from tidelock.cli.connect.connectors import ConnectorFileError, changes, from_file, row, verdict
from tidelock.config_file import ConfigFileError

CONFIG = {"name": "sink", "connector.class": "FileStreamSink", "tasks.max": "1"}


def read(monkeypatch: pytest.MonkeyPatch, document: object) -> list[tuple[str, dict[str, str]]]:
    text = document if isinstance(document, str) else json.dumps(document)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return from_file(Path("-"))


@pytest.mark.parametrize(
    "document",
    [
        CONFIG,
        {"name": "sink", "config": {"connector.class": "FileStreamSink", "tasks.max": 1}},
        {"config": {**CONFIG, "tasks.max": 1}},
    ],
)
def test_every_shape_of_file_is_the_same_connector(monkeypatch: pytest.MonkeyPatch, document: object) -> None:
    assert read(monkeypatch, document) == [("sink", CONFIG)]
    assert read(monkeypatch, [document, document]) == [("sink", CONFIG)] * 2


def test_values_that_are_not_texts_become_what_java_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, {"name": "x", "a": True, "b": 1.5, "c": False, "d": "text"})
    assert found == [("x", {"name": "x", "a": "true", "b": "1.5", "c": "false", "d": "text"})]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "cannot read the connector"),
        ([], "names no connector"),
        ([1], "is a JSON object"),
        ({"config": 1, "name": "x"}, "`config` is not a JSON object"),
        ({"connector.class": "X"}, "has no name"),
    ],
)
def test_a_file_that_is_no_connector_says_why(
    monkeypatch: pytest.MonkeyPatch, document: object, says: str
) -> None:
    with pytest.raises(ConnectorFileError, match=says):
        read(monkeypatch, document)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConnectorFileError, match="No such file"):
        from_file(Path("/nowhere/at/all.json"))


def test_what_applying_changes() -> None:
    new = {**CONFIG, "tasks.max": "2", "topics": "orders"}
    old = {**CONFIG, "file": "x"}
    assert [tuple(one.values()) for one in changes(old, new)] == [
        ("file", "x", None),
        ("tasks.max", "1", "2"),
        ("topics", None, "orders"),
    ]
    assert verdict(None, list(changes(None, new))) == "created"
    assert verdict(old, list(changes(old, new))) == "updated"
    assert verdict(new, list(changes(new, dict(new)))) == "unchanged"


def test_applying_prints_no_secret() -> None:
    old = {"connection.password": "[hidden]", "connection.url": "mysql://a:[hidden]@h/d"}
    new = {
        "connection.password": "pw",
        "connection.url": "mysql://a:pw@h/d",
        "consumer.override.sasl.password": "pw",
    }
    rows = list(changes(old, new))
    assert [one["key"] for one in rows] == sorted(new)
    assert "'pw'" not in str(rows)
    assert ":pw@" not in str(rows)


def status(*states: str) -> dict[str, Any]:
    tasks = [{"id": number, "state": state} for number, state in enumerate(states)]
    return {"type": "sink", "connector": {"state": "RUNNING"}, "tasks": tasks}


def test_a_row_counts_the_tasks_by_state() -> None:
    info = {"config": {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector"}}
    found = row("sink", {"status": status("RUNNING", "FAILED", "RUNNING"), "info": info})
    assert found == {
        "name": "sink",
        "type": "sink",
        "state": "RUNNING",
        "tasks": "1 FAILED, 2 RUNNING",
        "class": "FileStreamSinkConnector",
        "failed": True,
    }
    assert row("sink", {"status": status()})["tasks"] == "none"
    assert not connectors.failed(status("RUNNING", "PAUSED"))


def test_a_pipeline_is_its_connectors(tmp_path: Path) -> None:
    toml, properties = tmp_path / "shop.toml", tmp_path / "shop.properties"
    toml.write_text('[source]\nconnector.class = "A"\ntopic = "t"\n[sink]\nconnector.class = "B"\n')
    properties.write_text("source.connector.class=A\nsource.topic=t\nsink.connector.class=B\n")
    expected = [
        ("shop-source", {"name": "shop-source", "connector.class": "A", "topic": "t"}),
        ("shop-sink", {"name": "shop-sink", "connector.class": "B", "topics": "t"}),
    ]
    assert from_file(toml) == from_file(properties) == expected
    toml.write_text('connector.class = "A"\nconnector.class.x = 1\n')
    with pytest.raises(ConnectorFileError, match="not valid TOML") as caught:
        from_file(toml)
    assert "texts stand in quotes" in str(caught.value)
    with pytest.raises(ConnectorFileError, match="cannot read the pipeline"):
        from_file(tmp_path / "none.toml")


@pytest.mark.parametrize("read", [from_file, connectors.pipeline])
@pytest.mark.parametrize("name", ["shop.yaml", "shop.YML"])
def test_yaml_is_refused_with_the_formats_that_are_read(read: Callable[[Path], Any], name: str) -> None:
    with pytest.raises(ConfigFileError, match="YAML is not read") as caught:
        read(Path(name))
    assert ".toml" in str(caught.value.hint)
