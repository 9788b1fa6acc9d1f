"""Dry runs: every record has a row, failures have their record and stage, and nothing else is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from tests.unit.connect.runtime.fakes import FakeMessage
from tidelock.connect.api import (
    DataError,
    NoSettings,
    RecordBatch,
    RetriableError,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    SourceConnector,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
)
from tidelock.connect.runtime.plugins import Plugins
from tidelock.connect.runtime.sample import DROPPED, NOT_WRITTEN, Dry, sample_sink, sample_source
from tidelock.errors import TidelockError
from tidelock.runtime import ManualClock

JSON = {
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
    "key.converter": "StringConverter",
}


class Careless(SinkTask):
    """Cannot undo anything, so it must not even be started."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        raise AssertionError("started")

    def put(self, batch: RecordBatch) -> None:
        raise AssertionError("put")


class Rehearsing(SinkTask):
    """Refuses every odd offset."""

    can_rehearse = True
    calls: ClassVar[list[str]] = []

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        assert context.is_rehearsal
        self.calls.append("start")

    def put(self, batch: RecordBatch) -> None:
        raise AssertionError("put")

    def rehearse(self, batches: Sequence[RecordBatch]) -> list[list[str | TidelockError]]:
        self.calls.append("rehearse")
        return [[DataError("odd") if one % 2 else "even" for one in batch.offsets] for batch in batches]

    def stop(self) -> None:
        self.calls.append("stop")


class CarelessSink(SinkConnector):
    settings = NoSettings
    task_class = Careless


class RehearsingSink(SinkConnector):
    settings = NoSettings
    task_class = Rehearsing


class Counting(SourceTask):
    """Two empty polls, an outage, then three records; to be told of nothing."""

    def __init__(self) -> None:
        self.polls = 0

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        assert context.offset({"p": 1}) is None

    def poll(self) -> Sequence[SourceRecord] | None:
        self.polls += 1
        if self.polls == 3:
            raise RetriableError("away")
        if self.polls < 4:
            return None
        return [SourceRecord({"p": 1}, {"n": number}, "t", {"n": number}) for number in range(3)]

    def committed(self, offsets: Any) -> None:
        raise AssertionError("committed")

    def commit(self) -> None:
        raise AssertionError("commit")


class CountingSource(SourceConnector):
    settings = NoSettings
    task_class = Counting


def dry(kind: str, **config: str) -> Dry:
    given = {"name": "c", "connector.class": f"{__name__}:{kind}", **JSON}
    return Dry(Plugins(), {}, {**given, **{name.replace("_", "."): value for name, value in config.items()}})


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    Rehearsing.calls.clear()


def test_a_sink_that_cannot_undo_is_not_started() -> None:
    rows = sample_sink(dry("CarelessSink"), [FakeMessage(4, b'{"a": 1}', key_bytes=b"k")])
    assert [(one.place, one.result, one.error) for one in rows] == [("t-0@4", NOT_WRITTEN, None)]
    assert rows[0].given == {"key": "k", "value": {"a": 1}}
    assert rows[0].made == {"topic": "t", "key": "k", "value": {"a": 1}}


def test_each_record_has_what_became_of_it() -> None:
    chain = {"transforms": "x,d", "transforms_x_type": "ExtractField$Value", "transforms_x_field": "a"}
    drop = {
        "transforms_d_type": "Filter",
        "transforms_d_predicate": "gone",
        "predicates": "gone",
        "predicates_gone_type": "RecordIsTombstone",
    }
    messages = [
        FakeMessage(0, b'{"a": 7}'),
        FakeMessage(1, b"not json"),
        FakeMessage(2, b'{"a": null}'),
        FakeMessage(3, b'{"a": 9}'),
        FakeMessage(4, b'["no field"]'),
    ]
    rows = sample_sink(dry("RehearsingSink", **chain, **drop), messages)
    assert [one.result for one in rows] == [
        "even",
        "error in VALUE_CONVERTER",
        DROPPED,
        "error in TASK_PUT",
        "error in TRANSFORMATION",
    ]
    assert rows[0].made == {"topic": "t", "key": None, "value": 7}
    assert rows[1].given["value"] == "not json"
    assert rows[1].error is not None
    assert str(rows[1].error).splitlines()[1] == "  at: t-0@1"
    assert str(rows[3].error) == "odd\n  at: t-0@3"
    assert Rehearsing.calls == ["start", "rehearse", "stop"]


def test_a_source_is_polled_until_it_has_something_and_never_told_of_it() -> None:
    clock = ManualClock()
    rows = sample_source(dry("CountingSource"), 2, clock, clock.advance)
    assert [one.place for one in rows] == ["p=1 at n=0", "p=1 at n=1"]
    assert rows[1].result == "produce to t, no key, 7 bytes of value"
    assert rows[1].sent is not None
    sent = sample_sink(dry("RehearsingSink"), [one.sent for one in rows if one.sent])
    assert [one.made for one in sent] == [
        {"topic": "t", "key": None, "value": {"n": 0}},
        {"topic": "t", "key": None, "value": {"n": 1}},
    ]


def test_a_source_with_nothing_to_say_ends_in_time() -> None:
    class Silent(Counting):
        def poll(self) -> None:
            return None

    clock = ManualClock()
    CountingSource.task_class = Silent
    try:
        assert sample_source(dry("CountingSource"), 2, clock, clock.advance) == []
    finally:
        CountingSource.task_class = Counting
    assert 10 <= clock.monotonic() < 11
