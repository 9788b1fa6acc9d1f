"""Reads HTTP/1.1 answers from bytes in any pieces. No IO, no clock; httptools (llhttp) does the grammar.

What is added to llhttp: which answers have no body (HEAD, 204, 304), interim answers (1xx) skipped, an
answer that ends with the connection, limits on head and body, and what was sent beyond the answer. Only the
announced codings are accepted: `chunked` for transfer, those of `codings` for content. Invariant: after
`feed` or `eof` the parser is in exactly one of: needs more, `complete`, or it raised ParseError.

Source: RFC 9112 (6.3 message body length, 9 connection management), RFC 9110 (15.2 interim, 8.4 codings).
"""

from __future__ import annotations

from collections.abc import Iterable

import httptools

from tidelock.errors import RemoteProtocolError
from tidelock.http.wire.codings import PLAIN, CodingError, decoded

HEAD_LIMIT = 64 * 1024
"""Bytes of status line, headers or trailers; above the defaults of nginx, Node.js (16) and Jetty (8 KiB)."""

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes, as received and as decoded; an answer that is larger is a fault or should be streamed."""

INTERIM = range(100, 200)
BODILESS = frozenset({204, 304})


class ParseError(RemoteProtocolError):
    """The bytes are no HTTP/1.1 answer, or exceed a limit; the connection is of no further use."""

    code = "TID-410"


class ResponseParser:
    """Parses the answers of one connection, one after the other.

    1. `start(head)` before each request is sent;
    2. `feed` what arrives, until `complete`; `eof` when the other side has ended its stream;
    3. read `status`, `headers`, `body` and `reusable`; then `start` again, or close.

    Attributes:
        complete: the answer is here.
        begun: at least one byte of it is.
        reusable: the connection may carry another request; False also when bytes follow the answer.
        streams: the head is here, and the body is to be taken piece by piece.
    """

    def __init__(self, *, body_limit: int = BODY_LIMIT, head_limit: int = HEAD_LIMIT) -> None:
        self._body_limit = body_limit
        self._head_limit = head_limit
        self._llhttp = httptools.HttpResponseParser(self)
        self._fresh = True
        self._clear(False)

    def _clear(self, head: bool, stream: bool = False) -> None:
        self.complete = self.begun = self.reusable = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._head = head
        self._stream = stream
        self.streams = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._quiet = 0
        self._in_body = False
        self._to_end = False
        self._is_head_only = False
        self._tail = b""
        self._fault: str | None = None

    def start(self, head: bool = False, stream: bool = False) -> None:
        """Expect a new answer.

        Args:
            head: it answers a HEAD request, so that it has no body whatever its headers say.
            stream: the body of a good answer is taken piece by piece (`streams`, `take`), without a limit.
        """
        if not self._fresh:
            self._llhttp = httptools.HttpResponseParser(self)
            self._fresh = True
        self._clear(head, stream)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come.

        Raises:
            ParseError: they are no answer, or one beyond the limits.
        """
        if self.complete:
            self.reusable = False
            return
        self.begun = True
        self._quiet += len(data)
        if not self._in_body:
            self._tail = (self._tail + data[-4:])[-4:]
        try:
            self._llhttp.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._ended():
                raise ParseError(self._fault or f"not an HTTP/1.1 answer: {error}") from None
            self.reusable = False
        if self._fault is not None:
            raise ParseError(self._fault)
        if self._is_head_only and self._tail != b"\r\n\r\n":  # llhttp may hold part of a chunk's size
            self.reusable = False
        if self._quiet > self._head_limit and not self._ended():  # no end of the head, or of the trailers
            raise ParseError(f"the head of the answer is larger than {self._head_limit} bytes")

    def _ended(self) -> bool:
        """`complete`, as the callbacks have left it."""
        return self.complete

    def eof(self) -> None:
        """The other side has ended its stream; completes an answer whose length is up to here.

        Raises:
            ParseError: the answer is cut off.
        """
        if self.complete:
            self.reusable = False
        elif self._to_end:
            self._finish(False)
        else:
            raise ParseError("the connection ended in the middle of the answer")

    @property
    def body(self) -> bytes:
        """The body of a complete answer, decoded from its content coding.

        Raises:
            ParseError: it is not what its coding says, or too large when decoded.
        """
        raw = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        coding = self._coding()
        if not raw or coding in PLAIN:
            return raw
        try:
            return decoded(coding, raw, self._body_limit)
        except CodingError as error:
            raise ParseError(str(error)) from None

    # llhttp calls these while it is fed

    def on_message_begin(self) -> None:
        """A status line begins; a second one is not ours."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer, which is counted and dropped."""
        if not self._in_body:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide how the end of the body is found."""
        if self.complete:
            return
        if self._quiet > self._head_limit and _size(self.headers) > self._head_limit:
            self._fault = f"the head of the answer is larger than {self._head_limit} bytes"
            return
        self._quiet = 0
        status = self.status = self._llhttp.get_status_code()
        if status in INTERIM:
            if status == 101:
                self._fault = "the answer switches protocols, which was not asked for"
            return
        self._in_body = True
        lengths, codings = self._framing()
        if codings and codings != [b"chunked"]:
            self._fault = f"the answer has the transfer encoding {b', '.join(codings).decode('latin-1')!r}"
        elif self._head or status in BODILESS:
            self._fresh = status in BODILESS and not self._head and not lengths and not codings
            if not self._fresh:
                self._is_head_only = True
                self._finish(self._keeps_alive())
        else:
            self._to_end = not lengths and not codings
        if self._stream and status < 300 and self._fault is None:
            self.streams = True
            if self._coding() not in PLAIN:
                self._fault = f"the stream has the content encoding {self._coding().decode('latin-1')!r}"

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data

    def _coding(self) -> bytes:
        return b", ".join(value for name, value in self.headers if name == b"content-encoding").lower()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._quiet = 0
        if self.complete:
            self.reusable = False
            return
        self._size += len(data)
        if self._size > self._body_limit and not self.streams:
            self._fault = f"the body of the answer is larger than {self._body_limit} bytes"
            self._chunks.clear()
            return
        self._chunks.append(data)

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._quiet = 0
        if self.complete:
            self.reusable = False

    def on_message_complete(self) -> None:
        """The answer is here, or an interim one is over."""
        if self.complete:
            return
        if self.status in INTERIM:
            self.headers = []
            return
        self._finish(self._llhttp.should_keep_alive())

    def _finish(self, reusable: bool) -> None:
        self.complete = self._in_body = True
        self.reusable = reusable

    def _framing(self) -> tuple[list[bytes], list[bytes]]:
        lengths = [value for name, value in self.headers if name == b"content-length"]
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        return lengths, codings

    def _keeps_alive(self) -> bool:
        """Llhttp's own answer does not know about HEAD."""
        tokens = _tokens(value for name, value in self.headers if name == b"connection")
        if b"close" in tokens:
            return False
        return self._llhttp.get_http_version() == "1.1" or b"keep-alive" in tokens


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of the lines: two for `: ` and two for the line end."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _tokens(values: Iterable[bytes]) -> set[bytes]:
    return {token.strip().lower() for value in values for token in value.split(b",")}
