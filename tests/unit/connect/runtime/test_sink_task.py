import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.connect.runtime.fakes import FakeConsumer, FakeMessage, FakeProducer, FakeSwitch
from tidelock.client import BrokerUnreachable
from tidelock.connect.api import (
    ConnectError,
    DataError,
    Offsets,
    RecordBatch,
    RetriableError,
    SinkTask,
    SinkTaskContext,
    TopicPartition,
)
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.converters.string import StringConverter
from tidelock.connect.runtime.batching import Batcher
from tidelock.connect.runtime.reporting import Reporter, ReportOptions
from tidelock.connect.runtime.sink_task import SinkOptions, SinkRunner
from tidelock.protocol.error_codes import NotLeaderOrFollower
from tidelock.runtime import ManualClock

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


class Recording(SinkTask):
    """Notes every call; raises what the test put into `raises`."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.raises: deque[Exception | None] = deque()
        self.start_raises: deque[Exception] = deque()
        self.starts: Offsets | None = None

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        self.context = context
        if self.start_raises:
            context.retry_after(10.0)
            raise self.start_raises.popleft()
        self.calls.append("start")

    def open(self, partitions: Sequence[TopicPartition]) -> Offsets | None:
        self.calls.append(("open", tuple(partitions)))
        return self.starts

    def put(self, batch: RecordBatch) -> None:
        error = self.raises.popleft() if self.raises else None
        if error is not None:
            raise error
        self.calls.append(("put", batch.topic_partition, list(batch.offsets)))

    def flush(self, offsets: Offsets) -> None:
        self.calls.append(("flush", dict(offsets)))

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("close", tuple(partitions)))

    def stop(self) -> None:
        self.calls.append("stop")


class Bench:
    """A sink task between fakes."""

    def __init__(self, *, tolerant: bool = False, value: Any = None, commit_interval: float = 10.0) -> None:
        self.clock = ManualClock()
        self.switch = FakeSwitch(self.clock)
        self.consumer = FakeConsumer(self.clock, self.switch)
        self.task = Recording()
        self.letters = FakeProducer()
        options = ReportOptions("c", tolerant=tolerant, topic="dead", with_context=True)
        reporter = Reporter(options, self.letters)
        batcher = Batcher(StringConverter(), value or StringConverter(), SimpleHeaderConverter(), reporter)
        self.runner = SinkRunner(
            self.task,
            self.consumer,
            batcher,
            options=SinkOptions(topics=("t",), commit_interval=commit_interval),
            switch=self.switch,
            clock=self.clock,
        )

    def run(self, *script: Any) -> None:
        self.consumer.script.extend(script)
        self.runner.run(SinkTaskContext("c"), {})

    def assign(self, *partitions: TopicPartition) -> Any:
        return lambda: self.consumer.on_assign(partitions)

    def revoke(self, *partitions: TopicPartition, lost: bool = False) -> Any:
        return lambda: self.consumer.on_revoke(partitions, lost)


def test_the_life_of_a_task_in_order() -> None:
    bench = Bench()
    bench.run(bench.assign(P0), [FakeMessage(0), FakeMessage(1)])
    assert bench.task.calls == [
        "start",
        ("open", (P0,)),
        ("put", P0, [0, 1]),
        ("flush", {P0: 2}),
        ("close", (P0,)),
        "stop",
    ]
    assert bench.consumer.calls == [
        ("subscribe", ("t",)),
        ("assign", {P0: None}),
        ("commit", {P0: 2}),
        ("close",),
    ]
    assert bench.switch.events("progress") == ["running", "topic"]


def test_offsets_of_the_target_decide_where_to_begin() -> None:
    bench = Bench()
    bench.task.starts = {P0: 7}
    bench.consumer.ends = {P0: 9}
    bench.run(bench.assign(P0, P1))
    assert bench.consumer.made("assign") == [{P0: 7, P1: None}]


def test_a_target_that_is_ahead_of_the_topic_stops_the_task() -> None:
    bench = Bench()
    bench.task.starts = {P0: 7}
    bench.consumer.ends = {P0: 3}
    with pytest.raises(ConnectError, match="up to 7, but the topic ends at 3"):
        bench.run(bench.assign(P0))
    assert bench.task.calls[-1] == "stop"
    assert bench.consumer.made("assign") == []


def test_a_broker_that_goes_while_partitions_are_opened_is_waited_for() -> None:
    bench = Bench()
    bench.task.starts = {P0: 7}
    bench.consumer.ends = {P0: 9}
    bench.consumer.troubles.extend([BrokerUnreachable("no broker answers"), NotLeaderOrFollower("moved")])
    bench.run(bench.assign(P0))
    assert bench.consumer.made("assign") == [{P0: 7}]
    assert bench.task.calls[1:3] == [("open", (P0,)), ("open", (P0,))]
    assert bench.switch.events("progress") == ["running", "waiting", "waiting", "running"]
    assert "no broker answers" in bench.switch.told[1][1]["trace"]


def test_a_target_that_is_away_at_the_start_is_waited_for_and_named() -> None:
    bench = Bench()
    bench.task.start_raises.extend([RetriableError("no database answers"), RetriableError("too many")])
    bench.run(bench.assign(P0))
    assert bench.clock.monotonic() >= 20.0
    assert bench.switch.told[0] == ("waiting", {"trace": "TID-501 no database answers"})
    assert bench.switch.events("progress")[:3] == ["waiting", "waiting", "running"]
    assert bench.task.calls[0] == "start"


def test_a_task_that_waits_for_its_target_ends_when_told() -> None:
    bench = Bench()
    bench.task.start_raises.extend(RetriableError("no database answers") for _ in range(9))
    bench.switch.stops_at = bench.clock.monotonic() + 15.0
    bench.run(bench.assign(P0))
    assert bench.task.calls == ["stop"]
    assert bench.consumer.calls == [("close",)]


def test_a_task_that_waits_for_the_broker_ends_when_told() -> None:
    bench = Bench()
    bench.task.starts = {P0: 7}
    bench.consumer.troubles.extend(BrokerUnreachable("no broker answers") for _ in range(9))
    bench.switch.stops_at = bench.clock.monotonic() + 0.2
    bench.run(bench.assign(P0))
    assert bench.consumer.calls[1:] == [("unassign",), ("close",)]
    assert bench.task.calls[-1] == "stop"


def test_offsets_are_committed_at_the_interval_while_records_flow() -> None:
    bench = Bench(commit_interval=0.1)
    bench.run(bench.assign(P0), *([FakeMessage(number)] for number in range(6)))
    commits = bench.consumer.made("commit")
    assert commits[-1] == {P0: 6}
    assert 2 <= len(commits) <= 4


def test_nothing_is_committed_that_the_task_did_not_take() -> None:
    bench = Bench()
    bench.task.raises.extend([None, ValueError("no")])
    with pytest.raises(ValueError, match="no"):
        bench.run(bench.assign(P0), [FakeMessage(0)], [FakeMessage(1)])
    assert bench.consumer.made("commit") == []
    assert bench.task.calls[-1] == "stop"


def test_a_batch_is_tried_again_later_and_nothing_else_is_read_meanwhile() -> None:
    bench = Bench()
    bench.task.raises.extend([RetriableError("locked"), RetriableError("locked"), None])
    bench.run(bench.assign(P0), [FakeMessage(0)], *([] for _ in range(12)), [FakeMessage(1)])
    assert bench.switch.events("progress", "topic") == ["running", "waiting", "waiting", "running"]
    assert [call for call in bench.task.calls if call[0] == "put"] == [("put", P0, [0]), ("put", P0, [1])]
    assert bench.consumer.made("pause") == [(P0,)]
    assert bench.consumer.made("resume") == [(P0,)]


def test_a_task_says_itself_when_to_try_again() -> None:
    bench = Bench()

    class Patient(RetriableError):
        def __init__(self) -> None:
            bench.task.context.retry_after(1.0)
            super().__init__("later")

    def first(batch: RecordBatch) -> None:
        bench.task.put = original  # type: ignore[method-assign]  # only once
        raise Patient

    original = bench.task.put
    bench.task.put = first  # type: ignore[method-assign]  # only once
    bench.run(bench.assign(P0), [FakeMessage(0)], *([] for _ in range(30)))
    assert ("put", P0, [0]) in bench.task.calls
    assert bench.clock.monotonic() >= 1.0


def test_partitions_that_are_taken_away_are_committed_first_and_their_records_forgotten() -> None:
    bench = Bench()
    bench.task.raises.extend([None, RetriableError("locked")])
    bench.run(
        bench.assign(P0, P1),
        [FakeMessage(4), FakeMessage(8, partition_number=1)],
        bench.revoke(P0, P1),
        bench.assign(P0),
        [FakeMessage(5)],
    )
    assert bench.consumer.made("commit") == [{P0: 5}, {P0: 6}]
    assert [call for call in bench.task.calls if call[0] == "put"] == [("put", P0, [4]), ("put", P0, [5])]


def test_lost_partitions_are_closed_without_a_commit() -> None:
    bench = Bench()
    bench.run(bench.assign(P0), [FakeMessage(4)], bench.revoke(P0, lost=True))
    assert bench.consumer.made("commit") == []
    assert ("close", (P0,)) in bench.task.calls


def test_the_last_revocation_does_not_call_a_stopped_task() -> None:
    bench = Bench()
    bench.consumer.close = bench.revoke(P0)  # type: ignore[method-assign]  # as librdkafka does
    bench.run(bench.assign(P0), [FakeMessage(0)])
    assert bench.task.calls[-1] == "stop"


def test_a_paused_task_keeps_its_partitions_and_gets_nothing() -> None:
    bench = Bench()
    pause = lambda: setattr(bench.switch, "is_paused", True)  # noqa: E731  # one step of the script
    resume = lambda: setattr(bench.switch, "is_paused", False)  # noqa: E731
    bench.run(bench.assign(P0), pause, [], resume, [])
    assert bench.consumer.made("pause") == [(P0,)]
    assert bench.consumer.made("resume") == [(P0,)]
    assert bench.switch.events() == ["running", "paused", "running"]


def test_a_task_pauses_and_seeks_its_own_partitions() -> None:
    bench = Bench()

    def put(batch: RecordBatch) -> None:
        bench.task.context.pause(P1)
        bench.task.context.seek(P0, 2)

    bench.task.put = put  # type: ignore[method-assign]  # for this test
    bench.run(bench.assign(P0, P1), [FakeMessage(5)], [])
    assert bench.consumer.made("pause") == [(P1,)]
    assert ("seek", P0, 2) in bench.consumer.calls
    assert bench.consumer.made("commit")[-1] == {P0: 2}


def test_a_commit_that_the_group_refuses_is_tried_again() -> None:
    bench = Bench(commit_interval=0.05)
    bench.consumer.commits_succeed = False
    bench.run(bench.assign(P0), [FakeMessage(0)], [], [])
    assert bench.consumer.made("commit").count({P0: 1}) >= 2


def test_a_record_that_cannot_be_converted_stops_the_task_with_its_place() -> None:
    bench = Bench(value=JsonConverter())
    with pytest.raises(ConnectError) as caught:
        bench.run(bench.assign(P0), [FakeMessage(3, b"not json")])
    assert caught.value.where == "t-0@3"
    assert bench.consumer.made("commit") == []


def test_with_tolerance_it_is_left_out_and_counts_as_read() -> None:
    bench = Bench(value=JsonConverter(), tolerant=True)
    bench.run(
        bench.assign(P0),
        [FakeMessage(3, b"not json"), FakeMessage(4, b'{"schema":null,"payload":1}'), FakeMessage(5, b"x")],
    )
    assert ("put", P0, [4]) in bench.task.calls
    assert bench.consumer.made("commit") == [{P0: 6}]


class Choosy(Recording):
    """Refuses the records at some offsets; says which one only if it `tells`."""

    def __init__(self, bad: set[int], *, tells: bool = False) -> None:
        super().__init__()
        self.bad, self.tells = bad, tells

    def put(self, batch: RecordBatch) -> None:
        for index, offset in enumerate(batch.offsets):
            if offset in self.bad:
                raise DataError("too long", index=index if self.tells else None)
        super().put(batch)


def choosy(bad: set[int], *, tells: bool = False, tolerant: bool = True) -> Bench:
    bench = Bench(tolerant=tolerant)
    bench.runner._task = bench.task = Choosy(bad, tells=tells)
    return bench


@pytest.mark.parametrize("tells", [False, True])
def test_of_a_batch_that_is_refused_only_the_bad_records_are_left_out(tells: bool) -> None:
    bench = choosy({3, 7, 8, 99}, tells=tells)
    messages = [FakeMessage(at, str(at).encode(), key_bytes=b"k") for at in range(100)]
    bench.run(bench.assign(P0), messages)
    written = [offset for call in bench.task.calls if call[0] == "put" for offset in call[2]]
    assert written == [at for at in range(100) if at not in {3, 7, 8, 99}]
    assert [one.value for one in bench.letters.sent] == [b"3", b"7", b"8", b"99"]
    assert bench.consumer.made("commit")[-1] == {P0: 100}
    headers = dict(bench.letters.sent[0].headers)
    assert headers["__connect.errors.offset"] == b"3"
    assert headers["__connect.errors.stage"] == b"TASK_PUT"
    assert headers["__connect.errors.exception.message"] == b"too long"
    assert b"DataError" in (headers["__connect.errors.exception.stacktrace"] or b"")


class NotNullViolation(sqlite3.IntegrityError):
    """As a driver names it."""


def test_what_a_database_says_of_a_record_counts_however_it_is_wrapped() -> None:
    bench = Bench(tolerant=True)
    wrapped = ConnectError("the database refused")
    wrapped.__cause__ = NotNullViolation("n")
    bench.task.raises.extend([wrapped, None, wrapped])
    bench.run(bench.assign(P0), [FakeMessage(0), FakeMessage(1, b"bad")])
    assert [one.value for one in bench.letters.sent] == [b"bad"]
    bench = Bench(tolerant=True)
    wrapped.__cause__ = sqlite3.OperationalError("disk I/O error")
    bench.task.raises.append(wrapped)
    with pytest.raises(ConnectError):
        bench.run(bench.assign(P0), [FakeMessage(0)])
    assert bench.letters.sent == []


def test_without_tolerance_a_refused_record_fails_the_task() -> None:
    with pytest.raises(DataError):
        choosy({3}, tolerant=False).run(lambda: None, [FakeMessage(3)])


def test_an_outage_is_nobodys_letter() -> None:
    bench = Bench(tolerant=True)
    bench.task.raises.extend([RetriableError("away")] * 3)
    bench.run(bench.assign(P0), [FakeMessage(0), FakeMessage(1)], *[lambda: None] * 40)
    assert bench.letters.sent == []
    assert ("put", P0, [0, 1]) in bench.task.calls
    bench = Bench(tolerant=True)
    bench.task.raises.append(ConnectError("the disk is full"))
    with pytest.raises(ConnectError, match="disk"):
        bench.run(bench.assign(P0), [FakeMessage(0)])
    assert bench.letters.sent == []


def test_nothing_is_delivered_or_committed_before_kafka_has_the_letters() -> None:
    bench = choosy({0})
    bench.letters.acknowledge_at_once = False
    seen: list[Any] = []

    def later() -> None:
        seen.extend(call for call in bench.task.calls if call[0] == "put")
        seen.extend(bench.consumer.made("commit"))
        bench.letters.acknowledge()

    bench.run(bench.assign(P0), [FakeMessage(0), FakeMessage(1)], *[lambda: None] * 30, later, lambda: None)
    assert seen == []
    assert bench.task.calls[2:4] == [("put", P0, [1]), ("flush", {P0: 2})]


def test_a_task_at_rest_takes_the_first_that_comes_and_then_whole_batches_again() -> None:
    bench = Bench()
    asked: list[int] = []
    poll = bench.consumer.poll

    def noting(max_records: int, timeout: float) -> list[Any]:
        asked.append(max_records)
        return poll(max_records, timeout)

    bench.consumer.poll = noting  # type: ignore[method-assign]  # the script's polls, and what was asked
    bench.run(bench.assign(P0), *[[]] * 60, [FakeMessage(0)], [FakeMessage(1)])

    assert (asked[0], asked[61]) == (5000, 1), "at work, and after seconds without a record"
    assert asked[62] == 5000
