"""HTTP/1.1 for the client of a registry: small requests over one kept connection per registry.

On asyncio streams and httptools, because the calls engine (`tidelock.http`) stands above this part. One
request at a time per connection; a kept connection that turns out to be closed is replaced once, which is
safe because all operations of Eureka can be repeated. May import errors. Invariants: an exchange ends
within its timeouts; a broken or half-read connection is never kept; user and password of a URL are never in
an error text.

Source: RFC 9112; RFC 7617 (user and password in the URL become Basic authentication).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httptools

from tidelock.errors import RemoteProtocolError, UnreachableError, UsageError

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes after decompression; 60,000 instances in full JSON."""

CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RegistryUnreachableError(UnreachableError):
    """A registry does not answer."""

    code = "TID-310"


class RegistryProtocolError(RemoteProtocolError):
    """A registry answered something that is not HTTP, or more than BODY_LIMIT."""

    code = "TID-311"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a registry is, taken from its URL.

    Args:
        host: name or address.
        port: number.
        path: prefix of all operations, ends in a slash.
        is_secure: whether it is https.
        authorization: value of the header, if the URL carried user and password.
    """

    host: str
    port: int
    path: str
    is_secure: bool = False
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Target:
        """Take a URL apart.

        Raises:
            UsageError: not http(s), or no host.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError("a registry's URL is not a URL", hint="use http://HOST:PORT/eureka/") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"a registry's URL starts with http:// or https:// and a host, not {parts.scheme!r}",
                hint="use http://HOST:PORT/eureka/",
            )
        secure = parts.scheme == "https"
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        path = quote(parts.path if parts.path.endswith("/") else f"{parts.path}/", safe="/%")
        return cls(_ascii(parts.hostname), port or (443 if secure else 80), path, secure, authorization)

    @property
    def shown(self) -> str:
        """The URL without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}{self.path}"

    def head(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
    ) -> bytes:
        """Return a request's head."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            f"{method} {self.path}{path} HTTP/1.1",
            f"host: {host}:{self.port}",
            f"accept: {accept}",
            "accept-encoding: gzip" if accept == "application/json" else "accept-encoding: identity",
            "user-agent: tidelock",
            "discoveryidentity-name: DefaultClient",
        ]
        if self.authorization:
            lines.append(f"authorization: {self.authorization}")
        if body:
            lines.append(f"content-type: {content_type}")
        if body or method in ("POST", "PUT"):
            lines.append(f"content-length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _ascii(host: str) -> str:
    try:
        return host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        raise UsageError(f"a registry's URL has no usable host name: {host[:40]!r}") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer; the body is decompressed."""

    status: int
    body: bytes


class Response:
    """Collects one response from bytes; httptools calls the `on_` methods. No IO.

    Args:
        limit: bytes of body, before and after decompression.
    """

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self.is_complete = False
        self.is_reusable = False
        self._limit = limit
        self._encoding = b""
        self._ends_at_close = False
        self._has_length = False
        self._parts: list[bytes] = []
        self._size = 0
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take bytes from the connection; b"" means that it was closed.

        Raises:
            RegistryProtocolError: not HTTP, too large, or closed too early.
        """
        if not data:
            if not self._ends_at_close:
                raise RegistryProtocolError("the registry closed the connection in the middle of an answer")
            self.is_complete = True
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            raise RegistryProtocolError(f"the registry's answer is not HTTP: {error}") from None
        if self._size > self._limit:
            raise self._too_large()

    @property
    def has_begun(self) -> bool:
        """Whether a status line was read."""
        return bool(self._parser.get_status_code())

    def answer(self) -> Answer:
        """Return the complete answer.

        Raises:
            RegistryProtocolError: the body cannot be decompressed, or is too large then.
        """
        body = b"".join(self._parts)
        if self._encoding == b"gzip":
            body = self._unzipped(body)
        return Answer(self._parser.get_status_code(), body)

    def on_message_begin(self) -> None:
        """A response starts; the one after an interim response (1xx) starts afresh."""
        self._ends_at_close = False
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        lower = name.lower()
        if lower == b"content-encoding":
            self._encoding = value.strip().lower()
        elif lower in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """The end of the head: without a length the body ends with the connection."""
        self._ends_at_close = not self._has_length

    def on_body(self, data: bytes) -> None:
        """A piece of the body; beyond the limit it is only counted."""
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """The end; that of an interim response (1xx) is not it."""
        if self._parser.get_status_code() >= 200:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()

    def _too_large(self) -> RegistryProtocolError:
        return RegistryProtocolError(f"the registry's answer is larger than {self._limit} bytes")

    def _unzipped(self, body: bytes) -> bytes:
        unzip = zlib.decompressobj(wbits=31)
        try:
            plain = unzip.decompress(body, self._limit)
        except zlib.error as error:
            raise RegistryProtocolError(f"the registry's answer cannot be decompressed: {error}") from None
        if unzip.unconsumed_tail:
            raise self._too_large()
        if not unzip.eof:
            raise RegistryProtocolError("the registry's answer ends in the middle of its gzip stream")
        return plain


class Connection:
    """One kept connection to one registry; exchanges queue up.

    Args:
        target: the registry.
        connect_timeout: seconds.
        read_timeout: seconds for a whole exchange on an open connection.
    """

    def __init__(self, target: Target, *, connect_timeout: float, read_timeout: float) -> None:
        self.target = target
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._turn = asyncio.Lock()
        self._streams: Streams | None = None

    async def exchange(
        self, method: str, path: str, body: bytes = b"", *, content_type: str = "application/json"
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Args:
            method: upper case.
            path: behind the target's prefix, already percent-encoded.
            body: whole.
            content_type: of the body.

        Raises:
            RegistryUnreachableError: no connection, or no answer in time.
            RegistryProtocolError: the answer is not HTTP.
        """
        request = self.target.head(method, path, body, content_type) + body
        async with self._turn:
            attempts = 2 if self._streams is not None else 1  # a kept connection may be closed by now
            for _ in range(attempts):
                with contextlib.suppress(_StaleError):
                    return await self._attempt(request)
        raise self._unreachable("closes the connection without an answer")

    def close(self) -> None:
        """Drop the kept connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _attempt(self, request: bytes) -> Answer:
        reader, writer = self._streams or await self._open()
        self._streams = None
        is_kept = False
        try:
            async with asyncio.timeout(self._read_timeout):
                response = await _converse(reader, writer, request)
            answer = response.answer()
            is_kept = response.is_reusable
        except TimeoutError:
            raise self._unreachable(f"does not answer within {self._read_timeout:g} s") from None
        finally:
            if not is_kept:
                writer.close()
        self._streams = (reader, writer)
        return answer

    async def _open(self) -> Streams:
        return await connect(self.target, self._connect_timeout)

    def _unreachable(self, what: str) -> RegistryUnreachableError:
        return unreachable(self.target, what)


async def connect(target: Target, within: float) -> Streams:
    """Open a connection to a registry.

    Raises:
        RegistryUnreachableError: not within so many seconds.
    """
    context = ssl.create_default_context() if target.is_secure else None
    try:
        async with asyncio.timeout(within):
            return await asyncio.open_connection(target.host, target.port, ssl=context)
    except TimeoutError:
        raise unreachable(target, f"cannot be connected within {within:g} s") from None
    except (OSError, UnicodeError) as error:
        raise unreachable(target, f"cannot be connected: {error}") from None


def unreachable(target: Target, what: str) -> RegistryUnreachableError:
    """Return the error that says what a registry does not do."""
    return RegistryUnreachableError(f"the registry {what}", where=target.shown, hint="tidelock up registry")


class _StaleError(Exception):
    """The connection ended before the first byte of an answer."""


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Response:
    response = Response()
    try:
        writer.write(request)
        await writer.drain()
        while not response.is_complete:
            data = await reader.read(CHUNK)
            if not data and not response.has_begun:
                raise _StaleError
            response.feed(data)
    except (ConnectionError, ssl.SSLError) as error:
        if response.has_begun:
            raise RegistryProtocolError(f"the registry broke the connection off: {error}") from None
        raise _StaleError from None
    return response
