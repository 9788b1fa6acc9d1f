"""One record's .proto files together, compiled: messages by name and by their places.

Imports the protobuf library; every set of files has a pool of its own, so that two subjects may define the
same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from tidelock.connect.api import DataError, Schema
from tidelock.connect.converters.protobuf.from_connect import FromConnect, wrapper_of
from tidelock.connect.converters.protobuf.known import IGNORED, WRAPPERS_FILE, known_file
from tidelock.connect.converters.protobuf.read_text import ProtoFile, read_text
from tidelock.connect.converters.protobuf.settings import ProtobufConverterSettings
from tidelock.connect.converters.protobuf.to_connect import ToConnect
from tidelock.connect.converters.protobuf.write_text import write_text

RECORD = "record.proto"


class Files:
    """Files that import each other; the last one added is the record's."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._known: set[str] = set()
        self._params: dict[str, dict[str, str]] = {}
        self._root: Any = None

    def add(self, text: str, name: str, imports: Mapping[str, str]) -> None:
        """Add a file and what it imports.

        Raises:
            DataError: a file is none, or imports what nobody has.
        """
        self.add_file(read_text(text, name), imports)

    def add_file(self, file: ProtoFile, imports: Mapping[str, str]) -> None:
        """Add a file that was read already."""
        made = file.descriptor
        name = made.name
        self._known.add(name)
        wanted = [one for one in made.dependency if one not in IGNORED]
        del made.dependency[:]
        made.dependency.extend(dict.fromkeys(wanted))
        for one in made.dependency:
            self._import(one, imports)
        self._params |= file.params
        try:
            self._pool.Add(made)
            self._root = self._pool.FindFileByName(name)
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"not a .proto file: {str(error).strip()}", where=name) from error

    def _import(self, name: str, imports: Mapping[str, str]) -> None:
        if name in self._known:
            return
        if name in imports:
            self.add(imports[name], name, imports)
            return
        found = known_file(name)
        if found is None:
            raise DataError(
                f"the .proto file imports {name!r}, which the registry does not tell",
                hint="register it, and name it in the schema's references",
            )
        self.add_file(ProtoFile(found), imports)

    def message(self, indexes: Sequence[int]) -> Any:
        """Return the message at these places."""
        found, inner = None, _messages(self._root.message_types_by_name.values())
        for index in indexes:
            if not 0 <= index < len(inner):
                raise DataError(f"the .proto file has no message at {list(indexes)}")
            found = inner[index]
            inner = _messages(found.nested_types)
        return found

    def find(self, name: str) -> tuple[Any, list[int]]:
        """Return the message of a full name, with its places."""
        for message, indexes in _walk(self._root.message_types_by_name.values(), []):
            if message.full_name == name:
                return message, indexes
        raise DataError(f"the .proto file has no message {name!r}")

    def to_connect(self, settings: ProtobufConverterSettings) -> ToConnect:
        """Return what translates its messages."""
        return ToConnect(settings, self._params)

    def class_of(self, message: Any) -> Any:
        """Return the class of a message."""
        return message_factory.GetMessageClass(message)


def _messages(given: Any) -> list[Any]:
    """Return messages in the order of their file; entries of maps do not count."""
    return [one for one in given if not one.GetOptions().map_entry]


def _walk(given: Any, above: list[int]) -> Iterator[tuple[Any, list[int]]]:
    for place, one in enumerate(_messages(given)):
        yield one, [*above, place]
        yield from _walk(one.nested_types, [*above, place])


def files_of(schema: Schema, settings: ProtobufConverterSettings) -> tuple[str, Files, str]:
    """Return the text of a schema's file, the files, and the full name of the record's message."""
    files = Files()
    wrapper = wrapper_of(schema)
    if wrapper is not None:
        file = ProtoFile(known_file(WRAPPERS_FILE))
        text = write_text(file)
        files.add(text, "wrappers.proto", {})
        return text, files, wrapper
    file = FromConnect(settings).file(schema, RECORD)
    package, name = file.descriptor.package, file.descriptor.message_type[0].name
    text = write_text(file)
    files.add(text, RECORD, {})
    return text, files, f"{package}.{name}" if package else name


def text_of(data: bytes) -> str:
    """Return the text of a serialized descriptor."""
    made = pb.FileDescriptorProto()
    try:
        made.ParseFromString(data)
    except DecodeError:
        raise DataError("the schema is neither a .proto file nor a descriptor") from None
    return write_text(ProtoFile(made))
