"""Reads .proto files into descriptors: messages, enums, oneofs, maps, imports, proto2 and proto3.

The protobuf library compiles descriptors but does not read their text, which is what a registry keeps. Of
options only defaults of proto2 and Confluent's field parameters count; services and extensions are skipped.
A type's name stays as it is written: the library finds it. Imports the protobuf library's descriptor.proto.

Source: Protocol Buffers language specification (proto2, proto3).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2 as pb

from tidelock.connect.api import DataError

Field = pb.FieldDescriptorProto
SCALARS = {
    name: getattr(Field, f"TYPE_{name.upper()}")
    for name in (
        *("double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes"),
        *("uint32", "sfixed32", "sfixed64", "sint32", "sint64"),
    )
}
LABELS = {
    "optional": Field.LABEL_OPTIONAL,
    "required": Field.LABEL_REQUIRED,
    "repeated": Field.LABEL_REPEATED,
}
META = "(confluent.field_meta)"
MOST_DEPTH = 64
_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>\.?[A-Za-z_][\w.]*|[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|[-+]?inf|nan)
    |(?P<sign>[{}\[\]()<>=;,:+\-])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class ProtoFile:
    """A .proto file.

    Attributes:
        descriptor: what it defines.
        params: full name of a field -> Confluent's parameters of it.
    """

    descriptor: Any
    params: dict[str, dict[str, str]] = field(default_factory=dict)


def read_text(text: str, name: str) -> ProtoFile:
    """Read a .proto file.

    Args:
        text: of the file.
        name: that others import it by.

    Raises:
        DataError: it is none, with the place.
    """
    return _Parser(text, name).file()


def camel(name: str) -> str:
    """Return the name of a map's entry type for a field's name."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._tokens = self._split(text)
        self._at = 0
        self._depth = 0
        self._made = ProtoFile(pb.FileDescriptorProto(name=name, syntax="proto2"))
        self._is_proto3 = False

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise DataError(f"not a .proto file: {text[at : at + 20]!r}", where=f"character {at}")
            if found.lastgroup is not None:
                tokens.append(found.group())
            at = found.end()
        return tokens

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise DataError("not a .proto file: it ends too early")
        self._at += 1
        return token

    def _take(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self._at += 1
        return True

    def _need(self, wanted: str) -> None:
        found = self._next()
        if found != wanted:
            raise DataError(
                f"not a .proto file: {found!r} where {wanted!r} should be", where=f"token {self._at}"
            )

    def _name(self) -> str:
        token = self._next()
        if not re.fullmatch(r"\.?[A-Za-z_][\w.]*", token):
            raise DataError(f"not a .proto file: {token!r} is no name")
        return token

    def _text(self) -> str:
        token = self._next()
        if token[0] not in "\"'":
            raise DataError(f"not a .proto file: {token!r} is no text")
        made = _unquoted(token)
        while self._peek()[:1] in ('"', "'"):
            made += _unquoted(self._next())
        return made

    def _number(self) -> int:
        token = self._next()
        sign = -1 if token == "-" else 1
        token = self._next() if token in "+-" else token
        try:
            return sign * int(token, 8 if re.fullmatch(r"0[0-7]+", token) else 0)
        except ValueError:
            raise DataError(f"not a .proto file: {token!r} is no whole number") from None

    def _skip(self) -> None:
        """Skip a statement, with the block that may be its end."""
        depth = 0
        while True:
            token = self._next()
            if token in "{[(":
                depth += 1
            elif token in "}])":
                depth -= 1
                if depth == 0 and token == "}":
                    self._take(";")
                    return
            elif token == ";" and depth == 0:
                return
            if depth < 0:
                raise DataError("not a .proto file: a bracket too many")

    def file(self) -> ProtoFile:
        while self._peek():
            self._top(self._next())
        return self._made

    def _top(self, word: str) -> None:
        """Read a statement of the file, after its first word."""
        made = self._made.descriptor
        if word == "message":
            self._message(made.message_type.add(), made.package)
        elif word == "enum":
            self._enum(made.enum_type.add())
        elif word in ("option", "extend", "service"):
            self._skip()
        elif word == "syntax":
            self._need("=")
            made.syntax = self._text()
            self._is_proto3 = made.syntax == "proto3"
            if made.syntax not in ("proto2", "proto3"):
                raise DataError(f"a .proto file of syntax {made.syntax!r}, not proto2 or proto3")
            self._need(";")
        elif word == "package":
            made.package = self._name()
            self._need(";")
        elif word == "import":
            _ = self._take("public") or self._take("weak")
            made.dependency.append(self._text())
            self._need(";")
        elif word != ";":
            raise DataError(f"not a .proto file: {word!r} begins no statement of it")

    def _message(self, message: Any, scope: str) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise DataError("messages are nested too deeply")
        message.name = self._name()
        full = f"{scope}.{message.name}" if scope else message.name
        self._need("{")
        synthetic: list[Any] = []
        while not self._take("}"):
            self._statement(message, full, synthetic)
        for one in synthetic:  # after the real ones, as the library wants it
            one.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{one.name}")
        self._depth -= 1

    def _statement(self, message: Any, full: str, synthetic: list[Any]) -> None:
        word = self._peek()
        if word == "message" and self._tokens[self._at + 2 : self._at + 3] == ["{"]:
            self._next()
            self._message(message.nested_type.add(), full)
        elif word == "enum" and self._tokens[self._at + 2 : self._at + 3] == ["{"]:
            self._next()
            self._enum(message.enum_type.add())
        elif word == "oneof" and self._tokens[self._at + 2 : self._at + 3] == ["{"]:
            self._next()
            self._oneof(message, full)
        elif word in ("option", "reserved", "extensions", "extend"):
            self._skip()
        elif word == "map" and self._tokens[self._at + 1 : self._at + 2] == ["<"]:
            self._map(message, full)
        elif not self._take(";"):
            label = LABELS.get(word)
            if label is not None:
                self._next()
            one = self._field(message, full, label or Field.LABEL_OPTIONAL)
            if word == "optional" and self._is_proto3:
                one.proto3_optional = True
                synthetic.append(one)

    def _field(self, message: Any, full: str, label: int) -> Any:
        kind = self._name()
        if kind == "group":
            raise DataError("groups of proto2 are not supported")
        one = message.field.add(name=self._name(), label=label)
        _set_type(one, kind)
        self._need("=")
        one.number = self._field_number()
        self._options(one, f"{full}.{one.name}")
        self._need(";")
        return one

    def _field_number(self) -> int:
        number = self._number()
        if not 0 < number < 1 << 29:
            raise DataError(f"{number} is no number of a field")
        return number

    def _oneof(self, message: Any, full: str) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._name())
        self._need("{")
        while not self._take("}"):
            if self._peek() == "option":
                self._skip()
            elif not self._take(";"):
                self._field(message, full, Field.LABEL_OPTIONAL).oneof_index = index

    def _map(self, message: Any, full: str) -> None:
        self._next()
        self._need("<")
        key = self._name()
        self._need(",")
        value = self._name()
        self._need(">")
        one = message.field.add(name=self._name(), label=Field.LABEL_REPEATED)
        entry = message.nested_type.add(name=camel(one.name))
        entry.options.map_entry = True
        for name, number, kind in (("key", 1, key), ("value", 2, value)):
            _set_type(entry.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL), kind)
        one.type, one.type_name = Field.TYPE_MESSAGE, f".{full}.{entry.name}"
        self._need("=")
        one.number = self._field_number()
        self._options(one, f"{full}.{one.name}")
        self._need(";")

    def _enum(self, enum: Any) -> None:
        enum.name = self._name()
        self._need("{")
        while not self._take("}"):
            word = self._peek()
            if word == "option" and self._tokens[self._at + 1 : self._at + 2] == ["allow_alias"]:
                self._at += 3
                enum.options.allow_alias = self._next() == "true"
                self._need(";")
            elif word in ("option", "reserved"):
                self._skip()
            elif not self._take(";"):
                value = enum.value.add(name=self._name())
                self._need("=")
                value.number = self._number()
                if self._peek() == "[":
                    self._option_list()
                self._need(";")

    def _options(self, one: Any, full: str) -> None:
        if self._peek() != "[":
            return
        for name, value in self._option_list():
            if name == "default":
                one.default_value = str(value)
            elif name == META and isinstance(value, dict):
                self._made.params[full] = _params(value.get("params"))
            elif name == f"{META}.params":
                self._made.params.setdefault(full, {}).update(_params(value))

    def _option_list(self) -> list[tuple[str, Any]]:
        self._need("[")
        found = []
        while not self._take("]"):
            name = ""
            while self._peek() != "=":
                name += self._next()
            self._next()
            found.append((name, self._constant()))
            self._take(",")
        return found

    def _constant(self) -> Any:
        """Return an option's value: a text, a word, or a message as a dict (a list where a name repeats)."""
        token = self._peek()
        if token[:1] in ('"', "'"):
            return self._text()
        if self._take("{"):
            return self._aggregate("}")
        if self._take("["):
            return self._list()
        token = self._next()
        return token + self._next() if token in "+-" else token

    def _list(self) -> list[Any]:
        made = []
        while not self._take("]"):
            made.append(self._constant())
            self._take(",")
        return made

    def _aggregate(self, end: str) -> dict[str, Any]:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise DataError("options are nested too deeply")
        made: dict[str, Any] = {}
        while not self._take(end):
            name = self._next()
            self._take(":")
            value = self._constant()
            if name in made:
                before = made[name] if isinstance(made[name], list) else [made[name]]
                value = before + (value if isinstance(value, list) else [value])
            made[name] = value
            _ = self._take(",") or self._take(";")
        self._depth -= 1
        return made


def _set_type(one: Any, kind: str) -> None:
    if kind in SCALARS:
        one.type = SCALARS[kind]
    else:
        one.type_name = kind


def _params(given: Any) -> dict[str, str]:
    entries = given if isinstance(given, list) else [given]
    return {
        str(one["key"]): str(one["value"])
        for one in entries
        if isinstance(one, dict) and "key" in one and "value" in one
    }


def _unquoted(token: str) -> str:
    try:
        found = ast.literal_eval(token)
    except (SyntaxError, ValueError):
        raise DataError(f"not a .proto file: {token[:40]} is no text") from None
    return str(found)
