"""A verifiable source through Avro, a registry and a topic into a verifiable sink, over a kill."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.schema_registry import SchemaRegistryServer
from tests.support.up import REAL, ROOT
from tests.support.waiting import eventually

PIPELINE = """
[worker]
"offset.flush.interval.ms" = 200
"value.converter" = "io.confluent.connect.avro.AvroConverter"
"value.converter.schema.registry.url" = "{registry}"

[source]
connector.class = "org.apache.kafka.connect.tools.VerifiableSourceConnector"
topic = "numbers"
throughput = 200
complete.record.data = true
"key.converter" = "IntegerConverter"

[sink]
connector.class = "org.apache.kafka.connect.tools.VerifiableSinkConnector"
"key.converter" = "IntegerConverter"
"""


@contextmanager
def running(file: Path, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    line = [*REAL, "connect", "run", str(file), "--data", str(file.parent / "data")]
    with told.open("ab") as out, subprocess.Popen(line, cwd=ROOT, stdout=out) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def lines(told: Path) -> list[dict[str, Any]]:
    """The whole lines so far; a kill may have cut one short."""
    found = []
    for line in told.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def flushed(told: Path) -> list[int]:
    return [one["seqno"]["seqno"] for one in lines(told) if one.get("flushed")]


def committed(told: Path) -> list[int]:
    return [one["seqno"] for one in lines(told) if one.get("committed")]


def test_every_number_that_kafka_has_arrives_in_order(registry: SchemaRegistryServer, tmp_path: Path) -> None:
    file, told = tmp_path / "verify.toml", tmp_path / "told.jsonl"
    file.write_text(PIPELINE.format(registry=registry.url))
    with running(file, told) as process:
        eventually(lambda: len(flushed(told)) > 100, 60)
        process.kill()
    before = max(committed(told))
    with running(file, told):
        eventually(lambda: max(flushed(told)) > before + 100, 60)
    sent, arrived = set(committed(told)), flushed(told)
    highest = max(arrived)
    assert set(range(highest + 1)) <= set(arrived)
    assert {one for one in sent if one <= highest} <= set(arrived)
    firsts = list(dict.fromkeys(arrived))
    assert firsts == sorted(firsts)
    assert list(registry.subjects) == ["numbers-value"]
