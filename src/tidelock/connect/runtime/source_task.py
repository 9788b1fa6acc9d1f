"""Runs one source task: poll, convert, produce, store offsets. A blocking loop in the task's own process.

A source offset is stored (durably, by the worker) only after Kafka has every record up to it, so a restart
repeats at most what was produced since the last commit and never leaves anything out. Rules are in
progress.py; the producer, the clock and the worker's wire are arguments.

Source: Kafka `org.apache.kafka.connect.runtime.{AbstractWorkerSourceTask, WorkerSourceTask}`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tidelock.client import OutgoingBatch
from tidelock.connect.api import (
    ConnectError,
    Converter,
    DataError,
    Headers,
    Record,
    RetriableError,
    SourceBatch,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
    offsets_of,
)
from tidelock.connect.runtime.calm import SIGN_OF_LIFE, Rest, Teller
from tidelock.connect.runtime.chain import Chain
from tidelock.connect.runtime.failures import Attempts, RecordFailed, Stage, failure_of
from tidelock.connect.runtime.kafka import TaskProducer
from tidelock.connect.runtime.progress import CommitClock, SourceProgress
from tidelock.connect.runtime.rates import Meter
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

IDLE_WAIT = 0.1
"""Seconds after a poll that returned nothing; more after a long rest."""
FIRST_RETRY, RETRY_FACTOR = 0.1, 2.0
MAX_IN_FLIGHT = 50_000


class Switch(Protocol):
    """What the loop sees of the worker."""

    @property
    def is_paused(self) -> bool:
        """Whether to move nothing."""

    def is_stopping(self) -> bool:
        """Whether to end."""

    def wait(self, timeout: float) -> None:
        """Sleep, but wake when it is time to stop."""

    def tell(self, event: str, **details: object) -> None:
        """Report an event."""

    def store_offsets(self, offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """Store source offsets; returns when they are durable."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source task is run; seconds."""

    commit_interval: float = 10.0
    flush_timeout: float = 5.0
    retry_delay_max: float = 60.0
    retry_timeout: float = 0.0
    tolerant: bool = False
    log_skipped: bool = False
    sign_of_life: float = SIGN_OF_LIFE


@dataclass(frozen=True, slots=True)
class SourceConverters:
    """The converters and transforms of one task."""

    key: Converter
    value: Converter
    header: Converter
    chain: Chain = field(default_factory=Chain)


