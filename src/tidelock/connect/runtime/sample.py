"""A dry run: real records through a connector's converters, transforms and, undone again, into its target.

`sample_sink` is given records as they were read; `sample_source` polls a task of its own that knows no stored
offset. Nothing is produced, committed or stored: a sink that cannot undo its writes is not asked to write, a
source is never told that its records arrived, and converters register nothing (`tidelock.dry.run`). Every
record gets a row that says what would become of it, or the error it would be. Imports the api and the
runtime's rules.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.config import ConfigError
from tidelock.connect.api import (
    ConnectError,
    Connector,
    ConnectorContext,
    Converter,
    DataError,
    Record,
    RecordBatch,
    RetriableError,
    SinkTaskContext,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
    Struct,
    TopicPartition,
)
from tidelock.connect.runtime.batching import Batcher, merged_properties
from tidelock.connect.runtime.chain import build_chain, transformed
from tidelock.connect.runtime.failures import RecordFailed, Skipped, Stage, failure_of
from tidelock.connect.runtime.message import Message
from tidelock.connect.runtime.plugins import Plugins, new_converter
from tidelock.connect.runtime.reporting import Reporter, ReportOptions
from tidelock.connect.runtime.settings import StandaloneSettings
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

DRY_RUN = "tidelock.dry.run"
POLL_WITHIN = 10.0
PAUSE = 0.1
NOT_WRITTEN = "not tried: this connector cannot undo a write"
DROPPED = "dropped by a transform"


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that was not sent, as a consumer would hand it out: its partition and offset are made up."""

    record: Record
    payloads: tuple[bytes | None, bytes | None]
    number: int

    def topic(self) -> str:
        """See Message."""
        return self.record.topic

    def partition(self) -> int:
        """See Message."""
        return self.record.partition or 0

    def offset(self) -> int:
        """See Message."""
        return self.number

    def key(self) -> bytes | None:
        """See Message."""
        return self.payloads[0]

    def value(self) -> bytes | None:
        """See Message."""
        return self.payloads[1]

    def timestamp(self) -> tuple[int, int]:
        """See Message."""
        moment = self.record.timestamp
        return (0, -1) if moment is None else (1, moment)

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """See Message; headers are not tried."""
        return None


@dataclass(slots=True)
class SampledRecord:
    """One record and what would become of it.

    Attributes:
        place: `topic-partition@offset`, or a source's partition and offset.
        given: key and value, as the converter read them or the source returned them.
        made: key and value after the transforms, and their topic; None where there is none.
        result: what would be done, in a few words.
        error: why it cannot be done.
        sent: what a source's record would be in Kafka.
    """

    place: str
    given: dict[str, Any]
    made: dict[str, Any] | None = None
    result: str = DROPPED
    error: TidelockError | None = None
    sent: Sent | None = None

    def failed(self, stage: Stage, error: TidelockError) -> None:
        """Note an error; `errors.tolerance` would decide about it."""
        self.result, self.error = f"error in {stage.name}", error


@dataclass(frozen=True, slots=True)
class Dry:
    """What a dry run is made with.

    Attributes:
        plugins: what can be named.
        worker: the worker's keys, references resolved.
        config: the connector's, checked and resolved.
    """

    plugins: Plugins
    worker: Mapping[str, str]
    config: Mapping[str, str]

    @property
    def name(self) -> str:
        """The connector's name."""
        return self.config.get("name", "sample")

    @property
    def loaded(self) -> type[Connector]:
        """The connector's class."""
        found: type[Connector] = self.plugins.connector(self.config["connector.class"]).load()
        return found

    def converter(self, part: str) -> Converter:
        """Return the converter of `key`, `value` or `header`; it registers nothing."""
        prefix = f"{part}.converter"
        worker = StandaloneSettings.parse(self.worker, strict=False)
        name = self.config.get(prefix) or getattr(worker, f"{part}_converter")
        props = {**merged_properties(self.worker, self.config, prefix), DRY_RUN: "true"}
        return new_converter(self.plugins, name, props, is_key=part == "key")

    def first_task(self) -> Mapping[str, str]:
        """Return the configuration of the connector's first task.

        Raises:
            ConnectError: there is nothing for a task to do.
        """
        connector = self.loaded()
        try:
            connector.start(ConnectorContext(self.name), self.config)
            configs = connector.task_configs(1)
        finally:
            connector.stop()
        if not configs:
            raise ConnectError("the connector has nothing to do for a task", where=self.name)
        return configs[0]


class _Collector(Reporter):
    """Keeps what cannot go on, by its place."""

    def __init__(self, name: str) -> None:
        super().__init__(ReportOptions(name, tolerant=True))
        self.skipped: dict[tuple[TopicPartition, int], RecordFailed] = {}

    def report(self, skipped: Skipped) -> None:
        self.skipped[skipped.partition, skipped.offset] = skipped.failed


def sample_sink(dry: Dry, messages: Sequence[Message]) -> list[SampledRecord]:
    """Return what a sink would do with records.

    Raises:
        TidelockError: the target does not answer, or the connector cannot start.
    """
    rows = {_place(one): SampledRecord(_shown(_place(one)), _raw(one)) for one in messages}
    collector = _Collector(dry.name)
    header = dry.converter("header")
    batcher = Batcher(dry.converter("key"), dry.converter("value"), header, collector)
    batches = batcher.batches(messages)
    for batch in batches:
        for record in batch:
            rows[batch.topic_partition, record.offset].given = _parts(record.key, record.value)
    chain = build_chain(dry.plugins, dry.config)
    if chain:
        batches = [made for batch in batches for made in transformed(chain.apply, batch, collector.report)]
    chain.close()
    for place, failed in collector.skipped.items():
        rows[place].failed(failed.stage, _of_record(failed, rows[place].place))
    for batch, told in zip(batches, _rehearsed(dry, batches), strict=True):
        for record, result in zip(batch, told, strict=True):
            row = rows[batch.topic_partition, record.offset]
            row.made = _parts(record.key, record.value, record.topic)
            if isinstance(result, TidelockError):
                row.failed(Stage.TASK_PUT, _placed(result, row.place))
            else:
                row.result = result
    return [rows[place] for place in sorted(rows)]


