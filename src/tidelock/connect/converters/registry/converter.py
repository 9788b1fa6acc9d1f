"""The way of a batch through a converter that keeps its schemas in a registry.

A payload is the byte 0, the schema's id in four bytes, and the value. Readers are made once per id, writers
once per schema; consecutive payloads of one id are one run. What differs between Avro, Protobuf and JSON
Schema is in their own folders: a Reader of a registered schema, and a Writer of a schema of ours.

Source: Confluent `io.confluent.kafka.serializers.{AbstractKafkaAvroSerializer, AbstractKafkaSchemaSerDe}`.
"""

from __future__ import annotations

import abc
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from tidelock.connect.api import Converter, DataError, Run, Schema, StructRows, Type
from tidelock.connect.converters.registry.client import SchemaRegistry, SchemaText
from tidelock.connect.converters.registry.errors import SchemaRefused
from tidelock.connect.converters.registry.settings import PACKAGE, RegistrySettings

MAGIC = 0
_HEAD = struct.Struct(">bi")
WRITERS_KEPT = 1000


class Reader(Protocol):
    """Reads the payloads of one registered schema.

    Attributes:
        schema: of the values; None for values without one.
        name: the full name of the record, for subjects; None where the schema has none.
    """

    schema: Schema | None
    name: str | None

    def of(self, payload: bytes) -> Reader:
        """Return the reader of this payload: itself, unless one schema describes several kinds of records."""

    def read(self, payload: bytes) -> Any:
        """Return a value, of a struct its fields in order; any exception says that the bytes are none."""


class Writer(Protocol):
    """Writes values of one schema."""

    @property
    def schema(self) -> SchemaText:
        """The schema as the registry gets it."""

    @property
    def name(self) -> str | None:
        """The full name of the record, for subjects; None where the schema has none."""

    def write(self, value: Any) -> bytes:
        """Return a value's bytes; DataError where it does not fit."""


