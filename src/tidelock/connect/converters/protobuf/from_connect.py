"""Connect schemas to proto3 files: one message, with the messages and enums of its fields inside it.

Numbers of fields are those that a schema remembers, else they count from 1. A record that is no struct is
one of Google's wrapper messages. Imports the protobuf library.

Source: Confluent `io.confluent.connect.protobuf.ProtobufData.fromConnectSchema`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote_plus

from google.protobuf import descriptor_pb2 as pb

from tidelock.connect.api import DATE as CONNECT_DATE
from tidelock.connect.api import DECIMAL as CONNECT_DECIMAL
from tidelock.connect.api import TIME as CONNECT_TIME
from tidelock.connect.api import TIMESTAMP as CONNECT_TIMESTAMP
from tidelock.connect.api import DataError, Schema, Type
from tidelock.connect.api.schema import SCALE
from tidelock.connect.converters.protobuf.known import (
    DATE,
    DECIMAL,
    FILES,
    TIME,
    TIMESTAMP,
    WRAPPERS,
    WRAPPERS_FILE,
)
from tidelock.connect.converters.protobuf.read_text import SCALARS, Field, ProtoFile, camel
from tidelock.connect.converters.protobuf.settings import (
    CONNECT_TYPE,
    DEFAULT_NAME,
    ENUM,
    PRECISION,
    TAG,
    TYPE,
    UNION,
    WRAPPER,
    ProtobufConverterSettings,
)

_LOGICAL = {CONNECT_DECIMAL: DECIMAL, CONNECT_DATE: DATE, CONNECT_TIME: TIME, CONNECT_TIMESTAMP: TIMESTAMP}
_KINDS = {
    Type.INT8: "int32",
    Type.INT16: "int32",
    Type.INT32: "int32",
    Type.INT64: "int64",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "bool",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_SMALL = {Type.INT8: "int8", Type.INT16: "int16"}
_WRAPPER_OF = {kind: name for name, kind in WRAPPERS.items()}
_WRAPPED_AS = {"fixed32": "uint32", "fixed64": "uint64", "sint32": "int32", "sint64": "int64"}
_INVALID = re.compile(r"[^A-Za-z0-9_]")


def wrapper_of(schema: Schema) -> str | None:
    """Return the full name of the wrapper message of a record that is no struct."""
    if schema.name in _LOGICAL or schema.type not in _KINDS:
        return None
    return _WRAPPER_OF[_KINDS[schema.type]]


class FromConnect:
    """Translates one schema of a struct; made anew for each.

    Args:
        settings: see ProtobufConverterSettings.
    """

    def __init__(self, settings: ProtobufConverterSettings) -> None:
        self._settings = settings
        self._unnamed = 0

    def file(self, schema: Schema, name: str) -> ProtoFile:
        """Return the file.

        Args:
            schema: of a struct.
            name: of the file.

        Raises:
            DataError: Protobuf has no form for it.
        """
        if schema.type is not Type.STRUCT or schema.name in _LOGICAL:
            hint = "wrap it with transforms.hoist.type=org.apache.kafka.connect.transforms.HoistField$Value"
            raise DataError(f"{schema.type.value} alone is no Protobuf record", hint=hint)
        self._file = ProtoFile(pb.FileDescriptorProto(name=name, syntax="proto3"))
        package, _, short = self._named(schema.name).rpartition(".")
        made = self._file.descriptor
        made.package = package
        self._message(made.message_type.add(name=short), schema, package)
        return self._file

    def scrubbed(self, name: str) -> str:
        """Return a name as Protobuf gets it."""
        if not self._settings.scrub_invalid_names:
            return name
        found = quote_plus(name, safe="*")
        if found[:1].isdigit() or found[:1] == "_":
            found = f"x{found}"
        return _INVALID.sub("_", found)

    def _named(self, name: str | None) -> str:
        if not name:
            self._unnamed += 1
            return f"{DEFAULT_NAME}{self._unnamed}"
        return ".".join(self.scrubbed(part) for part in name.split("."))

    def _short(self, name: str | None) -> str:
        return self._named(name).rpartition(".")[2]

    def _message(self, message: Any, schema: Schema, scope: str) -> None:
        full = f"{scope}.{message.name}" if scope else message.name
        number = 1
        synthetic = []
        for one in schema.fields:
            if (one.schema.name or "").startswith(UNION):
                number = self._union(message, one.schema, full, number)
                continue
            tag, number = _tag(one.schema, number)
            made = self._field(message, self.scrubbed(one.name), one.schema, full)
            made.number = tag
            is_single = one.schema.type not in (Type.ARRAY, Type.MAP)
            if self._settings.optional_for_nullables and one.schema.optional and is_single:
                made.proto3_optional = True
                synthetic.append(made)
        for made in synthetic:
            made.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{made.name}")

    def _union(self, message: Any, schema: Schema, full: str, number: int) -> int:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._short((schema.name or "").removeprefix(UNION)))
        for one in schema.fields:
            tag, number = _tag(one.schema, number)
            made = self._field(message, self.scrubbed(one.name), one.schema, full, member=True)
            made.number, made.oneof_index = tag, index
        return number

    def _field(self, message: Any, name: str, schema: Schema, full: str, *, member: bool = False) -> Any:
        if schema.type is Type.MAP and schema.name not in _LOGICAL:
            return self._map(message, name, schema, full)
        made = message.field.add(name=name, label=Field.LABEL_OPTIONAL)
        if schema.type is Type.ARRAY:
            made.label = Field.LABEL_REPEATED
            if schema.value_schema is None or schema.value_schema.type in (Type.ARRAY, Type.MAP):
                raise DataError(f"field {name!r} is a list of lists or maps, which Protobuf has not got")
            schema = schema.value_schema
        self._set_type(message, made, schema, full, member=member)
        return made

    def _set_type(self, message: Any, made: Any, schema: Schema, full: str, *, member: bool) -> None:
        if schema.name in _LOGICAL:
            self._refer(made, _LOGICAL[schema.name], FILES[_LOGICAL[schema.name]])
            if schema.name == CONNECT_DECIMAL:
                given = {"precision": schema.parameters.get(PRECISION), "scale": schema.parameters.get(SCALE)}
                self._note(made, full, {one: text for one, text in given.items() if text is not None})
            return
        if schema.type is Type.STRUCT:
            self._inner(message, made, schema, full)
            return
        if ENUM in schema.parameters:
            self._enum(message, made, schema, full)
            return
        kind = schema.parameters.get(TYPE, _KINDS[schema.type])
        if kind not in SCALARS:
            raise DataError(f"field {made.name!r}: {kind!r} is no type of Protobuf")
        if schema.type in _SMALL:
            self._note(made, full, {CONNECT_TYPE: _SMALL[schema.type]})
        if self.is_wrapped(schema, member=member):
            self._refer(made, _WRAPPER_OF[_WRAPPED_AS.get(kind, kind)], WRAPPERS_FILE)
        else:
            made.type = SCALARS[kind]

    def is_wrapped(self, schema: Schema, *, member: bool) -> bool:
        """Whether a field's value is in a wrapper message."""
        marked = schema.parameters.get(WRAPPER) == "true"
        return self._settings.wrapper_for_nullables and schema.optional and (not member or marked)

    def _refer(self, made: Any, name: str, file: str) -> None:
        made.type, made.type_name = Field.TYPE_MESSAGE, f".{name}"
        if file not in self._file.descriptor.dependency:
            self._file.descriptor.dependency.append(file)

    def _note(self, made: Any, full: str, params: dict[str, str]) -> None:
        if params:
            self._file.params[f"{full}.{made.name}"] = params

    def _inner(self, message: Any, made: Any, schema: Schema, full: str) -> None:
        name = self._short(schema.name)
        if name == made.name:
            name += "Message"
        made.type, made.type_name = Field.TYPE_MESSAGE, f".{full}.{name}"
        if name not in [one.name for one in message.nested_type]:
            self._message(message.nested_type.add(name=name), schema, full)

    def _enum(self, message: Any, made: Any, schema: Schema, full: str) -> None:
        name = self._short(schema.parameters[ENUM] or schema.name)
        made.type, made.type_name = Field.TYPE_ENUM, f".{full}.{name}"
        if name in [one.name for one in message.enum_type]:
            return
        enum = message.enum_type.add(name=name)
        start = f"{ENUM}."
        for one, text in schema.parameters.items():
            if one.startswith(start):
                enum.value.add(name=one.removeprefix(start), number=int(text))

    def _map(self, message: Any, name: str, schema: Schema, full: str) -> Any:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            raise DataError(f"map {name!r} has no schema for its keys or values")
        if (
            keys.name in _LOGICAL
            or keys.type not in _KINDS
            or keys.type in (Type.FLOAT32, Type.FLOAT64, Type.BYTES)
        ):
            raise DataError(f"map {name!r} has keys of {keys.type.value}, which Protobuf does not allow")
        if values.type in (Type.ARRAY, Type.MAP):
            raise DataError(f"map {name!r} holds lists or maps, which Protobuf does not allow")
        made = message.field.add(name=name, label=Field.LABEL_REPEATED)
        entry = message.nested_type.add(name=camel(name))
        entry.options.map_entry = True
        made.type, made.type_name = Field.TYPE_MESSAGE, f".{full}.{entry.name}"
        inside = f"{full}.{entry.name}"
        key = entry.field.add(name="key", number=1, label=Field.LABEL_OPTIONAL)
        self._set_type(message, key, keys.with_(optional=False), inside, member=False)
        value = entry.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL)
        if values.type is Type.STRUCT and values.name not in _LOGICAL:
            self._inner(message, value, values, full)
        elif ENUM in values.parameters:
            self._enum(message, value, values, full)
        else:
            self._set_type(message, value, values, inside, member=False)
        return made


def _tag(schema: Schema, number: int) -> tuple[int, int]:
    """Return a field's number, and what the next one without its own gets."""
    given = schema.parameters.get(TAG)
    if given is None:
        return number, number + 1
    if not given.isdecimal() or not 0 < int(given) < 1 << 29:
        raise DataError(f"{TAG} is {given!r}, no number of a field")
    return int(given), number
