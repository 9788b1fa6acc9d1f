"""Cuts a body that arrives in any pieces into values: JSON lines, server-sent events, or bytes as they come.

No IO. The same bytes in other pieces give the same values. A value larger than `LIMIT` is a ValueError.

Source: NDJSON 1.0; WHATWG HTML, 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

from typing import Protocol

LIMIT = 16 * 1024 * 1024
"""Bytes of one line or event."""

NDJSON = "application/x-ndjson"
SSE = "text/event-stream"


class Cutter(Protocol):
    """Takes pieces, gives values."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the values that are complete now.

        Raises:
            ValueError: one is too large.
        """

    def end(self) -> list[bytes]:
        """Return what the end of the body completes."""


class Pieces:
    """Every piece is a value."""

    def feed(self, data: bytes) -> list[bytes]:
        """See Cutter."""
        return [data]

    def end(self) -> list[bytes]:
        """See Cutter."""
        return []


class Lines:
    """Every line that is not blank is a value; the last one needs no line end."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """See Cutter."""
        if b"\n" not in data:
            self._rest += data
            _check(len(self._rest))
            return []
        *lines, rest = (bytes(self._rest) + data).split(b"\n")
        self._rest = bytearray(rest)
        _check(len(rest))
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """See Cutter."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest.strip() else []


class Events:
    """The data of every event; comments, other fields and an event without an end are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """See Cutter."""
        text = self._rest + data
        if self._first:
            if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return []
            text, self._first = text.removeprefix(b"\xef\xbb\xbf"), False
        held = text.endswith(b"\r")  # its LF may be in the next piece
        lines = (text[:-1] if held else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held else b"")
        _check(len(self._rest) + self._size)
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[bytes]:
        """See Cutter."""
        return []

    def _line(self, line: bytes) -> bytes | None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value)
                _check(self._size)
            return None
        found, self._data, self._size = self._data, [], 0
        return b"\n".join(found) if found else None


def cutter(media: str | None, raw: bool) -> Cutter:
    """Return what cuts a body of this media type; `raw` is for streams of bytes."""
    if raw:
        return Pieces()
    return Events() if (media or "").partition(";")[0].strip().lower() == SSE else Lines()


def framed(value: bytes, media: str) -> bytes:
    """Return a JSON value as a line or an event."""
    if media == SSE:
        return b"data: " + value.replace(b"\n", b"\ndata: ") + b"\n\n"
    return value + b"\n"


def _check(size: int) -> None:
    if size > LIMIT:
        raise ValueError(f"a value of the stream is larger than {LIMIT} bytes")
