"""The client's end of a watch stream: server-sent events out of bytes, and the connection they come from.

`EventReader` and `StreamResponse` are pure; `listen` is the shell. May import `transport`. Invariants:
whatever bytes come, the reader raises `RegistryProtocolError` or nothing; an event is never larger than
`transport.BODY_LIMIT`; a connection on which nothing came for `SILENCE` seconds is given up.

Source: WHATWG HTML 9.2.6 (interpreting an event stream). Fields that are unknown there are ignored, which
is why the registry may add `ack`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httptools

from tidelock.discovery.transport import (
    BODY_LIMIT,
    CHUNK,
    RegistryProtocolError,
    Target,
    connect,
    unreachable,
)

SILENCE = 15.0
"""Seconds; a registry says at least something every five."""

EVENT_STREAM = b"text/event-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event.

    Args:
        kind: its `event` field.
        id: the last `id` field; where to resume.
        data: its `data` fields.
        asks_ack: whether the registry wants to hear that it was applied.
    """

    kind: str
    id: str
    data: bytes
    asks_ack: bool = False


class EventReader:
    """Bytes in, events out.

    Args:
        limit: bytes of one event.
    """

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._id = ""
        self._size = 0
        self._start()

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; returns the events that are complete.

        Raises:
            RegistryProtocolError: an event is larger than the limit.
        """
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        events = []
        for line in lines:
            event = self._line(bytes(line).removesuffix(b"\r"))
            if event is not None:
                events.append(event)
        if self._size + len(self._rest) > self._limit:
            raise RegistryProtocolError(f"an event of the registry is larger than {self._limit} bytes")
        return events

    def _start(self) -> None:
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0
        self._asks_ack = False

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event(self._kind or "message", self._id, b"\n".join(self._data), self._asks_ack)
            has_data = bool(self._data)
            self._start()
            return event if has_data else None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"ack":
            self._asks_ack = True
        return None


class StreamResponse:
    """The response that carries the events; httptools calls the `on_` methods. No IO."""

    def __init__(self) -> None:
        self.has_head = False
        self.is_over = False
        self._type = b""
        self._parts: list[bytes] = []
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the connection; returns those of the body.

        Raises:
            RegistryProtocolError: not HTTP.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            raise RegistryProtocolError(f"the registry's answer is not HTTP: {error}") from None
        body = b"".join(self._parts)
        self._parts.clear()
        return body

    @property
    def is_event_stream(self) -> bool:
        """Whether the registry pushes; others answer 404, or something else."""
        return self._parser.get_status_code() == 200 and self._type == EVENT_STREAM

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if name.lower() == b"content-type":
            self._type = value.partition(b";")[0].strip().lower()

    def on_headers_complete(self) -> None:
        """The end of the head."""
        self.has_head = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """The registry ends the stream."""
        self.is_over = True


class NoPushError(Exception):
    """This registry does not push: it is not one of ours."""


async def listen(target: Target, path: str, *, connect_timeout: float) -> AsyncIterator[Event | None]:
    """Yield what a registry pushes until the stream ends; first None, as soon as it is open.

    Args:
        target: the registry.
        path: of the stream, behind the target's prefix.
        connect_timeout: seconds.

    Raises:
        NoPushError: it does not push.
        RegistryUnreachableError: no connection, or it fell silent.
        RegistryProtocolError: what comes is not HTTP.
    """
    reader, writer = await connect(target, connect_timeout)
    response = StreamResponse()
    events = EventReader()
    is_open = False
    try:
        writer.write(target.head("GET", path, accept="text/event-stream"))
        while not response.is_over and (data := await _read(reader, target)):
            body = response.feed(data)
            if response.has_head and not response.is_event_stream:
                raise NoPushError
            if response.has_head and not is_open:
                is_open = True
                yield None
            for event in events.feed(body):
                yield event
    finally:
        with contextlib.suppress(RuntimeError):  # the loop may be closed already
            writer.close()


async def _read(reader: asyncio.StreamReader, target: Target) -> bytes:
    try:
        async with asyncio.timeout(SILENCE):
            return await reader.read(CHUNK)
    except TimeoutError:
        raise unreachable(target, f"has been silent for {SILENCE:g} s") from None
    except (OSError, ssl.SSLError) as error:
        raise unreachable(target, f"broke the stream: {error}") from None
