"""StringConverter: text in the topic, text in the records. Imports the api only.

Source: Kafka `org.apache.kafka.connect.storage.StringConverter`, `StringConverterConfig`.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import Any

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import Converter, DataError, Run, Schema

OPTIONAL_STRING = Schema.string(optional=True)


def _is_encoding(value: str) -> str | None:
    try:
        codecs.lookup(value)
    except LookupError:
        return f"{value!r} is not a known character encoding"
    return None


class StringConverterSettings(Settings):
    """Keys of StringConverter."""

    converter_encoding: str = key(
        default="UTF-8", importance=Importance.HIGH, check=_is_encoding, doc="Character encoding of the text."
    )


class StringConverter(Converter):
    """Reads bytes as text (schema: optional string); writes any value as its text."""

    settings = StringConverterSettings

    def __init__(self) -> None:
        self._encoding = "UTF-8"

    def configure(self, props: Mapping[str, str], *, is_key: bool) -> None:
        """See Converter."""
        self._encoding = StringConverterSettings.parse(props, strict=False).converter_encoding

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter; bytes that are no text in this encoding are an error, never replaced."""
        encoding = self._encoding
        made: list[str | None] = []
        try:
            for payload in payloads:
                made.append(None if payload is None else payload.decode(encoding))  # noqa: PERF401
        except UnicodeDecodeError as error:
            raise DataError(f"not {encoding} text: {error}", index=len(made)) from None
        return [Run(OPTIONAL_STRING, made)]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        encoding = self._encoding
        made: list[bytes | None] = []
        try:
            for value in values:
                text = value if type(value) is str or value is None else _text(value)
                made.append(None if text is None else text.encode(encoding))
        except UnicodeEncodeError as error:
            raise DataError(f"not in {encoding}: {error}", index=len(made)) from None
        return made


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"  # Java's text
    return value.decode() if isinstance(value, bytes) else str(value)
