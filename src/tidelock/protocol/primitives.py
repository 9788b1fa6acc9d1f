"""The smallest pieces of the Kafka wire format, shared by the generated codecs and the record reader.

Imports only `tidelock.errors`. Two rules keep the generated readers flat and fast:

- A reader advances `pos` without asking whether the bytes are there. Fixed-size reads raise on their own when
  they run past the end; slices do not, but `pos` never goes back, so one check at the end (in
  `Message.decode`) finds every overrun.
- A reader that would loop compares the announced count with the bytes that are left first, so a small
  message cannot ask for a large allocation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from tidelock.errors import LocalProtocolError, RemoteProtocolError

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview

NEVER = 1 << 15
"""FLEXIBLE_SINCE of a message that has no flexible version; versions are int16."""

ZERO_UUID = bytes(16)
EMPTY: Any = []
"""Stands for "no argument given" where the default is a fresh empty list; never filled."""

new: Callable[[type[T]], T] = object.__new__


class MalformedMessage(RemoteProtocolError):
    """The bytes are not a message of the announced API and version; the connection must end.

    Source: Kafka answers with `InvalidRequestException` and closes the channel.
    """

    code = "TID-201"


class UnencodableMessage(LocalProtocolError):
    """A message object holds a value that its version cannot carry: None, a wrong type, out of range."""

    code = "TID-202"


class Struct:
    """What every generated class has: equality and a readable form, field by field."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # mutable, as bytearray and list

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"


class Message(Struct):
    """A request or a response: one class for all its versions.

    A field that a version does not carry has its default after decoding and is left out by encoding.
    """

    __slots__ = ()

    API_KEY: ClassVar[int]
    MIN_VERSION: ClassVar[int]
    MAX_VERSION: ClassVar[int]
    FLEXIBLE_SINCE: ClassVar[int]
    ZERO_COPY: ClassVar[bool] = False
    READERS: ClassVar[dict[int, Callable[[Any, int], tuple[Any, int]]]]
    WRITERS: ClassVar[dict[int, Callable[[bytearray, Any], None]]]

    @classmethod
    def decode(cls, buf: Buffer, version: int, pos: int = 0) -> tuple[Self, int]:
        """Read one message.

        Args:
            buf: one frame. Messages with a `records` field (Produce, Fetch) return it as a slice of this
                buffer, without a copy; every other message is independent of the buffer.
            version: the API version, MIN_VERSION to MAX_VERSION.
            pos: bytes, where the message starts (behind the header).

        Returns:
            The message and the position behind it; what follows is the caller's to judge.

        Raises:
            MalformedMessage: wrong in any way; nothing else is raised, whatever the bytes are.
        """
        reader = cls.READERS.get(version)
        if reader is None:
            raise MalformedMessage(f"{cls.__name__} has no version {version}")
        try:
            if cls.ZERO_COPY:
                message, end = reader(memoryview(buf), pos)
            else:
                message, end = reader(buf if type(buf) is bytes else bytes(buf), pos)
        except (struct.error, IndexError, ValueError) as error:
            raise MalformedMessage(f"{cls.__name__} v{version} is cut short or garbled: {error}") from None
        if end > len(buf):
            raise MalformedMessage(f"{cls.__name__} v{version} is cut short: {end - len(buf)} bytes missing")
        return message, end

    def encode(self, version: int, out: bytearray) -> None:
        """Append this message in `version` to `out`.

        Raises:
            UnencodableMessage: a value that this version cannot carry; `out` may then hold a part of it.
        """
        writer = self.WRITERS.get(version)
        if writer is None:
            raise UnencodableMessage(f"{type(self).__name__} has no version {version}")
        try:
            writer(out, self)
        except (struct.error, TypeError, AttributeError, ValueError) as error:
            raise UnencodableMessage(
                f"{type(self).__name__} v{version} cannot be encoded: {error}"
            ) from error


def malformed(what: str) -> MalformedMessage:
    """Return the error for generated readers to raise."""
    return MalformedMessage(what)


