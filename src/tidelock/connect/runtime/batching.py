"""Rules of the sink: messages of a poll into record batches, one per partition and schema.

Pure: messages, converters and the tolerance are arguments. A record that cannot be converted either stops the
task with its place (topic, partition, offset) or, with errors.tolerance=all, is left out and told. Imports
the api.

Source: Kafka `connect.runtime.WorkerSinkTask.convertMessages`, `errors.RetryWithToleranceOperator`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidelock.connect.api import (
    ConnectError,
    Converter,
    DataError,
    Header,
    Headers,
    RecordBatch,
    Run,
    TopicPartition,
    infer_schema,
)


class Message(Protocol):
    """What a consumer hands out; confluent_kafka's Message is one."""

    def topic(self) -> str: ...  # noqa: D102  # the field's word says it
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...  # noqa: D102


@dataclass(slots=True)
class Skipped:
    """A record that was left out."""

    partition: TopicPartition
    offset: int
    error: DataError


@dataclass(slots=True)
class Batcher:
    """Makes record batches with one task's converters.

    Args:
        key: converter of keys.
        value: converter of values.
        header: converter of header values.
        tolerant: leave out what cannot be converted (errors.tolerance=all).
        on_skip: told of each record that is left out.
    """

    key: Converter
    value: Converter
    header: Converter
    tolerant: bool = False
    on_skip: Callable[[Skipped], None] = field(default=lambda skipped: None)

    def batches(self, messages: Sequence[Message]) -> list[RecordBatch]:
        """Return the batches of one poll, each partition's records in their order.

        Raises:
            ConnectError: a record cannot be converted and is not tolerated.
        """
        partitions: dict[TopicPartition, list[Message]] = {}
        for message in messages:
            partitions.setdefault(TopicPartition(message.topic(), message.partition()), []).append(message)
        return [
            batch for partition, group in partitions.items() for batch in self._of_partition(partition, group)
        ]

    def _of_partition(self, partition: TopicPartition, group: list[Message]) -> list[RecordBatch]:
        made: list[RecordBatch] = []
        while group:
            try:
                return made + self._converted(partition, group)
            except DataError as error:
                place = error.index or 0
                offset = group[place].offset()
                if not self.tolerant:
                    raise ConnectError(
                        f"a record cannot be converted: {error.what}",
                        where=f"{partition}@{offset}",
                        hint=error.hint or "errors.tolerance=all leaves such records out",
                    ) from error
                self.on_skip(Skipped(partition, offset, error))
                made += self._of_partition(partition, group[:place])
                group = group[place + 1 :]
        return made

    def _converted(self, partition: TopicPartition, group: list[Message]) -> list[RecordBatch]:
        topic = partition.topic
        keys = self.key.decode(topic, [message.key() for message in group])
        values = self.value.decode(topic, [message.value() for message in group])
        headers = self._headers(topic, group)
        offsets = [message.offset() for message in group]
        timestamps = [_timestamp(message) for message in group]
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
        return [self._converted_headers(topic, one or []) for one in raw]

    def _converted_headers(self, topic: str, raw: Sequence[tuple[str, bytes | None]]) -> Headers:
        runs = self.header.decode(topic, [value for _, value in raw])
        values = [(value, run.schema) for run in runs for value in run.values]
        return [
            Header(key, value, schema or infer_schema(value))
            for (key, _), (value, schema) in zip(raw, values, strict=True)
        ]


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


def _timestamp(message: Message) -> int | None:
    kind, timestamp = message.timestamp()
    return timestamp if kind else None  # 0: the record has none


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
