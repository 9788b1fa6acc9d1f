"""Protobuf descriptors to Connect schemas: a oneof is a struct of its own, every field remembers its number.

By default every field is optional, as Confluent has it: proto3 cannot tell an absent number from 0.
A message that contains itself is refused. Imports the protobuf library.

Source: Confluent `io.confluent.connect.protobuf.ProtobufData.toConnectSchema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2 as pb

from tidelock.connect.api import DataError, Schema, Type
from tidelock.connect.converters.protobuf.known import DATE, DECIMAL, TIME, TIMESTAMP, WRAPPERS
from tidelock.connect.converters.protobuf.read_text import SCALARS, Field
from tidelock.connect.converters.protobuf.settings import (
    CONNECT_TYPE,
    ENUM,
    PRECISION,
    TAG,
    TYPE,
    UNION,
    WRAPPER,
    ProtobufConverterSettings,
)

Params = Mapping[str, Mapping[str, str]]
_NAMES = {number: name for name, number in SCALARS.items()}
_TYPES = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), Type.INT32),
    **dict.fromkeys(("uint32", "fixed32", "int64", "uint64", "sint64", "fixed64", "sfixed64"), Type.INT64),
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "bool": Type.BOOLEAN,
    "string": Type.STRING,
    "bytes": Type.BYTES,
}
_SMALL = {"int8": Type.INT8, "int16": Type.INT16}
_HUMP = re.compile(r"(?<=.)([A-Z])")


class ToConnect:
    """Translates messages.

    Args:
        settings: see ProtobufConverterSettings.
        params: Confluent's parameters of fields, by their full names.
    """

    def __init__(self, settings: ProtobufConverterSettings, params: Params) -> None:
        self._settings = settings
        self._params = params
        self._open: list[str] = []

    def schema(self, message: Any, version: int | None = None) -> Schema:
        """Return the Connect schema of a record.

        Args:
            message: its descriptor.
            version: in the registry.
        """
        if self._settings.wrapper_for_raw_primitives and message.full_name in WRAPPERS:
            return Schema.of(_TYPES[WRAPPERS[message.full_name]], version=version)
        return self._message(message).with_(version=version)

    def _message(self, message: Any) -> Schema:
        name = message.full_name
        if name in self._open:
            raise DataError(f"message {name!r} contains itself, which a Connect schema cannot here")
        self._open.append(name)
        fields: list[tuple[str, Schema]] = []
        for index, one in real_oneofs(message):
            members = [(each.name, self._field(each, member=True)) for each in one.fields]
            if self._settings.flatten_unions:
                fields += members
            else:
                union = Schema.struct(members, name=UNION + self._named(one), optional=True)
                fields.append((self.union_name(one, index), union))
        inside = {each.name for _, one in real_oneofs(message) for each in one.fields}
        fields += [(one.name, self._field(one)) for one in message.fields if one.name not in inside]
        self._open.pop()
        return Schema.struct(fields, name=self._named(message))

    def union_name(self, oneof: Any, index: int) -> str:
        """Return the field's name of a oneof."""
        return f"{oneof.name}_{index}" if self._settings.generate_index_for_unions else str(oneof.name)

    def _named(self, descriptor: Any) -> str:
        is_whole = self._settings.enhanced_protobuf_schema_support
        return str(descriptor.full_name if is_whole else descriptor.name)

    def _field(self, one: Any, *, member: bool = False) -> Schema:
        made = self._bare(one)
        if is_repeated(one) and made.type is not Type.MAP:
            made = Schema.array(made.with_(optional=True), optional=True)
        settings = self._settings
        if member:
            made = made.with_(optional=True)
            is_message = one.message_type is not None and one.message_type.full_name in WRAPPERS
            if settings.wrapper_for_nullables and is_message:
                made = made.with_(parameters={**made.parameters, WRAPPER: "true"})
        elif settings.optional_for_nullables:
            made = made.with_(optional=made.optional or has_optional_keyword(one))
        elif not settings.wrapper_for_nullables:
            made = made.with_(optional=True)
        return made.with_(parameters={**made.parameters, TAG: str(one.number)})

    def _bare(self, one: Any) -> Schema:
        if one.enum_type is not None:
            return self._enum(one.enum_type)
        if one.message_type is not None:
            return self._of_message(one).with_(optional=True)
        name = _NAMES[one.type]
        if name in ("int32", "sint32", "sfixed32"):
            small = self._params.get(one.full_name, {}).get(CONNECT_TYPE)
            if small in _SMALL:
                return Schema.of(_SMALL[small])
        parameters = {} if name in ("int32", "int64") or not _is_integer(name) else {TYPE: name}
        return Schema.of(_TYPES[name], parameters=parameters)

    def _enum(self, enum: Any) -> Schema:
        parameters = {ENUM: enum.name, **{f"{ENUM}.{one.name}": str(one.number) for one in enum.values}}
        kind = Type.INT32 if self._settings.int_for_enums else Type.STRING
        return Schema.of(kind, name=self._named(enum), parameters=parameters, optional=True)

    def _of_message(self, one: Any) -> Schema:
        name = one.message_type.full_name
        if name == DECIMAL:
            return self._decimal(one)
        logical = {DATE: Schema.date, TIME: Schema.time, TIMESTAMP: Schema.timestamp}.get(name)
        if logical is not None:
            return logical()
        if is_map(one):
            key, value = (one.message_type.fields_by_name[part] for part in ("key", "value"))
            named = _HUMP.sub(r"_\1", self._named(one.message_type).removesuffix("Entry")).lower()
            return Schema.map(self._field(key), self._field(value), name=named)
        if self._settings.wrapper_for_nullables and name in WRAPPERS:
            return Schema.of(_TYPES[WRAPPERS[name]])
        return self._message(one.message_type)

    def _decimal(self, one: Any) -> Schema:
        params = self._params.get(one.full_name, {})
        scale = params.get("scale", "0")
        made = Schema.decimal(int(scale) if scale.lstrip("-").isdecimal() else 0)
        precision = params.get("precision", "")
        if precision.isdecimal():
            made = made.with_(parameters={**made.parameters, PRECISION: precision})
        return made


