"""SimpleHeaderConverter: header values as text; their form tells numbers, booleans, dates, lists and maps.

Kafka's default for headers. Text that has no other form stays text; nothing is ever refused. The rules are in
api/values.py. Imports the api.

Source: Kafka `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidelock.connect.api import Converter, Run, Schema, parse_text, to_text


class SimpleHeaderConverter(Converter):
    """Reads text for what it looks like; writes the text of a value."""

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter; each value has a schema of its own, and bytes that are no text stay bytes."""
        return [_run(payload) for payload in payloads]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter; bytes are written as base64."""
        return [None if value is None else to_text(schema, value).encode() for value in values]


def _run(payload: bytes | None) -> Run:
    if payload is None:
        return Run(None, [None])
    try:
        schema, value = parse_text(payload.decode())
    except UnicodeDecodeError:
        return Run(Schema.bytes(), [payload])
    return Run(schema, [value])