def missing(name: str) -> UnencodableMessage:
    """Return the error for generated writers to raise on None where the version has no null."""
    return UnencodableMessage(f"{name} is None, which this version cannot say")


def read_uvarint(buf: Buffer, pos: int) -> tuple[int, int]:
    """Read an unsigned varint of at most five bytes, 0 to 2^31 - 1.

    Raises:
        MalformedMessage: longer or larger.
        IndexError: the buffer ends inside it.

    Source: Kafka `ByteUtils.readUnsignedVarint`.
    """
    value = shift = 0
    while True:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise MalformedMessage("a varint is longer than five bytes")
    if value > 0x7FFFFFFF:
        raise MalformedMessage(f"a varint says {value}, more than 2^31 - 1")
    return value, pos


def write_uvarint(out: bytearray, value: int) -> None:
    """Append an unsigned varint; `value` is 0 to 2^31 - 1."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def skip_tags(buf: Buffer, pos: int) -> int:
    """Return the position behind a buffer of tagged fields of which none is known (KIP-482)."""
    count, pos = read_uvarint(buf, pos)
    for _ in range(count):
        _, pos = read_uvarint(buf, pos)
        size, pos = read_uvarint(buf, pos)
        pos += size
    return pos


def tag(number: int, value: bytearray) -> bytearray:
    """Return one tagged field: number, size, value."""
    out = bytearray()
    write_uvarint(out, number)
    write_uvarint(out, len(value))
    out += value
    return out


_FEW = 16
_INT32S = tuple(struct.Struct(f">{count}i") for count in range(_FEW))
_INT64S = tuple(struct.Struct(f">{count}q") for count in range(_FEW))


def read_int32s(buf: Buffer, pos: int, count: int) -> list[int]:
    """Read `count` int32 values; they take 4 bytes each."""
    layout = _INT32S[count] if 0 <= count < _FEW else struct.Struct(f">{count}i")
    return list(layout.unpack_from(buf, pos))


def write_int32s(out: bytearray, values: Sequence[int]) -> None:
    """Append int32 values without their count."""
    count = len(values)
    out += (_INT32S[count] if count < _FEW else struct.Struct(f">{count}i")).pack(*values)


def read_int64s(buf: Buffer, pos: int, count: int) -> list[int]:
    """Read `count` int64 values; they take 8 bytes each."""
    layout = _INT64S[count] if 0 <= count < _FEW else struct.Struct(f">{count}q")
    return list(layout.unpack_from(buf, pos))


def write_int64s(out: bytearray, values: Sequence[int]) -> None:
    """Append int64 values without their count."""
    count = len(values)
    out += (_INT64S[count] if count < _FEW else struct.Struct(f">{count}q")).pack(*values)


def read_int8s(buf: Buffer, pos: int, count: int) -> list[int]:
    """Read `count` int8 values."""
    return list(struct.unpack_from(f">{count}b", buf, pos))


def write_int8s(out: bytearray, values: Sequence[int]) -> None:
    """Append int8 values without their count."""
    out += struct.pack(f">{len(values)}b", *values)


def read_varint(buf: Buffer, pos: int) -> tuple[int, int]:
    """Read a signed (zigzag) varint of at most ten bytes, as record fields use it; int64.

    Raises:
        MalformedMessage: longer.
        IndexError: the buffer ends inside it.

    Source: Kafka `ByteUtils.readVarlong`.
    """
    value = buf[pos]
    if value < 0x80:
        return (value >> 1) ^ -(value & 1), pos + 1
    byte = buf[pos + 1]
    value = value & 0x7F | (byte & 0x7F) << 7
    pos += 2
    shift = 14
    while byte > 0x7F:  # two bytes hold most lengths and deltas
        if shift > 63:
            raise MalformedMessage("a varint is longer than ten bytes")
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), pos


def write_varint(out: bytearray, value: int) -> None:
    """Append a signed (zigzag) varint; `value` is an int64."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
