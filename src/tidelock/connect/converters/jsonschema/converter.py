"""JsonSchemaConverter: plain JSON, its schema in a registry.

Source: Confluent `io.confluent.connect.json.JsonSchemaConverter`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidelock.connect.api import ConnectError, DataError, Schema, Struct, validate
from tidelock.connect.converters.json_values import parse_json, parse_json_exactly
from tidelock.connect.converters.json_write import write_schemaless
from tidelock.connect.converters.jsonschema.from_connect import FromConnect
from tidelock.connect.converters.jsonschema.settings import JsonSchemaConverterSettings
from tidelock.connect.converters.jsonschema.to_connect import ToConnect
from tidelock.connect.converters.jsonschema.values import Values
from tidelock.connect.converters.registry.client import SchemaText
from tidelock.connect.converters.registry.converter import Reader, RegistryConverter, Writer

JSON = "JSON"
_encode = msgspec.json.Encoder(decimal_format="number").encode
Check = Callable[[Any], None]
Parse = Callable[[bytes], Any]


class JsonSchemaConverter(RegistryConverter):
    """Reads and writes JSON in Confluent's wire format."""

    settings = JsonSchemaConverterSettings
    _settings: JsonSchemaConverterSettings

    def configure(self, props: Mapping[str, str], *, is_key: bool) -> None:
        """See Converter."""
        super().configure(props, is_key=is_key)
        if self._settings.json_fail_invalid_schema:
            _library()  # now, not at the first record

    def new_reader(self, schema: SchemaText, version: Callable[[str | None], int | None]) -> Reader:
        """See RegistryConverter."""
        document, named = self._documents(schema, parse_json_exactly)
        title = document.get("title") if isinstance(document, Mapping) else None
        name = title if isinstance(title, str) else None  # anything else is refused below
        connect = ToConnect(self._settings, document, named).schema(version(name))
        return JsonReader(connect, name, Values(self._settings), self._check(schema))

    def new_writer(self, schema: Schema | None) -> Writer:
        """See RegistryConverter."""
        if schema is None:
            return JsonWriter(SchemaText("{}", JSON), None, None, Values(self._settings), None)
        document = FromConnect(self._settings).schema(schema)
        text = SchemaText(json.dumps(document, ensure_ascii=False, separators=(",", ":")), JSON)
        return JsonWriter(text, schema.name, schema, Values(self._settings), self._check(text))

    def adopt(self, writer: Writer, latest: SchemaText) -> Writer:
        """See RegistryConverter: the value's form is the same, its schema is the latest one."""
        assert isinstance(writer, JsonWriter)
        return JsonWriter(latest, writer.name, writer.connect, Values(self._settings), self._check(latest))

    def _documents(self, schema: SchemaText, parse: Parse) -> tuple[Any, dict[str, Any]]:
        """Return a schema's document, and those that it refers to by their names."""
        if schema.kind != JSON:
            hint = "use the converter of that kind: AvroConverter or ProtobufConverter"
            raise DataError(f"the record's schema is {schema.kind}, not JSON Schema", hint=hint)
        named: dict[str, Any] = {}
        for one in schema.references:
            document, inner = self._documents(self._registry.referred(one), parse)
            named |= {**inner, one.name: document}
        return parse(schema.text.encode()), named

    def _check(self, schema: SchemaText) -> Check | None:
        if not self._settings.json_fail_invalid_schema:
            return None
        document, named = self._documents(schema, parse_json)
        library, referencing = _library()
        known = referencing.Registry().with_contents(
            named.items(), default_specification=referencing.jsonschema.DRAFT7
        )
        validator = library.validators.validator_for(document, default=library.Draft7Validator)
        checker = validator(document, registry=known)

        def check(value: Any) -> None:
            error = next(iter(checker.iter_errors(value)), None)
            if error is not None:
                where = "/".join(str(one) for one in error.absolute_path) or None
                raise DataError(f"the schema does not allow the value: {error.message}", where=where)

        return check


def _library() -> tuple[Any, Any]:
    """Return what checks values, and what it finds references with."""
    try:
        import jsonschema
        import referencing
        import referencing.jsonschema
    except ImportError:
        hint = "pip install 'tidelock[jsonschema]', or leave json.fail.invalid.schema out"
        raise ConnectError("json.fail.invalid.schema needs jsonschema", hint=hint) from None
    return jsonschema, referencing


class JsonReader:
    """Reads values of one schema."""

    def __init__(self, schema: Schema, name: str | None, values: Values, check: Check | None) -> None:
        self.schema: Schema | None = schema
        self.name = name
        self._connect, self._values, self._check = schema, values, check

    def of(self, payload: bytes) -> Reader:
        """See Reader."""
        return self

    def read(self, payload: bytes) -> Any:
        """See Reader."""
        if self._check is not None:
            self._check(parse_json(payload))
        try:
            value = self._values.read(self._connect, parse_json_exactly(payload))
        except RecursionError:
            raise DataError("JSON is nested too deeply") from None
        return value.row if isinstance(value, Struct) else value


class JsonWriter:
    """Writes values of one schema; without one, whatever JSON has a form for."""

    def __init__(
        self,
        text: SchemaText,
        name: str | None,
        connect: Schema | None,
        values: Values,
        check: Check | None,
    ) -> None:
        self.schema, self.name, self.connect = text, name, connect
        self._values, self._check = values, check

    def write(self, value: Any) -> bytes:
        """See Writer."""
        if self.connect is None:
            return _encode(write_schemaless(value, numeric_decimals=True))
        validate(self.connect, value)
        made = self._values.write(self.connect, value)
        written = _encode(made)
        if self._check is not None:
            self._check(parse_json(written))
        return written
