"""`validate --sample` and `connect run`: a dry run leaves no trace; a pipeline brings its own broker."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL

from tests.support.schema_registry import SchemaRegistryServer
from tests.support.up import REAL, ROOT, Up
from tests.support.waiting import eventually
from tidelock.cli.main import main
from tidelock.client import Admin, Outgoing, Producer
from tidelock.connect.api import RecordBatch, Schema, SinkTaskContext, Struct
from tidelock.connect.connectors.jdbc.sink import JdbcSinkTask
from tidelock.sql import open_engine

KEY = Schema.string(optional=True)
ROW = Schema.struct({"total": Schema.int32(), "note": Schema.string(optional=True)})
PIPELINE = """
[source]
connector.class = "FileStreamSource"
file = "{folder}/in.txt"
topic = "lines"

[transforms.wrap]
type = "HoistField$Value"
field = "line"

[sink]
connector.class = "JdbcSink"
connection.url = "sqlite:///{folder}/out.db"
pk.mode = "kafka"
insert.mode = "upsert"
auto.create = true
"""


def records(*pairs: tuple[str | None, int | None]) -> RecordBatch:
    values = [None if total is None else Struct(ROW, {"total": total}) for _, total in pairs]
    keys = [key for key, _ in pairs]
    return RecordBatch("orders", 0, range(len(pairs)), keys, values, KEY, ROW)


def rehearse(url: URL, *batches: RecordBatch, **keys: str) -> list[list[str]]:
    props = {
        "connection.url": url.render_as_string(hide_password=False),
        "pk.mode": "record_key",
        "pk.fields": "id",
        "insert.mode": "upsert",
        "auto.create": "true",
        **{name.replace("_", "."): value for name, value in keys.items()},
    }
    task = JdbcSinkTask()
    task.start(SinkTaskContext("sink", is_rehearsal=True), props)
    try:
        return [[str(one) for one in told] for told in task.rehearse(batches)]
    finally:
        task.stop()


def everything(url: URL) -> dict[str, list[Any]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(text(f"select * from {name}"))]
            for name in inspect(connection).get_table_names()
        }
    engine.dispose()
    return found


def run(url: URL, *statements: str) -> None:
    engine = open_engine(url, writer=True)
    with engine.begin() as connection:
        for one in statements:
            connection.execute(text(one))
    engine.dispose()


def test_a_rehearsal_writes_and_undoes(any_database: URL) -> None:
    run(any_database, "create table orders (id varchar(40) primary key, total int not null, note text)")
    run(any_database, "insert into orders values ('a', 1, 'kept')")
    before = everything(any_database)
    told = rehearse(any_database, records(("a", 5), ("b", 6), ("a", None)), delete_enabled="true")
    assert told == [["upsert into orders", "upsert into orders", "delete from orders"]]
    told = rehearse(any_database, records(("b", 6), ("a", 5), (None, 7), ("c", 8)), insert_mode="insert")
    assert [one.partition("\n")[0].partition(":")[0] for one in told[0]] == [
        "insert into orders",
        "the database refused",
        "pk.mode=record_key, and the record has no key",
        "insert into orders",
    ]
    assert everything(any_database) == before


def test_a_table_that_is_not_there_is_not_there_afterwards(any_database: URL) -> None:
    told = rehearse(any_database, records(("a", 5)))[0][0]
    if any_database.get_backend_name() in ("mysql", "mariadb"):
        assert told.startswith("the rows were not tried: they need CREATE TABLE IF NOT EXISTS `orders`")
    else:
        assert told == "upsert into orders"
    assert everything(any_database) == {}
    assert "there is no table orders" in rehearse(any_database, records(("a", 5)), auto_create="false")[0][0]


def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "none.db"))
    assert rehearse(url, records(("a", 5))) == [["upsert into orders"]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs_db
def test_a_table_without_transactions_is_not_touched(database_url: Callable[[str], URL]) -> None:
    url = database_url("mariadb")
    run(url, "create table orders (id varchar(40) primary key, total int, note text) engine=MyISAM")
    assert "an engine without transactions" in rehearse(url, records(("a", 5)))[0][0]
    assert everything(url) == {"orders": []}


def test_sampling_topics_moves_no_offsets_and_tells_each_error(
    start_up: Callable[..., Up], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = start_up("broker", command=REAL).ready()["broker"]
    with Producer(broker) as producer:
        for line in (
            b'{"schema":{"type":"int32"},"payload":1}',
            b"nonsense",
            b'{"schema":null,"payload":"x"}',
        ):
            producer.send("orders", Outgoing(b"k", line, (), 0))
        producer.flush()
    connector = tmp_path / "sink.properties"
    connector.write_text(
        "name=dry\nconnector.class=FileStreamSink\ntopics=orders\n"
        f"file={tmp_path}/never.txt\nkey.converter=StringConverter\n"
    )
    assert main(["connect", "validate", str(connector), "--bootstrap", broker]) == 0
    capsys.readouterr()
    line = ["connect", "validate", str(connector), "--bootstrap", broker, "--sample", "2", "-o", "json"]
    assert main(line) == 1
    shown = capsys.readouterr()
    rows = json.loads(shown.out)
    assert [(one["record"], one["result"].partition(":")[0]) for one in rows] == [
        ("orders-0@1", "error in VALUE_CONVERTER"),
        ("orders-0@2", "not tried"),
    ]
    assert shown.err.startswith("Error TID-502: ")
    assert "\n  at: orders-0@1\n  do: " in shown.err
    assert main([*line, "--from", "beginning"]) == 1
    assert [one["record"] for one in json.loads(capsys.readouterr().out)] == ["orders-0@0", "orders-0@1"]
    assert Admin(broker).groups() == []
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".txt"] == []


def test_a_silent_source_is_named_and_not_the_topic_that_it_would_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidelock.connect.runtime.sample.POLL_WITHIN", 0.1)
    file = tmp_path / "a.toml"
    file.write_text(PIPELINE.format(folder=tmp_path))
    (tmp_path / "in.txt").write_text("")
    nobody = ["--bootstrap", "127.0.0.1:1"]
    assert main(["connect", "validate", str(file), "--sample", "2", "-o", "json", *nobody]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == []
    assert "Source a-source has no record within" in shown.err
    assert "There is no record to try." in shown.err


def test_every_problem_of_every_file_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "a.toml"
    good.write_text(PIPELINE.format(folder=tmp_path).replace("file =", "fiel =").replace("upsert", "upsrt"))
    assert main(["connect", "validate", str(good)]) == 2
    shown = capsys.readouterr().err
    assert "2 problems" in shown
    assert "a-sink: insert.mode" in shown
    assert "a-source: file" in shown
    assert "did you mean it by 'fiel'" in shown


@contextmanager
def running(file: Path, data: Path) -> Iterator[subprocess.Popen[str]]:
    line = [*REAL, "connect", "run", str(file), "--data", str(data)]
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=30)


def test_a_pipeline_brings_its_broker_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, lines = tmp_path / "shop.toml", tmp_path / "in.txt"
    file.write_text(PIPELINE.format(folder=tmp_path))
    lines.write_text("하나\n둘\n")
    url = URL.create("sqlite", database=str(tmp_path / "out.db"))
    assert main(["connect", "validate", str(file), "--sample", "5"]) == 0
    assert "upsert into lines" in capsys.readouterr().out
    assert not (tmp_path / "out.db").exists()

    def written() -> list[str]:
        if not (tmp_path / "out.db").exists():
            return []
        return sorted(row[-1] for row in everything(url).get("lines", []))

    with running(file, tmp_path / "data") as process:
        assert process.stderr is not None
        assert "(shop-source, shop-sink)  ·  its own broker" in process.stderr.readline()
        eventually(lambda: written() == sorted(["하나", "둘"]), 60)
        assert main(["connect", "run", str(file), "--data", str(tmp_path / "data")]) == 6
        assert "this pipeline runs already" in capsys.readouterr().err
        process.kill()
    with lines.open("a") as more:
        more.write("셋\n")
    with running(file, tmp_path / "data") as process:
        eventually(lambda: written() == sorted(["하나", "둘", "셋"]), 60)
    assert process.returncode == 0


def test_a_dry_run_with_a_registry_leaves_it_as_it_was(
    registry: SchemaRegistryServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    converter = f'''
[worker]
"value.converter" = "io.confluent.connect.avro.AvroConverter"
"value.converter.schema.registry.url" = "{registry.url}"
'''
    file = tmp_path / "shop.toml"
    file.write_text(converter + PIPELINE.format(folder=tmp_path))
    (tmp_path / "in.txt").write_text("하나\n")
    assert main(["connect", "validate", str(file), "--sample", "5"]) == 0
    shown = capsys.readouterr().out
    assert "produce to lines, no key" in shown
    assert "upsert into lines" in shown
    assert registry.schemas == []
