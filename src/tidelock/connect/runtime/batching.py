"""Rules of the sink: messages of a poll into record batches, one per partition and schema.

Messages, converters, the chain and what becomes of failures are arguments. A record that cannot be converted
or transformed is told with its place (topic, partition, offset); the others keep their order. Imports the api
and the runtime's chain and failures.

Source: Kafka `connect.runtime.WorkerSinkTask.convertMessages`, `errors.RetryWithToleranceOperator`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidelock.connect.api import (
    Converter,
    DataError,
    Header,
    Headers,
    Record,
    RecordBatch,
    Run,
    TopicPartition,
    infer_schema,
)
from tidelock.connect.runtime.chain import Chain, transformed
from tidelock.connect.runtime.failures import Attempts, RecordFailed, Skipped, Stage, failure_of
from tidelock.connect.runtime.message import Message
from tidelock.connect.runtime.reporting import Reporter


@dataclass(slots=True)
class Batcher:
    """Makes record batches with one task's converters and transforms.

    Args:
        key: converter of keys.
        value: converter of values.
        header: converter of header values.
        reporter: told of each record that cannot go on; it raises where that is not tolerated.
        chain: transforms each record.
        attempts: tries again what raised RetriableError.
    """

    key: Converter
    value: Converter
    header: Converter
    reporter: Reporter
    chain: Chain = field(default_factory=Chain)
    attempts: Attempts | None = None

    def batches(self, messages: Sequence[Message]) -> list[RecordBatch]:
        """Return the batches of one poll, each partition's records in their order.

        Raises:
            ConnectError: a record cannot be converted and is not tolerated.
        """
        return self.batches_of(by_partition(messages))

    def batches_of(self, groups: Mapping[TopicPartition, list[Message]]) -> list[RecordBatch]:
        """Return the same of messages that are grouped already."""
        return [
            batch for partition, group in groups.items() for batch in self._of_partition(partition, group)
        ]

    def _of_partition(self, partition: TopicPartition, group: list[Message]) -> list[RecordBatch]:
        made: list[RecordBatch] = []
        while group:
            try:
                return made + self._transformed(group, self._converted(partition, group))
            except RecordFailed as failed:
                place = failed.index
                bad = group[place]
                made += self._of_partition(partition, group[:place])
                self.reporter.report(Skipped(partition, bad.offset(), failed, bad))
                group = group[place + 1 :]
        return made

    def _transformed(self, group: list[Message], batches: list[RecordBatch]) -> list[RecordBatch]:
        if not self.chain:
            return batches
        return [made for batch in batches for made in self._all_steps(group, batch)]

    def _all_steps(self, group: list[Message], batch: RecordBatch) -> Iterable[RecordBatch]:
        whole = self.chain.apply_batch(batch)
        if whole is not None:
            return [whole]

        def left_out(skipped: Skipped) -> None:
            message = next(message for message in group if message.offset() == skipped.offset)
            self.reporter.report(replace(skipped, message=message))

        return transformed(self._apply, batch, left_out)

    def _apply(self, record: Record) -> Record | None:
        if self.attempts is None:
            return self.chain.apply(record)
        # A step that is tried again begins with the record as it was.
        return self.attempts.run(lambda: self.chain.apply(copy.copy(record)))

    def _decoded(
        self, stage: Stage, converter: Converter, topic: str, payloads: Sequence[bytes | None]
    ) -> list[Run]:
        try:
            if self.attempts is None:
                return converter.decode(topic, payloads)
            return self.attempts.run(lambda: converter.decode(topic, payloads))
        except DataError as error:
            raise failure_of(stage, name_of(converter), error) from error

    def _converted(self, partition: TopicPartition, group: list[Message]) -> list[RecordBatch]:
        topic = partition.topic
        keys = self._decoded(Stage.KEY_CONVERTER, self.key, topic, [message.key() for message in group])
        values = self._decoded(Stage.VALUE_CONVERTER, self.value, topic, [one.value() for one in group])
        headers = self._headers(topic, group)
        offsets = [message.offset() for message in group]
        stamps = [message.timestamp() for message in group]
        timestamps = [timestamp if kind else None for kind, timestamp in stamps]  # kind 0: it has none
        made = []
        start = 0
        for key, value, length in aligned(keys, values):
            part = slice(start, start + length)
            made.append(
                RecordBatch(
                    topic=topic,
                    partition=partition.partition,
                    offsets=offsets[part],
                    keys=key.values,
                    values=value.values,
                    key_schema=key.schema,
                    value_schema=value.schema,
                    timestamps=timestamps[part],
                    headers=None if headers is None else headers[part],
                )
            )
            start += length
        return made

    def _headers(self, topic: str, group: list[Message]) -> list[Headers] | None:
        raw = [message.headers() for message in group]
        if not any(raw):
            return None
        made = []
        for index, one in enumerate(raw):
            try:
                made.append(self._converted_headers(topic, one or []))
            except RecordFailed as failed:
                failed.index = index
                raise
        return made

    def _converted_headers(self, topic: str, raw: Sequence[tuple[str, bytes | None]]) -> Headers:
        runs = self._decoded(Stage.HEADER_CONVERTER, self.header, topic, [value for _, value in raw])
        values = [(value, run.schema) for run in runs for value in run.values]
        return [
            Header(key, value, schema or infer_schema(value))
            for (key, _), (value, schema) in zip(raw, values, strict=True)
        ]


def by_partition(messages: Sequence[Message]) -> dict[TopicPartition, list[Message]]:
    """Group messages; those of a partition keep their order and mostly come one after another."""
    groups: dict[TopicPartition, list[Message]] = {}
    topic, number = "", -1
    group: list[Message] = []
    for message in messages:
        if message.partition() != number or message.topic() != topic:
            topic, number = message.topic(), message.partition()
            group = groups.setdefault(TopicPartition(topic, number), [])
        group.append(message)
    return groups


def aligned(keys: Sequence[Run], values: Sequence[Run]) -> list[tuple[Run, Run, int]]:
    """Cut two lists of runs over the same records at each other's ends."""
    made: list[tuple[Run, Run, int]] = []
    key_at = value_at = 0  # how much of the first run of each list is used up
    pending_keys, pending_values = list(keys), list(values)
    while pending_keys and pending_values:
        key, value = pending_keys[0], pending_values[0]
        length = min(len(key.values) - key_at, len(value.values) - value_at)
        if length:
            made.append((_cut(key, key_at, length), _cut(value, value_at, length), length))
        key_at, value_at = key_at + length, value_at + length
        if key_at == len(key.values):
            pending_keys.pop(0)
            key_at = 0
        if value_at == len(value.values):
            pending_values.pop(0)
            value_at = 0
    return made


def _cut(run: Run, start: int, length: int) -> Run:
    if start == 0 and length == len(run.values):
        return run
    return Run(run.schema, run.values[start : start + length])


def name_of(plugin: object) -> str:
    """Return a plugin's class name, for errors."""
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"


def merged_properties(worker: Any, connector: Any, prefix: str) -> dict[str, str]:
    """Return a converter's own keys: the connector's where it names the converter, the worker's otherwise.

    Args:
        worker: the worker's keys as given.
        connector: the connector's configuration.
        prefix: `key.converter`, `value.converter` or `header.converter`.
    """
    source = connector if connector.get(prefix) else worker
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in source.items() if name.startswith(start)}
