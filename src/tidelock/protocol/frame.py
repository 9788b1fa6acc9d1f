"""Frames: a size, a header, a message. Sans-IO; splitting a byte stream into frames is the server's.

    request   int32 size | int16 key | int16 version | int32 correlation id | string client id | tags? | body
    response  int32 size | int32 correlation id | tags? | body

The client id is a classic nullable string in both header versions. Imports primitives and the API table.
Source: KIP-482; Kafka `RequestHeader`, `ResponseHeader`.
"""

from __future__ import annotations

from struct import Struct as Layout
from struct import error as struct_error
from typing import NamedTuple

from tidelock.protocol.apis import find, request_header_version, response_header_version
from tidelock.protocol.primitives import Buffer, MalformedMessage, Message, skip_tags

SIZE_BYTES = 4

_REQUEST_START = Layout(">hhih")
_SIZE = Layout(">i")


class RequestHeader(NamedTuple):
    """A request's header; `end` is where the body starts."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    end: int


def read_request_header(buf: Buffer, pos: int = 0) -> RequestHeader:
    """Read the header of a request whose size has been taken off.

    Raises:
        MalformedMessage: cut short, not UTF-8, or an API key without a codec: its header has an unknown form.
    """
    try:
        key, version, correlation_id, length = _REQUEST_START.unpack_from(buf, pos)
        pos += 10
        client_id = None
        if length >= 0:
            end = pos + length
            client_id = str(buf[pos:end], "utf-8")
            pos = end
        if version >= find(key).flexible_since:
            pos = skip_tags(buf, pos)
    except (struct_error, IndexError, ValueError) as error:
        raise MalformedMessage(f"a request header is cut short or garbled: {error}") from None
    if pos > len(buf):
        raise MalformedMessage("a request header is cut short")
    return RequestHeader(key, version, correlation_id, client_id, pos)


def write_request_header(out: bytearray, header: RequestHeader) -> None:
    """Append a request header; its `end` is not used."""
    client_id = b"" if header.client_id is None else header.client_id.encode()
    length = -1 if header.client_id is None else len(client_id)
    out += _REQUEST_START.pack(header.api_key, header.api_version, header.correlation_id, length)
    out += client_id
    if request_header_version(header.api_key, header.api_version) == 2:
        out.append(0)


def read_response_header(buf: Buffer, key: int, version: int, pos: int = 0) -> tuple[int, int]:
    """Return the correlation id and where the body starts.

    Raises:
        MalformedMessage: cut short.
    """
    try:
        (correlation_id,) = _SIZE.unpack_from(buf, pos)
        pos += 4
        if response_header_version(key, version):
            pos = skip_tags(buf, pos)
    except (struct_error, IndexError) as error:
        raise MalformedMessage(f"a response header is cut short: {error}") from None
    if pos > len(buf):
        raise MalformedMessage("a response header is cut short")
    return correlation_id, pos


def write_response_header(out: bytearray, key: int, version: int, correlation_id: int) -> None:
    """Append a response header."""
    out += _SIZE.pack(correlation_id)
    if response_header_version(key, version):
        out.append(0)


def encode_request(
    message: Message, version: int, correlation_id: int, client_id: str | None = None
) -> bytearray:
    """Return the whole frame of a request, its size first.

    Raises:
        UnencodableMessage: the message holds a value that `version` cannot carry.
    """
    out = bytearray(SIZE_BYTES)
    write_request_header(out, RequestHeader(message.API_KEY, version, correlation_id, client_id, 0))
    return _finish(message, version, out)


def encode_response(message: Message, version: int, correlation_id: int) -> bytearray:
    """Return the whole frame of a response, its size first.

    Raises:
        UnencodableMessage: the message holds a value that `version` cannot carry.
    """
    out = bytearray(SIZE_BYTES)
    write_response_header(out, message.API_KEY, version, correlation_id)
    return _finish(message, version, out)


def _finish(message: Message, version: int, out: bytearray) -> bytearray:
    message.encode(version, out)
    _SIZE.pack_into(out, 0, len(out) - SIZE_BYTES)
    return out
