"""`tidelock connect standalone` with Kafka's quick-start properties: a real file through a topic."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.up import REAL, ROOT, Up
from tests.support.waiting import eventually

WORKER = """\
# the well-known keys of connect-standalone.properties
bootstrap.servers={bootstrap}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true
offset.storage.file.filename={folder}/connect.offsets
offset.flush.interval.ms=200
listeners={listeners}
"""
SOURCE = """\
name=local-file-source
connector.class=FileStreamSource
tasks.max=1
file={folder}/test.txt
topic=connect-test
"""
SINK = """\
name=local-file-sink
connector.class=FileStreamSink
tasks.max=1
file={folder}/test.sink.txt
topics=connect-test
"""


def write(folder: Path, name: str, text: str, **values: str) -> str:
    path = folder / name
    path.write_text(text.format(folder=folder, **values))
    return str(path)


@contextmanager
def standalone(*files: str) -> Iterator[subprocess.Popen[str]]:
    line = [*REAL, "connect", "standalone", *files]
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=30)


def test_the_quick_start_moves_a_file_restart_included(start_up: Callable[..., Up], tmp_path: Path) -> None:
    one_partition = ("--set", "broker.num.partitions=1")  # as in Kafka: only then is the order of lines kept
    bootstrap = start_up("broker", *one_partition, command=REAL).ready()["broker"]
    with socket.socket() as free:  # a port of its own, so that the next worker is the same one to the group
        free.bind(("127.0.0.1", 0))
        listeners = f"http://127.0.0.1:{free.getsockname()[1]}"
    worker = write(tmp_path, "worker.properties", WORKER, bootstrap=bootstrap, listeners=listeners)
    files = (worker, write(tmp_path, "source.properties", SOURCE), write(tmp_path, "sink.properties", SINK))
    source, sink = tmp_path / "test.txt", tmp_path / "test.sink.txt"
    text = (ROOT / "LICENSE").read_text()
    source.write_text(text)
    with standalone(*files) as process:
        eventually(lambda: sink.exists() and sink.read_text() == text, 30)
        assert process.stderr is not None
        shown = process.stderr.readline()
        assert "local-file-source, local-file-sink" in shown
        url = shown.split()[1]
        with urllib.request.urlopen(f"{url}/connectors", timeout=10) as answer:
            assert sorted(json.load(answer)) == ["local-file-sink", "local-file-source"]
    assert process.returncode == 0
    with source.open("a") as lines:
        lines.write("one more line\n")
    with standalone(*files) as process:
        eventually(lambda: sink.read_text() == text + "one more line\n", 30)
    assert process.returncode == 0


def test_a_port_that_is_taken_is_told_with_the_key_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = write(tmp_path, "worker.properties", f"listeners=http://127.0.0.1:{port}\n")
        line = [*REAL, "connect", "standalone", file]
        found = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 6
    assert f"port {port} is in use" in found.stderr
    assert "do: set listeners=" in found.stderr
    assert "tidelock up" not in found.stderr


@pytest.mark.parametrize(
    ("worker", "connector", "says"),
    [
        ("no-such-file", None, "cannot read the file"),
        ("listeners=https://localhost:1\n", None, "https is not supported, use http"),
        ("listeners=http://127.0.0.1:x\n", None, "listeners: "),
        ("listeners=http://127.0.0.1:0\n", "connector.class=FileStreamSource\n", "a connector needs a name"),
        ("listeners=http://127.0.0.1:0\n", "name=x\nconnector.class=Nonesuch\n", "Nonesuch"),
    ],
)
def test_a_wrong_file_is_told_in_words(tmp_path: Path, worker: str, connector: str | None, says: str) -> None:
    files = [worker if "=" not in worker else write(tmp_path, "worker.properties", worker)]
    if connector is not None:
        files.append(write(tmp_path, "connector.properties", connector))
    line = [*REAL, "connect", "standalone", *files]
    found = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert found.returncode == 2, found.stderr
    assert says in found.stderr
    assert "Traceback" not in found.stderr