class SourceRunner:
    """The loop of one source task.

    Args:
        task: started by `run`.
        producer: of this task alone.
        converters: see SourceConverters.
        options: see SourceOptions.
        switch: the worker's wishes.
        clock: monotonic time.
    """

    def __init__(
        self,
        task: SourceTask,
        producer: TaskProducer,
        converters: SourceConverters,
        *,
        options: SourceOptions,
        switch: Switch,
        clock: Clock,
    ) -> None:
        self._task = task
        self._producer = producer
        self._converters = converters
        self._options = options
        self._switch = switch
        self._clock = clock
        self._progress = SourceProgress()
        self._attempts = Attempts(
            options.retry_timeout, options.retry_delay_max, switch.wait, switch.is_stopping, clock
        )
        self._commits = CommitClock(options.commit_interval, clock.monotonic())
        self._connector = ""
        self._context = SourceTaskContext("")
        self._records = 0
        self._retries = 0
        self._topics: set[str] = set()
        self._rest = Rest(IDLE_WAIT, clock.monotonic())
        self._teller = Teller(options.sign_of_life, clock.monotonic())
        self._meter = Meter()
        self._was_paused = switch.is_paused

    def run(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """Start the task, move records until the worker wants it to stop, leave everything stored.

        Raises:
            Exception: whatever the task raised; what Kafka has acknowledged is stored nevertheless.
        """
        self._connector = context.connector
        self._context = context
        failed = True
        try:
            self._task.start(context, props)
            self._tell_state()
            while not self._switch.is_stopping():
                self._step()
            failed = False
        finally:
            with contextlib.ExitStack() as last:  # each of these happens, whatever the others raise
                last.callback(self._task.stop)
                last.callback(self._finish, failed=failed)
                last.callback(self._commit)
                last.callback(self._flush)

    def _step(self) -> None:
        self._follow_target_state()
        records = None if self._was_paused else self._poll()
        if records:
            self._rest.since = self._clock.monotonic()
            self._send(records)
        else:
            self._idle()
            self._switch.wait(self._rest.wait(self._clock.monotonic()))
        self._producer.serve(0)
        while self._progress.in_flight > MAX_IN_FLIGHT and not self._switch.is_stopping():
            self._producer.serve(IDLE_WAIT)
            self._tell_progress()
        if self._progress.has_safe and self._commits.is_due(self._clock.monotonic(), idle=not records):
            self._commit()
        self._tell_progress()

    def _follow_target_state(self) -> None:
        if self._switch.is_paused != self._was_paused:
            self._rest.since = self._clock.monotonic()
            self._was_paused = self._switch.is_paused
            self._tell_state()

    def _tell_state(self) -> None:
        self._switch.tell("paused" if self._was_paused else "running")

    def _poll(self) -> Sequence[SourceRecord] | None:
        try:
            records = self._task.poll()
        except RetriableError as error:
            delay = min(FIRST_RETRY * RETRY_FACTOR ** min(self._retries, 30), self._options.retry_delay_max)
            self._retries += 1
            log.warning("connector %s: again in %.1f s: %s", self._connector, delay, error.what)
            self._switch.wait(delay)
            return None
        self._retries = 0
        return records

    def _send(self, records: Sequence[SourceRecord]) -> None:
        outgoing = list(self._converted(records))
        count = sum(len(batch) for _, batch in outgoing)
        poll = self._progress.submitted(count, offsets_of(records))
        for topic, batch in outgoing:
            self._producer.send_many(topic, batch, partial(self._progress.acknowledged, poll, len(batch)))
        self._records += count
        for topic in {topic for topic, _ in outgoing} - self._topics:
            self._topics.add(topic)
            self._switch.tell("topic", topic=topic)

    def _transformed(self, records: Sequence[SourceRecord]) -> Iterable[SourceRecord]:
        for record in records:
            try:
                made = self._applied(record)
            except RecordFailed as failed:
                self._left_out(record, failed)
                continue
            if made is not None:
                yield made

    def _applied(self, record: SourceRecord) -> SourceRecord | None:
        def apply() -> Record | None:
            return self._converters.chain.apply(
                Record(
                    topic=record.topic,
                    partition=record.partition,
                    key=record.key,
                    key_schema=record.key_schema,
                    value=record.value,
                    value_schema=record.value_schema,
                    timestamp=record.timestamp,
                    headers=record.headers,
                )
            )

        made = self._attempts.run(apply)
        if made is None:
            return None
        return SourceRecord(
            record.source_partition,
            record.source_offset,
            made.topic,
            value=made.value,
            value_schema=made.value_schema,
            key=made.key,
            key_schema=made.key_schema,
            partition=made.partition,
            timestamp=made.timestamp,
            headers=made.headers,
        )

    def _left_out(self, record: SourceRecord, failed: RecordFailed) -> None:
        if not self._options.tolerant:
            where = f"{dict(record.source_partition)} at {dict(record.source_offset)}"
            raise ConnectError(failed.what, where=where, hint=failed.hint) from failed.error
        if self._options.log_skipped:
            log.error("connector %s: left out in %s: %s", self._connector, failed.stage.name, failed.what)

    def _converted(self, records: Sequence[SourceRecord]) -> Iterable[tuple[str, OutgoingBatch]]:
        if not self._converters.chain:
            if isinstance(records, SourceBatch):
                yield from self._encoded(records, records)
                return
            going: Iterable[SourceRecord] = records
        else:
            going = self._transformed(records)
        for _, group in itertools.groupby(going, key=_kind):
            of_a_kind = list(group)
            yield from self._encoded(_as_batch(of_a_kind), of_a_kind)

    def _encoded(
        self, batch: SourceBatch, records: Sequence[SourceRecord]
    ) -> Iterable[tuple[str, OutgoingBatch]]:
        topic, converters = batch.topic, self._converters
        keys: Sequence[bytes | None] | None = None
        while len(batch):
            try:
                if batch.keys is not None:
                    keys = converters.key.encode(topic, batch.key_schema, batch.keys)
                values = converters.value.encode(topic, batch.value_schema, batch.values)
            except DataError as error:
                place = error.index or 0
                self._left_out(records[place], failure_of(Stage.VALUE_CONVERTER, "converter", error))
                batch, records = batch.without(place), [*records[:place], *records[place + 1 :]]
                continue
            headers = None if batch.headers is None else [self._headers(topic, one) for one in batch.headers]
            yield topic, OutgoingBatch(values, keys, batch.partition, batch.timestamps, headers)
            return

    def _headers(self, topic: str, headers: Headers) -> list[tuple[str, bytes | None]]:
        encode = self._converters.header.encode
        return [(one.key, encode(topic, one.schema, [one.value])[0]) for one in headers]

    def _commit(self) -> None:
        offsets = self._progress.take()
        if offsets:
            self._switch.store_offsets(offsets)
            self._task.committed(offsets)
            self._task.commit()
        self._commits.last = self._clock.monotonic()

    def _flush(self) -> None:
        """Wait for what is under way at the end."""
        self._producer.flush(self._options.flush_timeout)

    def _idle(self) -> None:
        """Do what there is to do when nothing comes."""

    def _finish(self, *, failed: bool) -> None:
        """Do what there is to do at the end, after a last flush.

        Args:
            failed: whether an error ends the task.
        """

    def _tell_progress(self) -> None:
        now = self._clock.monotonic()
        if self._teller.is_due(now):
            rate = round(self._meter.sample(now, self._records).rate, 1)
            progress = {"records": self._records, "rate": rate, "in_flight": self._progress.in_flight}
            if self._teller.is_news(now, progress):
                self._switch.tell("progress", **progress)


def _kind(record: SourceRecord) -> tuple[str, int | None, int, int]:
    """Return what the records of one batch have in common."""
    return record.topic, record.partition, id(record.key_schema), id(record.value_schema)


def _as_batch(records: list[SourceRecord]) -> SourceBatch:
    """Return records of one kind as columns; what they all lack becomes None."""
    first = records[0]
    return SourceBatch(
        first.source_partition,
        records[-1].source_offset,
        first.topic,
        values=[one.value for one in records],
        value_schema=first.value_schema,
        keys=[one.key for one in records],
        key_schema=first.key_schema,
        partition=first.partition,
        timestamps=_unless_none([one.timestamp for one in records]),
        headers=[one.headers for one in records] if any(one.headers for one in records) else None,
    )


def _unless_none(column: list[int | None]) -> list[int | None] | None:
    return None if all(one is None for one in column) else column
