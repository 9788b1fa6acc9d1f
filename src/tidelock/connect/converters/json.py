"""JsonConverter: JSON with the schema in an envelope, `{"schema":...,"payload":...}`, or plain JSON.

Producers repeat their schema text byte for byte, so the prefix of the last payload (up to its `"payload":`)
is compared first, and on a match only the rest is parsed, straight into the class made for that schema. A
miss costs one full parse. Exactly the two keys make an envelope; anything else is a DataError, as in the
original. Imports the api, its sibling modules and msgspec.

Source: Kafka `org.apache.kafka.connect.json.JsonConverter`, `JsonConverterConfig`; KIP-481 (decimal format).
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import Converter, DataError, Run, Schema
from tidelock.connect.converters.json_read import Reader
from tidelock.connect.converters.json_schema import schema_from_json, schema_to_json
from tidelock.connect.converters.json_values import parse_json, parse_json_exactly, read_json
from tidelock.connect.converters.json_write import JsonWriter, write_schemaless

_encode = msgspec.json.Encoder(decimal_format="number").encode
_ENDS_WITH_PAYLOAD_KEY = re.compile(rb'"payload"\s*:\s*$')
HINT = (
    "if the records are plain JSON, set schemas.enable=false in the converter's configuration; "
    "if they are not JSON, use another converter"
)


def _is_decimal_format(value: str) -> str | None:
    return None if value.upper() in ("BASE64", "NUMERIC") else f"{value!r} is not BASE64 or NUMERIC"


class JsonConverterSettings(Settings):
    """Keys of JsonConverter."""

    schemas_enable: bool = key(
        default=True, importance=Importance.HIGH, doc="Whether each payload carries its schema."
    )
    schemas_cache_size: int = key(
        default=1000, at_least=1, importance=Importance.HIGH, doc="How many schemas are kept."
    )
    decimal_format: str = key(
        default="BASE64",
        importance=Importance.LOW,
        check=_is_decimal_format,
        doc="How decimals are written: BASE64 (exact bytes) or NUMERIC (JSON numbers). Both are read.",
    )
    replace_null_with_default: bool = key(
        default=True,
        importance=Importance.LOW,
        doc="Whether a null in a field with a default becomes that default.",
    )


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    schema: msgspec.Raw
    payload: msgspec.Raw


class JsonConverter(Converter):
    """Reads and writes JSON; made for one task, keeps the schemas it has seen."""

    settings = JsonConverterSettings

    def __init__(self) -> None:
        self.configure({}, is_key=False)

    def configure(self, props: Mapping[str, str], *, is_key: bool) -> None:
        """See Converter."""
        self._settings = JsonConverterSettings.parse(props, strict=False)
        self._replace_nulls = self._settings.replace_null_with_default
        self._numeric = self._settings.decimal_format.upper() == "NUMERIC"
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._readers: OrderedDict[bytes, Reader | None] = OrderedDict()
        self._writers: OrderedDict[Schema, tuple[bytes, JsonWriter]] = OrderedDict()
        self._last: tuple[bytes, Reader | None] | None = None

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter."""
        if not self._settings.schemas_enable:
            return [Run(None, [_at(index, _parse_plain, one) for index, one in enumerate(payloads)])]
        runs = _Runs()
        place = 0
        while (place := self._decode_alike(runs, payloads, place)) < len(payloads):
            payload = payloads[place]
            if payload is None:
                runs.add_null()
            else:
                _at(place, lambda one: self._decode_one(runs, one), payload)
            place += 1
        return runs.finish()

    def _decode_alike(self, runs: _Runs, payloads: Sequence[bytes | None], start: int) -> int:
        """Parse payloads that have the last one's schema text; returns the place of the first that does not.

        One that is not what its beginning promised is left to be read in full as well.
        """
        prefix, reader = self._last or (b"", None)
        if reader is None:
            return start
        decode, cut = reader.decode, len(prefix)
        parsed: list[Any] = []
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            for place in range(start, len(payloads)):
                payload = payloads[place]
                if payload is None or not payload.startswith(prefix) or not payload.endswith(b"}"):
                    break
                parsed.append(decode(payload[cut:-1]))
        runs.extend(reader, parsed)
        return start + len(parsed)

    def _decode_one(self, runs: _Runs, payload: bytes) -> None:
        try:
            envelope = self._envelope.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            parse_json(payload)
            raise DataError(
                'JsonConverter with schemas.enable requires exactly the fields "schema" and "payload"',
                hint=HINT,
            ) from error
        body = bytes(envelope.payload)
        reader = self._reader(bytes(envelope.schema))
        self._remember(payload, body, reader)
        if reader is None:
            runs.add(None, parse_json(body))
            return
        try:
            runs.add(reader, reader.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            runs.add_late(reader, reader.read(parse_json_exactly(body)))

    def _remember(self, payload: bytes, body: bytes, reader: Reader | None) -> None:
        end = len(payload) - len(body) - 1
        if payload.endswith(body + b"}") and _ENDS_WITH_PAYLOAD_KEY.search(payload, max(0, end - 64), end):
            self._last = (payload[:end], reader)

    def _reader(self, text: bytes) -> Reader | None:
        """Return the reader of a schema text, None for `null`, the schema of schemaless data."""
        if text in self._readers:
            self._readers.move_to_end(text)
            return self._readers[text]
        reader = self._make_reader(text)
        self._readers[text] = reader
        if len(self._readers) > self._settings.schemas_cache_size:
            self._readers.popitem(last=False)
        return reader

    def _make_reader(self, text: bytes) -> Reader | None:
        given = parse_json_exactly(text)
        if given is None:
            return None
        try:
            schema = schema_from_json(given, partial(read_json, replace_nulls=self._replace_nulls))
        except RecursionError:
            raise DataError("the schema is nested too deeply") from None
        for known in self._readers.values():  # the same schema in other words is the same object
            if known is not None and known.schema == schema:
                return known
        return Reader(schema, replace_nulls=self._replace_nulls)

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        if schema is None:
            return [_at(index, self._encode_schemaless, value) for index, value in enumerate(values)]
        prefix, writer = self._writer(schema)
        made: list[bytes | None] = []
        for index, value in enumerate(values):
            body = _encode(_at(index, writer.write, value))
            made.append(prefix + body + b"}" if prefix else body)
        return made

    def _encode_schemaless(self, value: Any) -> bytes | None:
        if value is None:
            return None
        body = _encode(write_schemaless(value, numeric_decimals=self._numeric))
        return b'{"schema":null,"payload":' + body + b"}" if self._settings.schemas_enable else body

    def _writer(self, schema: Schema) -> tuple[bytes, JsonWriter]:
        found = self._writers.get(schema)
        if found is None:
            writer = self._make_writer(schema)
            prefix = b""
            if self._settings.schemas_enable:
                described = schema_to_json(schema, self._write_default)
                prefix = b'{"schema":' + _encode(described) + b',"payload":'
            found = self._writers[schema] = (prefix, writer)
            if len(self._writers) > self._settings.schemas_cache_size:
                self._writers.popitem(last=False)
        return found

    def _make_writer(self, schema: Schema) -> JsonWriter:
        return JsonWriter(schema, numeric_decimals=self._numeric, replace_nulls=self._replace_nulls)

    def _write_default(self, schema: Schema, value: Any) -> Any:
        return self._make_writer(schema).write(value)


class _Runs:
    """Collects parsed payloads into runs of one reader; nulls join the run they are in."""

    def __init__(self) -> None:
        self._done: list[Run] = []
        self._start = 0
        self._reader: Reader | None = None
        self._parsed: list[Any] = []
        self._late: dict[int, Any] = {}
        self._all_null = True

    def add_null(self) -> None:
        self._parsed.append(None)

    def add(self, reader: Reader | None, value: Any) -> None:
        if reader is not self._reader:
            self._turn_to(reader)
        self._all_null = False
        self._parsed.append(value)

    def extend(self, reader: Reader, parsed: list[Any]) -> None:
        if parsed:
            if reader is not self._reader:
                self._turn_to(reader)
            self._all_null = False
            self._parsed += parsed

    def add_late(self, reader: Reader, value: Any) -> None:
        self.add(reader, None)
        self._late[len(self._parsed) - 1] = value

    def _turn_to(self, reader: Reader | None) -> None:
        if not self._all_null:
            self._close()
        self._reader = reader

    def _close(self) -> None:
        if self._reader is None:
            self._done.append(Run(None, self._parsed))
        else:
            values = self._reader.finish(self._parsed, self._late, self._start)
            self._done.append(Run(self._reader.schema, values))
        self._start += len(self._parsed)
        self._parsed, self._late, self._all_null = [], {}, True

    def finish(self) -> list[Run]:
        if self._parsed:
            self._close()
        return self._done


def _parse_plain(payload: bytes | None) -> Any:
    return None if payload is None or payload == b"" else parse_json(payload)


def _at(index: int, action: Any, argument: Any) -> Any:
    """Call an action on one record; its DataError says which record it was."""
    try:
        return action(argument)
    except DataError as error:
        if error.index is None:
            raise DataError(error.what, where=error.where, hint=error.hint, index=index) from None
        raise
