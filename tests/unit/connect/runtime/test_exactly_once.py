"""Records and their offsets go together, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.connect.runtime.fakes import FakeProducer, FakeSwitch
from tests.unit.connect.runtime.test_source_task import Scripted
from tidelock.client import BrokerUnreachable, Outgoing, OutgoingBatch
from tidelock.connect.api import (
    Schema,
    SinkConnector,
    SourceConnector,
    SourceRecord,
    SourceTaskContext,
    TransactionContext,
)
from tidelock.connect.connectors.file import FileStreamSinkConnector, FileStreamSourceConnector
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.converters.string import StringConverter
from tidelock.connect.runtime.exactly_once import Boundary, ExactlyOnceRunner, Transactions
from tidelock.connect.runtime.exactly_once_task import exactly_once_of
from tidelock.connect.runtime.exactly_once_validation import exactly_once_problems
from tidelock.connect.runtime.offset_state import OffsetState
from tidelock.connect.runtime.source_task import SourceConverters, SourceOptions
from tidelock.protocol.error_codes import ProducerFenced
from tidelock.runtime import ManualClock


@dataclass
class FakeTransactions(FakeProducer):
    """Notes what happens; what is committed is the records between begin and commit."""

    events: list[Any] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    def begin(self) -> None:
        self.events.append("begin")

    def commit(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.events.append("commit")

    def abort(self) -> None:
        self.events.append("abort")

    def send(self, topic: str, record: Outgoing, acknowledged: Callable[[], None]) -> None:
        super().send(topic, record, acknowledged)
        self._note(topic, record)

    def send_many(self, topic: str, batch: OutgoingBatch, acknowledged: Callable[[], None]) -> None:
        super().send_many(topic, batch, acknowledged)
        for record in batch:
            self._note(topic, record)

    def _note(self, topic: str, record: Outgoing) -> None:
        value = record.value.decode() if record.value else None
        self.events.append(value if topic == "t" else (topic, record.key, value))


class Bench:
    def __init__(self, boundary: Boundary, *, transaction: TransactionContext | None = None) -> None:
        self.clock = ManualClock()
        self.switch = FakeSwitch(self.clock)
        self.producer = FakeTransactions()
        self.task = Scripted(self.switch)
        self.context = SourceTaskContext("c", transaction=transaction)
        self.runner = ExactlyOnceRunner(
            self.task,
            self.producer,
            SourceConverters(StringConverter(), StringConverter(), SimpleHeaderConverter()),
            options=SourceOptions(),
            switch=self.switch,
            clock=self.clock,
        )
        self.runner.boundary = boundary
        self.runner.transactions = Transactions(self.producer, "c", "offsets", OffsetState(), self.switch)

    def run(self, *script: Any) -> list[Any]:
        self.task.script.extend(script)
        self.runner.run(self.context, {})
        return self.producer.events


def records(*numbers: int) -> list[SourceRecord]:
    return [SourceRecord({"p": 1}, {"n": number}, "t", f"r{number}", Schema.string()) for number in numbers]


def stored(number: int) -> tuple[str, bytes, str]:
    return "offsets", b'["c",{"p":1}]', json.dumps({"n": number}, separators=(",", ":"))


def test_each_poll_is_a_transaction_with_its_last_offset() -> None:
    bench = Bench(Boundary())
    events = bench.run(records(1, 2), records(3))
    assert events == ["begin", "r1", "r2", stored(2), "commit", "begin", "r3", stored(3), "commit"]
    assert bench.switch.stored == [({"p": 1}, {"n": 2}), ({"p": 1}, {"n": 3})]


def test_an_interval_holds_several_polls_and_ends_without_records_too() -> None:
    bench = Bench(Boundary("interval", 60))
    events = bench.run(
        records(1),
        lambda: bench.clock.advance(30),
        records(2),
        lambda: bench.clock.advance(31),
        None,
        records(3),
    )
    assert events == ["begin", "r1", "r2", stored(2), "commit", "begin", "r3", stored(3), "commit"]


def test_a_connector_draws_its_own_boundaries() -> None:
    wishes = TransactionContext()
    bench = Bench(Boundary("connector"), transaction=wishes)

    def then(wish: Callable[[], None], *numbers: int) -> list[SourceRecord]:
        return Wishing(wish, records(*numbers))

    events = bench.run(records(1), then(wishes.commit, 2), then(wishes.abort, 3), records(4))
    assert events == [
        *("begin", "r1", "r2", stored(2), "commit"),
        *("begin", "r3", "abort", "begin", stored(3), "commit"),
        *("begin", "r4", "abort"),  # never asked for
    ]


class Wishing(list[SourceRecord]):
    """Records with which a wish is noted when they are looked at."""

    def __init__(self, wish: Callable[[], None], given: list[SourceRecord]) -> None:
        super().__init__(given)
        self._wish: Callable[[], None] | None = wish

    def __iter__(self) -> Any:
        if self._wish is not None:
            self._wish()
            self._wish = None
        return super().__iter__()


def test_an_error_undoes_what_is_open() -> None:
    bench = Bench(Boundary("interval", 60))
    with pytest.raises(ValueError, match="broken"):
        bench.run(records(1), ValueError("broken"))
    assert bench.producer.events == ["begin", "r1", "abort"]
    assert bench.switch.stored == []


def test_a_commit_is_tried_until_the_broker_answers_and_a_fenced_one_is_final() -> None:
    bench = Bench(Boundary())
    bench.producer.troubles = [BrokerUnreachable("away"), BrokerUnreachable("away")]
    assert bench.run(records(1))[-1] == "commit"
    bench = Bench(Boundary())
    bench.producer.troubles = [ProducerFenced("somebody else")]
    with pytest.raises(ProducerFenced):
        bench.run(records(1))
    assert bench.switch.stored == []


def test_offsets_are_found_by_meaning_and_written_under_the_key_that_is_there() -> None:
    offsets = OffsetState()
    java = b'["c",{"protocol":"1","table":"db.orders"}]'
    offsets.apply(java, b'{"incrementing":5}')
    partition = {"table": "db.orders", "protocol": "1"}
    assert offsets.read("c", [partition, {"x": 1}]) == [{"incrementing": 5}, None]
    assert offsets.read("d", [partition]) == [None]
    assert offsets.records("c", [(partition, {"incrementing": 6}), ({"x": "한"}, None)]) == [
        (java, b'{"incrementing":6}'),
        ('["c",{"x":"한"}]'.encode(), None),
    ]
    offsets.apply(java, None)
    assert offsets.read("c", [partition]) == [None]


@given(st.none() | st.binary() | st.text().map(str.encode), st.none() | st.binary())
def test_any_record_of_the_topic_is_taken_or_left_out(key: bytes | None, value: bytes | None) -> None:
    offsets = OffsetState()
    offsets.apply(key, value)
    offsets.apply(b'["c",{}]', value)
    offsets.read("c", [{}])


WORKER = {"exactly.once.source.support": "enabled"}
CONFIG = {"name": "c", "connector.class": "x", "file": "f", "topic": "t"}


def test_where_ids_and_topics_come_from() -> None:
    assert exactly_once_of({}, CONFIG, "c", 0) is None
    once = exactly_once_of(WORKER | {"offset.flush.interval.ms": "7000"}, CONFIG, "c", 0)
    assert once is not None
    assert (once.transactional_id, once.topic) == ("connect-standalone-c-0", "connect-offsets-c")
    assert once.boundary == Boundary("poll", 7.0)
    keys = {"transaction.boundary": "interval", "transaction.boundary.interval.ms": "250"}
    once = exactly_once_of(WORKER | {"group.id": "g", "offset.storage.topic": "o"}, CONFIG | keys, "c", 3)
    assert once is not None
    assert (once.transactional_id, once.topic) == ("g-c-3", "o")
    assert once.boundary == Boundary("interval", 0.25)


class Silent(SourceConnector):
    """Says nothing about exactly once."""


@pytest.mark.parametrize(
    ("loaded", "worker", "changed", "keys"),
    [
        (FileStreamSourceConnector, {}, {}, []),
        (FileStreamSourceConnector, WORKER, {"exactly.once.support": "required"}, []),
        (FileStreamSourceConnector, {}, {"exactly.once.support": "required"}, ["exactly.once.support"]),
        (Silent, WORKER, {"exactly.once.support": "required"}, ["exactly.once.support"]),
        (Silent, WORKER, {}, []),
        (Silent, {}, {"transaction.boundary": "connector"}, ["transaction.boundary"]),
        (FileStreamSourceConnector, WORKER, {"tasks.max": "2"}, ["tasks.max"]),
        (FileStreamSourceConnector, WORKER | {"group.id": "g"}, {"tasks.max": "2"}, []),
        (FileStreamSinkConnector, WORKER, {"tasks.max": "2"}, []),
    ],
)
def test_what_is_refused(
    loaded: type[SourceConnector | SinkConnector],
    worker: dict[str, str],
    changed: dict[str, str],
    keys: list[str],
) -> None:
    assert [one.key for one in exactly_once_problems(loaded, CONFIG | changed, worker)] == keys
