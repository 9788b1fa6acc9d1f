from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.connect.runtime.fakes import FakeProducer, FakeSwitch
from tidelock.client import ClientFailed
from tidelock.connect.api import (
    ConnectError,
    Header,
    RetriableError,
    Schema,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
)
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.converters.string import StringConverter
from tidelock.connect.runtime.source_task import SourceConverters, SourceOptions, SourceRunner
from tidelock.runtime import ManualClock

FILE = {"filename": "f"}


def record(position: int, value: Any = "v", **parts: Any) -> SourceRecord:
    return SourceRecord(FILE, {"position": position}, "t", value, **parts)


class Scripted(SourceTask):
    """Returns, raises or calls what the script says, then stops the switch."""

    def __init__(self, switch: FakeSwitch) -> None:
        self.switch = switch
        self.script: deque[Any] = deque()
        self.calls: list[str] = []

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        self.calls.append("start")

    def poll(self) -> Sequence[SourceRecord] | None:
        if not self.script:
            self.switch.stopping = True
            return None
        step = self.script.popleft()
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
            return None
        return step

    def commit(self) -> None:
        self.calls.append("commit")

    def stop(self) -> None:
        self.calls.append("stop")


class Bench:
    """A source task between fakes."""

    def __init__(
        self,
        *,
        tolerant: bool = False,
        value: Any = None,
        commit_interval: float = 10.0,
        paused: bool = False,
    ) -> None:
        self.clock = ManualClock()
        self.switch = FakeSwitch(self.clock, is_paused=paused)
        self.producer = FakeProducer()
        self.task = Scripted(self.switch)
        self.runner = SourceRunner(
            self.task,
            self.producer,
            SourceConverters(StringConverter(), value or StringConverter(), SimpleHeaderConverter()),
            options=SourceOptions(commit_interval=commit_interval, tolerant=tolerant),
            switch=self.switch,
            clock=self.clock,
        )

    def run(self, *script: Any) -> None:
        self.task.script.extend(script)
        self.runner.run(SourceTaskContext("c"), {})


def test_records_are_sent_in_order_and_the_last_offset_is_stored() -> None:
    bench = Bench()
    bench.run([record(1, "a"), record(2, "b", key="k", partition=3, timestamp=9)], [record(3, "c")])
    assert [one.value for one in bench.producer.sent] == [b"a", b"b", b"c"]
    second = bench.producer.sent[1]
    assert (second.key, second.partition, second.timestamp) == (b"k", 3, 9)
    assert bench.switch.stored == [(FILE, {"position": 3})]
    assert bench.task.calls == ["start", "commit", "stop"]
    assert bench.switch.events("progress") == ["running", "topic"]


def test_what_kafka_has_not_acknowledged_is_not_stored() -> None:
    bench = Bench(commit_interval=0.1)
    bench.producer.acknowledge_at_once = False
    bench.run([record(1)], *[[]] * 5, bench.producer.acknowledge, *[[]] * 15, [record(2)], *[[]] * 5)
    assert bench.switch.stored == [(FILE, {"position": 1})]
    assert bench.task.calls == ["start", "commit", "stop"]


def test_offsets_are_stored_soon_when_nothing_flows() -> None:
    bench = Bench(commit_interval=60.0)
    bench.run([record(1)], *[None] * 12, lambda: bench.task.calls.append("here"))
    assert bench.task.calls == ["start", "commit", "here", "stop"]


def test_a_record_that_is_not_delivered_fails_the_task_and_keeps_what_was() -> None:
    bench = Bench()
    failure = ClientFailed("a record was not delivered")
    with pytest.raises(ClientFailed):
        bench.run([record(1)], lambda: setattr(bench.producer, "failure", failure))
    assert bench.switch.stored == [(FILE, {"position": 1})]
    assert bench.task.calls[-1] == "stop"


def test_a_poll_that_may_be_tried_again_is() -> None:
    bench = Bench()
    bench.run(RetriableError("away"), RetriableError("away"), [record(1)])
    assert len(bench.producer.sent) == 1
    assert bench.clock.monotonic() >= 0.3


def test_a_paused_source_is_not_polled() -> None:
    bench = Bench(paused=True)
    waits = iter(range(3))

    def wait(timeout: float) -> None:
        if next(waits, None) is None:
            bench.switch.stopping = True

    bench.switch.wait = wait  # type: ignore[method-assign]  # for this test
    bench.run([record(1)])
    assert bench.producer.sent == []
    assert bench.switch.events() == ["paused"]


def test_a_value_that_cannot_be_converted_names_its_place_or_is_left_out() -> None:
    schema = Schema.int32()
    records = [
        record(1, 1, value_schema=schema),
        record(2, "x", value_schema=schema),
        record(3, 3, value_schema=schema),
    ]
    strict = Bench(value=JsonConverter())
    with pytest.raises(ConnectError) as caught:
        strict.run(records)
    assert "'position': 2" in (caught.value.where or "")
    tolerant = Bench(value=JsonConverter(), tolerant=True)
    tolerant.run(records)
    assert len(tolerant.producer.sent) == 2
    assert tolerant.switch.stored == [(FILE, {"position": 3})]


def test_a_poll_of_nothing_but_unusable_records_still_moves_on() -> None:
    bench = Bench(value=JsonConverter(), tolerant=True)
    bench.run([record(1, {1})])
    assert bench.producer.sent == []
    assert bench.switch.stored == [(FILE, {"position": 1})]


def test_headers_become_bytes() -> None:
    bench = Bench()
    bench.run([record(1, headers=[Header("a", "x"), Header("n", 5), Header("none", None)])])
    assert bench.producer.sent[0].headers == [("a", b"x"), ("n", b"5"), ("none", None)]
