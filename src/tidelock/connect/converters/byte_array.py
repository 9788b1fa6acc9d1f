"""ByteArrayConverter: bytes pass through untouched. Imports the api only.

Source: Kafka `org.apache.kafka.connect.converters.ByteArrayConverter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidelock.connect.api import Converter, DataError, Run, Schema, Type

OPTIONAL_BYTES = Schema.bytes(optional=True)


class ByteArrayConverter(Converter):
    """Reads bytes as bytes (schema: optional bytes); writes bytes only."""

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter."""
        return [Run(OPTIONAL_BYTES, payloads)]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        if schema is not None and schema.type is not Type.BYTES:
            raise DataError(f"Invalid schema type for ByteArrayConverter: {schema.type.name}")
        made: list[bytes | None] = []
        for index, value in enumerate(values):
            if value is not None and not isinstance(value, bytes | bytearray | memoryview):
                raise DataError(f"ByteArrayConverter cannot write {type(value).__name__}", index=index)
            made.append(None if value is None else bytes(value))
        return made
