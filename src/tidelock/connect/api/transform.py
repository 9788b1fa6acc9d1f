"""Transforms and predicates: what a connector's chain does to each record, between converter and task.

A transform gets a Record of its own, which it may change and give back; None drops it. The parts of a record
(schemas, Structs, dicts) may be shared with others and must be copied to be changed. A function
`def fn(record: Record) -> Record | None` is a transform too: `transforms.x.type=python:package.module:fn`.
Imports tidelock.config and the api.

Source: Kafka `org.apache.kafka.connect.transforms.{Transformation, predicates.Predicate}`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tidelock.config import Settings
from tidelock.connect.api.converter import NoSettings
from tidelock.connect.api.record import Headers, RecordBatch
from tidelock.connect.api.schema import Schema


@dataclass(slots=True)
class Record:
    """One record on its way through a chain.

    Attributes:
        topic: where a source's record goes, or a sink's belongs; a router changes it.
        partition: of the topic; None where the producer is to choose.
        timestamp: milliseconds since the epoch.
        offset: of a sink's record; None in a source.
    """

    topic: str
    partition: int | None = None
    key: Any = None
    key_schema: Schema | None = None
    value: Any = None
    value_schema: Schema | None = None
    timestamp: int | None = None
    headers: Headers = ()
    offset: int | None = None


class Transform(abc.ABC):
    """One step of a chain; made once per task.

    1. `configure` with its own keys, without their prefix.
    2. `apply`, once per record, always from one thread; or `apply_batch`, once per batch of a sink.
    3. `close`.
    """

    settings: ClassVar[type[Settings]] = NoSettings

    def configure(self, props: Mapping[str, str]) -> None:  # noqa: B027  # optional
        """Take the configuration.

        Raises:
            ConfigError: with all problems.
        """

    @abc.abstractmethod
    def apply(self, record: Record) -> Record | None:
        """Return the record that goes on, or None to drop it.

        Raises:
            DataError: this record cannot be transformed.
        """

    def apply_batch(self, batch: RecordBatch) -> RecordBatch | None:
        """Return what `apply` makes of all records of a batch, or None if they are to go one by one.

        Optional; for transforms that can do it column by column. It keeps every record and its place. What
        it raises means no more than None: `apply` then says which record is to blame.
        """
        return None

    def close(self) -> None:  # noqa: B027  # optional
        """Release everything."""


class Predicate(abc.ABC):
    """A condition that decides whether a transform applies to a record."""

    settings: ClassVar[type[Settings]] = NoSettings

    def configure(self, props: Mapping[str, str]) -> None:  # noqa: B027  # optional
        """Take the configuration; ConfigError with all problems."""

    @abc.abstractmethod
    def test(self, record: Record) -> bool:
        """Return whether it holds."""

    def close(self) -> None:  # noqa: B027  # optional
        """Release everything."""
