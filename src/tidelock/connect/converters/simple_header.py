"""SimpleHeaderConverter: header values as text; numbers, booleans, lists and maps are told by their form.

Kafka's default for headers. Text that has no other form stays text; nothing is ever refused. Dates and times
stay text too (the original reads ISO forms as logical types). Imports the api and msgspec.

Source: Kafka `org.apache.kafka.connect.storage.SimpleHeaderConverter`, `connect.data.Values`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tidelock.connect.api import Converter, Run, Schema, Struct

INTEGER = re.compile(r"[-+]?\d{1,18}")
NUMBER = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d{1,3})?")
WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


class SimpleHeaderConverter(Converter):
    """Reads text for what it looks like; writes the text of a value."""

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter; bytes that are no text stay bytes."""
        return [Run(None, [None if one is None else _parsed(one) for one in payloads])]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        return [None if value is None else _text(value) for value in values]


def _parsed(payload: bytes) -> Any:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return payload
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    if text[:1] in ('"', "[", "{"):
        try:
            return msgspec.json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            return text
    return text


def _text(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Struct):
        value = value.as_dict()
    if isinstance(value, bool | list | tuple | dict):
        return msgspec.json.encode(value, enc_hook=str)
    return str(value).encode()