def _rehearsed(dry: Dry, batches: Sequence[RecordBatch]) -> Sequence[Sequence[str | TidelockError]]:
    task = dry.loaded.task_class()  # type: ignore[attr-defined]  # a sink's; the caller knows
    if not task.can_rehearse:
        return [[NOT_WRITTEN] * len(batch) for batch in batches]
    try:
        task.start(SinkTaskContext(dry.name, is_rehearsal=True), dry.first_task())
        found: Sequence[Sequence[str | TidelockError]] = task.rehearse(batches)
    finally:
        task.stop()
    return found


def sample_source(dry: Dry, count: int, clock: Clock, wait: Callable[[float], None]) -> list[SampledRecord]:
    """Return what would become of the first records that a source returns.

    Args:
        dry: see Dry.
        count: how many, at most those of one poll.
        clock: tells for how long the first was waited for.
        wait: sleeps; told the seconds.

    Raises:
        TidelockError: the source does not answer, or the connector cannot start.
    """
    props = dry.first_task()
    task: SourceTask = dry.loaded.task_class()  # type: ignore[attr-defined]  # a source's; the caller knows
    try:
        task.start(SourceTaskContext(dry.name), props)
        records = _polled(task, clock, wait)[:count]
    finally:
        task.stop()
    key, value = dry.converter("key"), dry.converter("value")
    chain = build_chain(dry.plugins, dry.config)
    rows = []
    for number, record in enumerate(records):
        place = " at ".join(filter(None, map(_named, (record.source_partition, record.source_offset))))
        row = SampledRecord(place, _parts(record.key, record.value))
        rows.append(row)
        try:
            made = chain.apply(_record_of(record))
            if made is not None:
                row.made = _parts(made.key, made.value, made.topic)
                row.sent = Sent(made, _encoded(made, key, value), number)
                row.result = _told(row.sent)
        except RecordFailed as failed:
            row.failed(failed.stage, _of_record(failed, place))
    chain.close()
    return rows


def _named(place: Mapping[str, Any]) -> str:
    """Return a source's partition or offset as `filename=a.txt, position=42`."""
    return ", ".join(f"{name}={value}" for name, value in place.items())


def _polled(task: SourceTask, clock: Clock, wait: Callable[[float], None]) -> Sequence[SourceRecord]:
    deadline = clock.monotonic() + POLL_WITHIN
    while True:
        is_over = clock.monotonic() >= deadline
        try:
            records = task.poll()
        except RetriableError:
            if is_over:
                raise
            records = None
        if records or is_over:
            return records or ()
        wait(PAUSE)


def _record_of(record: SourceRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition,
        key=record.key,
        key_schema=record.key_schema,
        value=record.value,
        value_schema=record.value_schema,
        timestamp=record.timestamp,
        headers=record.headers,
    )


def _encoded(record: Record, key: Converter, value: Converter) -> tuple[bytes | None, bytes | None]:
    payloads = []
    for stage, converter, schema, one in (
        (Stage.KEY_CONVERTER, key, record.key_schema, record.key),
        (Stage.VALUE_CONVERTER, value, record.value_schema, record.value),
    ):
        try:
            payloads += converter.encode(record.topic, schema, [one])
        except DataError as error:
            raise failure_of(stage, type(converter).__name__, error) from error
    return payloads[0], payloads[1]


def _told(sent: Sent) -> str:
    sizes = ["no" if one is None else f"{len(one)} bytes of" for one in sent.payloads]
    return f"produce to {sent.topic()}, {sizes[0]} key, {sizes[1]} value"


def _place(message: Message) -> tuple[TopicPartition, int]:
    return TopicPartition(message.topic(), message.partition()), message.offset()


def _shown(place: tuple[TopicPartition, int]) -> str:
    return f"{place[0]}@{place[1]}"


def _raw(message: Message) -> dict[str, Any]:
    """Return a record's bytes as text, for records that no converter can read."""
    texts = (
        None if part is None else part.decode("utf-8", errors="backslashreplace")
        for part in (message.key(), message.value())
    )
    return dict(zip(("key", "value"), texts, strict=True))


def _parts(key: Any, value: Any, topic: str | None = None) -> dict[str, Any]:
    found = {"key": _plain(key), "value": _plain(value)}
    return found if topic is None else {"topic": topic, **found}


def _plain(value: Any) -> Any:
    return value.as_dict() if isinstance(value, Struct) else value


def _of_record(failed: RecordFailed, place: str) -> TidelockError:
    if isinstance(failed.error, TidelockError):
        return _placed(failed.error, place, failed.hint)
    return ConnectError(failed.what, where=place, hint=failed.hint)


def _placed(error: TidelockError, place: str, hint: str | None = None) -> TidelockError:
    """Return an error that says which record it is about; a configuration's problems stay as they are."""
    if isinstance(error, ConfigError):
        return error
    told = copy.copy(error)
    told.where = place if error.where is None else f"{place}, {error.where}"
    told.hint = error.hint or hint
    return told
