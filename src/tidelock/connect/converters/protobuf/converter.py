"""ProtobufConverter: Protobuf messages, their .proto files in a registry.

Behind the schema's id stands which message of the file it is: the places of the messages from the outermost
to the inner one, as zigzag varints after their count; the first message alone is a single 0.

Source: Confluent `io.confluent.connect.protobuf.ProtobufConverter`,
`io.confluent.kafka.schemaregistry.protobuf.MessageIndexes`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tidelock.connect.api import ConnectError, DataError, Schema, Struct, Type, validate
from tidelock.connect.converters.protobuf.settings import ProtobufConverterSettings
from tidelock.connect.converters.registry.client import SchemaText
from tidelock.connect.converters.registry.converter import Reader, RegistryConverter, Writer

if TYPE_CHECKING:
    from tidelock.connect.converters.protobuf.files import Files
    from tidelock.connect.converters.protobuf.values import Reading, Writing

PROTOBUF = "PROTOBUF"
MOST_INDEXES = 100


class ProtobufConverter(RegistryConverter):
    """Reads and writes Protobuf in Confluent's wire format."""

    settings = ProtobufConverterSettings
    _settings: ProtobufConverterSettings

    def __init__(self) -> None:
        try:
            from google import protobuf
        except ImportError:
            hint = "pip install 'tidelock[protobuf]'"
            raise ConnectError("ProtobufConverter needs protobuf", hint=hint) from None
        self._library = protobuf

    def new_reader(self, schema: SchemaText, version: Callable[[str | None], int | None]) -> Reader:
        """See RegistryConverter; which message it is, each payload tells."""
        return ProtobufReader(self._settings, self._files(schema), version)

    def new_writer(self, schema: Schema | None) -> Writer:
        """See RegistryConverter."""
        from tidelock.connect.converters.protobuf.files import files_of

        if schema is None:
            hint = "give the records a schema, or use another converter"
            raise DataError("Protobuf needs records with a schema", hint=hint)
        text, files, name = files_of(schema, self._settings)
        return self._writer_in(schema, SchemaText(text, PROTOBUF), files, name)

    def adopt(self, writer: Writer, latest: SchemaText) -> Writer:
        """See RegistryConverter: the latest file must have a message of the record's name."""
        assert isinstance(writer, ProtobufWriter)
        return self._writer_in(writer.connect, latest, self._files(latest), writer.name)

    def _writer_in(self, schema: Schema, text: SchemaText, files: Files, name: str) -> Writer:
        from tidelock.connect.converters.protobuf.from_connect import FromConnect
        from tidelock.connect.converters.protobuf.values import Writing

        writing = Writing(
            FromConnect(self._settings).scrubbed, ignores_defaults=self._settings.ignore_default_for_nullables
        )
        return ProtobufWriter(text, schema, files, name, writing)

    def _files(self, schema: SchemaText) -> Files:
        from tidelock.connect.converters.protobuf.files import Files

        if schema.kind != PROTOBUF:
            hint = "use the converter of that kind: AvroConverter or JsonSchemaConverter"
            raise DataError(f"the record's schema is {schema.kind}, not Protobuf", hint=hint)
        files = Files()
        files.add(_text(schema.text), "record.proto", self._imports(schema))
        return files

    def _imports(self, schema: SchemaText) -> dict[str, str]:
        """Return the files that a schema's references name, theirs first."""
        found: dict[str, str] = {}
        for one in schema.references:
            text = self._registry.referred(one)
            found |= {**self._imports(text), one.name: _text(text.text)}
        return found


class ProtobufReader:
    """Finds the readers of one file's messages; each payload tells of which it is."""

    def __init__(
        self,
        settings: ProtobufConverterSettings,
        files: Files,
        version: Callable[[str | None], int | None],
    ) -> None:
        self._settings, self._files, self._version = settings, files, version
        self._readers: dict[tuple[int, ...], MessageReader] = {}
        self.schema: Schema | None = None
        self.name: str | None = None

    def of(self, payload: bytes) -> MessageReader:
        """See Reader."""
        indexes = tuple(read_indexes(payload)[0])
        if indexes not in self._readers:
            message = self._files.message(indexes)
            schema = self._files.to_connect(self._settings).schema(message, self._version(message.full_name))
            cls = self._files.class_of(message)
            self._readers[indexes] = MessageReader(self._settings, schema, message.full_name, cls)
        return self._readers[indexes]

    def read(self, payload: bytes) -> Any:
        """See Reader."""
        return self.of(payload).read(payload)


class MessageReader:
    """Reads values of one kind of message."""

    def __init__(self, settings: ProtobufConverterSettings, schema: Schema, name: str, cls: Any) -> None:
        from tidelock.connect.converters.protobuf.values import Reading

        self.schema: Schema | None = schema
        self.name: str | None = name
        self._reading: Reading = Reading(settings)
        self._connect, self._class = schema, cls

    def of(self, payload: bytes) -> MessageReader:
        """See Reader."""
        return self

    def read(self, payload: bytes) -> Any:
        """See Reader."""
        made = self._class.FromString(payload[read_indexes(payload)[1] :])
        if self._connect.type is not Type.STRUCT:
            return made.value
        return self._reading.row(self._connect, made)


class ProtobufWriter:
    """Writes values of one schema."""

    name: str

    def __init__(self, text: SchemaText, connect: Schema, files: Files, name: str, writing: Writing) -> None:
        self.schema, self.connect, self.name = text, connect, name
        message, indexes = files.find(name)
        self._class = files.class_of(message)
        self._head = write_indexes(indexes)
        self._writing = writing

    def write(self, value: Any) -> bytes:
        """See Writer."""
        validate(self.connect, value)
        message = self._class()
        try:
            if isinstance(value, Struct):
                self._writing.fill(message, self.connect, value)
            else:
                message.value = value
            return self._head + bytes(message.SerializeToString(deterministic=True))
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"the value has no form in Protobuf: {error}") from error


def read_indexes(payload: bytes) -> tuple[list[int], int]:
    """Return the places of a message in its file, and where the message begins."""
    count, at = _varint(payload, 0)
    if count == 0:
        return [0], at
    if not 0 < count <= MOST_INDEXES:
        raise DataError(f"{count} message indexes")
    indexes = []
    for _ in range(count):
        index, at = _varint(payload, at)
        indexes.append(index)
    return indexes, at


def write_indexes(indexes: Sequence[int]) -> bytes:
    """Return the bytes that tell which message of a file it is."""
    if list(indexes) == [0]:
        return b"\0"
    return b"".join(_zigzag(one) for one in (len(indexes), *indexes))


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(payload) or shift > 63:
            raise DataError("the message indexes are cut short")
        byte = payload[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at


def _zigzag(number: int) -> bytes:
    number = number << 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _text(text: str) -> str:
    """Return a file's text; some clients register the descriptor in base64."""
    compact = "".join(text.split())
    try:
        data = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return text
    from tidelock.connect.converters.protobuf.files import text_of

    return text_of(data)
