"""AvroConverter: values in Avro, their schemas in a registry.

fastavro decodes and encodes, by a schema without logical types (`types.for_fastavro`); the rest is `values`.
It is the extra `avro`, imported when the converter is made.

Source: Confluent `io.confluent.connect.avro.AvroConverter`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from tidelock.connect.api import ConnectError, DataError, Schema, Type, validate
from tidelock.connect.converters.avro.from_connect import FromConnect
from tidelock.connect.converters.avro.settings import AvroConverterSettings
from tidelock.connect.converters.avro.to_connect import ToConnect
from tidelock.connect.converters.avro.types import AvroType, for_fastavro, parse
from tidelock.connect.converters.avro.values import Writers, reader, row_reader, write_anything
from tidelock.connect.converters.registry.client import AVRO, SchemaText
from tidelock.connect.converters.registry.converter import Reader, RegistryConverter, Writer


def _fastavro() -> Any:
    try:
        import fastavro
    except ImportError:
        raise ConnectError("AvroConverter needs fastavro", hint="pip install 'tidelock[avro]'") from None
    return fastavro


class AvroConverter(RegistryConverter):
    """Reads and writes Avro in Confluent's wire format."""

    settings = AvroConverterSettings
    _settings: AvroConverterSettings

    def __init__(self) -> None:
        self._library = _fastavro()

    def new_reader(self, schema: SchemaText, version: Callable[[str | None], int | None]) -> Reader:
        """See RegistryConverter."""
        avro = self._parsed(schema)
        bare = self._bare(avro)
        connect = ToConnect(self._settings).schema(avro, version(avro.name))
        return AvroReader(self._library.schemaless_reader, bare, avro, connect)

    def new_writer(self, schema: Schema | None) -> Writer:
        """See RegistryConverter."""
        return self._writer_in(schema, SchemaText(FromConnect(self._settings).text(schema)))

    def adopt(self, writer: Writer, latest: SchemaText) -> Writer:
        """See RegistryConverter: values are written by field names, absent ones with their defaults."""
        assert isinstance(writer, AvroWriter)
        return self._writer_in(writer.connect, latest)

    def _writer_in(self, schema: Schema | None, text: SchemaText) -> Writer:
        avro = self._parsed(text)
        encode = partial(self._library.schemaless_writer, schema=self._bare(avro))
        if schema is None:
            return AvroWriter(encode, text, avro.name, None, write_anything)
        writers = Writers(
            ToConnect(self._settings),
            FromConnect(self._settings).name,
            ignores_defaults=self._settings.ignore_default_for_nullables,
        )
        return AvroWriter(encode, text, avro.name, schema, writers.writer(schema, avro))

    def _parsed(self, schema: SchemaText) -> AvroType:
        if schema.kind != AVRO:
            hint = "use the converter of that kind: ProtobufConverter or JsonSchemaConverter"
            raise DataError(f"the record's schema is {schema.kind}, not Avro", hint=hint)
        names: dict[str, AvroType] = {}
        self._learn(schema, names)
        return parse(schema.text, names)

    def _bare(self, avro: AvroType) -> Any:
        try:
            return self._library.parse_schema(for_fastavro(avro))
        except Exception as error:  # of several kinds, each about the schema
            raise DataError(f"not an Avro schema: {error}", where=avro.name) from error

    def _learn(self, schema: SchemaText, names: dict[str, AvroType]) -> None:
        """Read what a schema refers to, what that refers to first."""
        for one in schema.references:
            found = self._registry.referred(one)
            self._learn(found, names)
            parse(found.text, names)


class AvroReader:
    """Reads values of one schema."""

    def __init__(self, decode: Callable[..., Any], bare: Any, avro: AvroType, schema: Schema | None) -> None:
        self.schema, self.name = schema, avro.name
        self._decode, self._bare = decode, bare
        is_rows = schema is not None and schema.type is Type.STRUCT and avro.kind == "record"
        self._convert = row_reader(avro, schema) if is_rows and schema is not None else reader(avro, schema)
        self._is_struct = schema is not None and schema.type is Type.STRUCT and not is_rows

    def of(self, payload: bytes) -> Reader:
        """See Reader."""
        return self

    def read(self, payload: bytes) -> Any:
        """See Reader."""
        stream = io.BytesIO(payload)
        raw = self._decode(
            stream, self._bare, None, return_record_name=True, return_record_name_override=True
        )
        if stream.tell() != len(payload):
            raise DataError(f"{len(payload) - stream.tell()} bytes follow the value")
        made = raw if self._convert is None else self._convert(raw)
        return made.row if self._is_struct and made is not None else made


class AvroWriter:
    """Writes values of one schema."""

    def __init__(
        self,
        encode: Callable[..., Any],
        text: SchemaText,
        name: str | None,
        connect: Schema | None,
        convert: Callable[[Any], Any],
    ) -> None:
        self.schema, self.name, self.connect = text, name, connect
        self._encode, self._convert = encode, convert

    def write(self, value: Any) -> bytes:
        """See Writer."""
        if self.connect is not None:
            validate(self.connect, value)
        stream = io.BytesIO()
        try:
            self._encode(fo=stream, record=self._convert(value))
        except (ValueError, TypeError, OverflowError, UnicodeError) as error:
            raise DataError(f"the value has no form in Avro: {error}") from error
        return stream.getvalue()