class RegistryConverter(Converter):
    """Base of the three; made for one task, keeps what it has seen."""

    settings: ClassVar[type[RegistrySettings]] = RegistrySettings

    def configure(self, props: Mapping[str, str], *, is_key: bool) -> None:
        """See Converter."""
        self._settings = self.settings.parse(props, strict=False)
        self._is_key = is_key
        settings = self._settings
        strategy = settings.key_subject_name_strategy if is_key else settings.value_subject_name_strategy
        self._strategy = strategy.removeprefix(PACKAGE)
        self._registry = SchemaRegistry(settings)
        self._readers: dict[tuple[str, int], Reader] = {}
        self._writers: OrderedDict[tuple[str, Schema | None], tuple[bytes, Writer]] = OrderedDict()

    @abc.abstractmethod
    def new_reader(self, schema: SchemaText, version: Callable[[str | None], int | None]) -> Reader:
        """Return a reader.

        Args:
            schema: from the registry.
            version: gives its number in the subject of a record name.
        """

    @abc.abstractmethod
    def new_writer(self, schema: Schema | None) -> Writer:
        """Return a writer with the schema's own form; `adopt` may replace that."""

    def adopt(self, writer: Writer, latest: SchemaText) -> Writer:
        """Return a writer that writes in the form of a schema that the subject has already.

        Raises:
            DataError: this kind of schema cannot.
        """
        raise DataError("use.latest.version and use.schema.id are not spoken by this converter")

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter."""
        runs: list[Run] = []
        values: list[Any] = []
        last: Reader | None = None
        for index, payload in enumerate(payloads):
            if payload is None:
                values.append(None)
                continue
            try:
                reader, value = self._decoded(topic, payload)
            except DataError as error:
                if error.index is None:
                    error.index = index
                raise
            if reader is not last and last is not None:
                runs.append(_run(last, values))
                values = []
            last = reader
            values.append(value)
        if values:
            runs.append(_run(last, values))
        return runs

    def _decoded(self, topic: str, payload: bytes) -> tuple[Reader, Any]:
        if len(payload) < _HEAD.size or payload[0] != MAGIC:
            raise DataError(
                "the payload does not begin with a schema's id (byte 0 and four bytes)",
                hint="is this the converter that the records were written with?",
            )
        number = _HEAD.unpack_from(payload)[1]
        reader = self._readers.get((topic, number))
        if reader is None:
            reader = self._readers[topic, number] = self._made_reader(topic, number)
        try:
            body = payload[_HEAD.size :]
            reader = reader.of(body)
            return reader, reader.read(body)
        except DataError:
            raise
        except Exception as error:  # a decoder raises what it likes on bytes that are none of its own
            raise DataError(
                f"the bytes are no value of schema {number}: {type(error).__name__}: {error}",
                hint="the record may be cut short, or its id belongs to another registry",
            ) from error

    def _made_reader(self, topic: str, number: int) -> Reader:
        found = self._registry.by_id(number)

        def version(name: str | None) -> int | None:
            try:
                return self._registry.lookup(self.subject(topic, name), found).version
            except DataError:
                return None  # registered elsewhere; the version is not what the values hang on

        return self.new_reader(found, version)

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        made: list[bytes | None] = []
        head, writer = b"", None
        for index, value in enumerate(values):
            if value is None and (schema is None or schema.optional):
                made.append(None)
                continue
            try:
                if writer is None:  # once for all: looking a schema up costs as much as writing a record
                    head, writer = self._writer(topic, schema)
                made.append(head + writer.write(value))
            except DataError as error:
                if error.index is None:
                    error.index = index
                raise
        return made

    def _writer(self, topic: str, schema: Schema | None) -> tuple[bytes, Writer]:
        found = self._writers.get((topic, schema))
        if found is None:
            found = self._writers[topic, schema] = self._made_writer(topic, schema)
            if len(self._writers) > WRITERS_KEPT:
                self._writers.popitem(last=False)
        return found

    def _made_writer(self, topic: str, schema: Schema | None) -> tuple[bytes, Writer]:
        writer = self.new_writer(schema)
        subject = self.subject(topic, writer.name)
        settings = self._settings
        if settings.auto_register_schemas:
            number = self._registry.register(subject, writer.schema).id
        elif settings.use_schema_id >= 0:
            number = settings.use_schema_id
            wanted = self._registry.by_id(number)
            if settings.id_compatibility_strict and wanted != writer.schema:
                version = self._registry.lookup(subject, wanted).version
                self._registry.require_compatible(subject, writer.schema, version)
            writer = self.adopt(writer, wanted)
        elif settings.use_latest_version:
            latest = self._registry.latest(subject)
            if settings.latest_compatibility_strict and latest.schema != writer.schema:
                self._registry.require_compatible(subject, writer.schema)
            number, writer = latest.id, self.adopt(writer, latest.schema)
        else:
            number = self._registry.lookup(subject, writer.schema).id
        return _HEAD.pack(MAGIC, number), writer

    def subject(self, topic: str, name: str | None) -> str:
        """Return the subject of a schema.

        Args:
            topic: of the records.
            name: full name of the record; needed by the strategies that go by it.
        """
        if self._strategy == "TopicNameStrategy":
            return f"{topic}-{'key' if self._is_key else 'value'}"
        if name is None:
            raise SchemaRefused(
                f"{self._strategy} needs a schema with a record's name",
                where=f"topic {topic}",
                hint="use TopicNameStrategy, or name the schema with SetSchemaMetadata",
            )
        return name if self._strategy == "RecordNameStrategy" else f"{topic}-{name}"


def _run(reader: Reader | None, values: list[Any]) -> Run:
    if reader is None:
        return Run(None, values)
    if reader.schema is not None and reader.schema.type is Type.STRUCT:
        return Run(reader.schema, StructRows(reader.schema, values))
    return Run(reader.schema, values)
