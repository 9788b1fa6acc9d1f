import json
from typing import Any

import pytest

from tidelock.connect.api import (
    ConnectError,
    ConnectorContext,
    RecordBatch,
    Schema,
    SinkTaskContext,
    SourceTaskContext,
    TopicPartition,
)
from tidelock.connect.connectors.mock import MockSinkConnector, MockSinkTask, MockSourceTask
from tidelock.connect.connectors.verifiable import (
    BATCH,
    VerifiableSinkTask,
    VerifiableSourceConnector,
    VerifiableSourceTask,
    allowance,
)

PROPS = {"topic": "주문", "throughput": "-1", "id": "2"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_source_goes_on_behind_what_is_stored_and_tells_what_kafka_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = VerifiableSourceTask()
    task.start(SourceTaskContext("c", 2, lambda partitions: [{"seqno": 4} for _ in partitions]), PROPS)
    records = task.poll() or ()
    assert len(records) == BATCH
    assert [(one.key, one.value, one.source_offset) for one in records[:2]] == [
        (2, 5, {"seqno": 5}),
        (2, 6, {"seqno": 6}),
    ]
    assert [line["seqno"] for line in lines(capsys)] == [one.value for one in records]
    task.committed([({"id": 2}, {"seqno": 6})])
    task.committed([({"id": 2}, {"seqno": 7})])
    told = lines(capsys)
    assert [line["seqno"] for line in told] == [5, 6, 7]
    assert all(line["committed"] and line["name"] == "c" and line["topic"] == "주문" for line in told)


def test_a_value_may_be_the_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    task = VerifiableSourceTask()
    task.start(SourceTaskContext("c"), {**PROPS, "complete.record.data": "true"})
    first = (task.poll() or ())[0]
    assert first.value.as_dict() == lines(capsys)[0]


def test_no_more_is_sent_than_the_throughput_allows() -> None:
    assert allowance(100, 0.0, 0) == 0
    assert allowance(100, 0.5, 20) == 30
    assert allowance(100, 0.5, 60) == 0
    assert allowance(10**9, 1.0, 0) == allowance(-1, 0.0, 10**9) == BATCH


def test_every_task_of_a_source_has_its_number() -> None:
    connector = VerifiableSourceConnector()
    connector.start(ConnectorContext("c"), PROPS)
    assert [one["id"] for one in connector.task_configs(3)] == ["0", "1", "2"]


def test_a_sink_tells_what_it_took_and_what_is_flushed(capsys: pytest.CaptureFixture[str]) -> None:
    task = VerifiableSinkTask()
    task.start(SinkTaskContext("s", 1), {"id": "1"})
    task.put(RecordBatch("t", 0, [7, 8], [2, 2], [5, 6], Schema.int32(), Schema.int64()))
    taken = lines(capsys)
    assert [(line["task"], line["sinkTask"], line["seqno"], line["offset"]) for line in taken] == [
        (2, 1, 5, 7),
        (2, 1, 6, 8),
    ]
    task.flush({TopicPartition("t", 0): 9})
    assert [(line["seqno"], line["flushed"]) for line in lines(capsys)] == [(5, True), (6, True)]
    task.flush({})
    assert lines(capsys) == []


def test_a_mock_fails_only_when_it_is_told_to() -> None:
    quiet = MockSourceTask()
    quiet.start(SourceTaskContext("c"), {})
    assert quiet.poll() is None
    failing = MockSinkTask()
    failing.start(SinkTaskContext("s"), {"mock_mode": "task-failure", "delay_ms": "0"})
    with pytest.raises(ConnectError, match="task-failure"):
        failing.put(RecordBatch("t", 0, [0], [None], [None]))
    with pytest.raises(ConnectError, match="connector-failure"):
        MockSinkConnector().start(ConnectorContext("s"), {"mock_mode": "connector-failure"})
