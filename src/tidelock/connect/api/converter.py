"""Converters: between the bytes in Kafka and the data model, a batch at a time.

Imports tidelock.config and the api.

Source: Kafka `org.apache.kafka.connect.storage.Converter`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tidelock.config import Settings
from tidelock.connect.api.schema import Schema


@dataclass(slots=True)
class Run:
    """Consecutive values with one schema; null values belong to whatever run they are in."""

    schema: Schema | None
    values: Sequence[Any]


class NoSettings(Settings):
    """For a plugin without keys of its own."""


class Converter(abc.ABC):
    """Turns payloads into values and back; made once per task for the keys and once for the values."""

    settings: ClassVar[type[Settings]] = NoSettings

    def configure(self, props: Mapping[str, str], *, is_key: bool) -> None:  # noqa: B027  # optional
        """Take the configuration, without its prefix (`value.converter.`).

        Raises:
            ConfigError: with all problems.
        """

    @abc.abstractmethod
    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Return the values of all payloads in order, as runs that share a schema.

        Raises:
            DataError: a payload cannot be read; `index` says which.
        """

    @abc.abstractmethod
    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """Return the payload of each value.

        Raises:
            DataError: a value does not fit the schema, or has no form; `index` says which.
        """