def _is_integer(name: str) -> bool:
    return "int" in name or "fixed" in name


def is_repeated(one: Any) -> bool:
    """Whether a field has any number of values."""
    return bool(_proto(one).label == Field.LABEL_REPEATED)


def is_map(one: Any) -> bool:
    """Whether a field is a map."""
    return one.message_type is not None and bool(one.message_type.GetOptions().map_entry)


def is_proto3_optional(one: Any) -> bool:
    """Whether a field of proto3 has `optional` before it."""
    return bool(_proto(one).proto3_optional)


def has_optional_keyword(one: Any) -> bool:
    """Whether `optional` stands before a field."""
    proto = _proto(one)
    if proto.proto3_optional:
        return True
    is_proto2 = _syntax(one.file) == "proto2"
    return is_proto2 and proto.label == Field.LABEL_OPTIONAL and one.containing_oneof is None


def real_oneofs(message: Any) -> Iterator[tuple[int, Any]]:
    """Yield the oneofs that stand in the file, not those of optional fields, with their numbers."""
    for index, one in enumerate(message.oneofs):
        if not (len(one.fields) == 1 and _proto(one.fields[0]).proto3_optional):
            yield index, one


def _proto(one: Any) -> Any:
    """Return a field's own description, which only its message gives away."""
    message = pb.DescriptorProto()
    one.containing_type.CopyToProto(message)
    return next(each for each in message.field if each.name == one.name)


def _syntax(file: Any) -> str:
    made = pb.FileDescriptorProto()
    file.CopyToProto(made)
    return made.syntax or "proto2"
