"""Requests that come all the time, answered from their bytes: heartbeats, fetches. No IO, no clock.

A client sends the same bytes again and again: a heartbeat's first line and its headers hardly ever change. So
both are understood once and looked up from then on. What is not plainly one of these requests (a body, a
pipelined second request, a header that changes how a message is read, anything malformed) is `None`: the
server behind reads it by the book. May import `operations`. Invariants: an answer here is the answer there,
but for the order of its headers; what is remembered is bounded, and never the answer itself.

Source: RFC 9112 sections 2.2, 3, 5 and 9.3; what is accepted here is a subset of it.
"""

from __future__ import annotations

import http
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol
from urllib.parse import parse_qs, unquote

from tidelock.discovery.lease import Moment
from tidelock.discovery.operations import REPLICATION, Reply, Request

LINES = 8192
"""First lines that are remembered; two thousand instances with four clients that fetch."""

HEADS = 512
"""Sets of header lines that are remembered; one per kind of client."""

LIMIT = 4096
"""Bytes of a request; what is longer is not one of these."""

FIRST = re.compile(rb"(GET|PUT) (/[!-~]+) HTTP/1\.1")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~](?:[\t -~]*[!-~])?)?[ \t]*")

BY_THE_BOOK = frozenset((b"connection", b"expect", b"transfer-encoding", b"upgrade", b"te", b"trailer"))
"""Headers that say how a message or its connection is to be read."""

WAITING = frozenset(("wait", "since"))
"""Parameters with which an answer may have to wait."""

VERSION = re.compile("[0-9]{1,18}")

Headers = dict[str, str]
Lines = tuple[tuple[str, str], ...]

PLAIN: tuple[int, Lines, int] = (200, (), 0)
"""A heartbeat's answer: status, headers, length."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a first line asks for.

    Args:
        method: upper case.
        path: behind prefix and version.
        query: the first value of each parameter.
        beat: application, id and version, if it is nothing but a heartbeat.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    beat: tuple[str, str, int | None] | None = None


class Registry(Protocol):
    """Who answers."""

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether requests with these headers may be answered at all; the server behind says why not."""

    def beat(self, app: str, instance_id: str, dirty: int | None, now: Moment) -> bool:
        """Take an instance's own heartbeat; False if there is more to it than a plain 200."""

    def answer(self, request: Request) -> Reply:
        """Answer what can be answered at once."""


class Quick:
    """Answers from bytes to bytes.

    Args:
        registry: who answers.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lines: dict[bytes, Line | None] = {}
        self._heads: dict[bytes, Headers | None] = {}
        self._second = 0
        self._date = b""
        self._said: dict[tuple[int, Lines, int], bytes] = {}

    def __call__(self, data: bytes, now: Moment) -> tuple[bytes, bytes] | None:
        """Answer one whole request: head and body; None leaves it to the server behind."""
        if len(data) > LIMIT:
            return None
        first, _, rest = data.partition(b"\r\n")
        line = self._lines[first] if first in self._lines else self._read_line(first)
        if line is None:
            return None
        headers = self._heads[rest] if rest in self._heads else self._read_head(rest)
        if headers is None:
            return None
        if not 0 <= now.wall - self._second < 1:
            self._second = int(now.wall)
            self._date = formatdate(self._second, usegmt=True).encode()
            self._said.clear()
        if line.beat is not None and REPLICATION not in headers and self._registry.beat(*line.beat, now):
            return self._said.get(PLAIN) or self._say(*PLAIN), b""
        reply = self._registry.answer(Request(line.method, line.path, now, line.query, headers))
        said = (reply.status, reply.headers, len(reply.body))
        return self._said.get(said) or self._say(*said), reply.body

    def _say(self, status: int, lines: Lines, length: int) -> bytes:
        """Return an answer's head; the same serves all such answers of this second."""
        text = "".join([f"{name}: {value}\r\n" for name, value in lines]).encode()
        shape = b"%bdate: %b\r\n%bcontent-length: %d\r\n\r\n"
        head = shape % (STATUS_LINES[status], self._date, text, length)
        if len(self._said) < HEADS:
            self._said[status, lines, length] = head
        return head

    def _read_line(self, first: bytes) -> Line | None:
        if len(self._lines) >= LINES:
            self._lines.clear()
        line = self._lines[first] = read_line(first)
        return line

    def _read_head(self, rest: bytes) -> Headers | None:
        if len(self._heads) >= HEADS:
            self._heads.clear()
        headers = read_head(rest)
        if headers is not None and not self._registry.admits(headers):
            headers = None
        self._heads[rest] = headers
        return headers


STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in http.HTTPStatus}


def read_line(first: bytes) -> Line | None:
    """Understand a first line; None if it is not one of those that are answered here."""
    found = FIRST.fullmatch(first)
    if found is None:
        return None
    method = found[1].decode("ascii")
    target, _, text = found[2].decode("ascii").partition("?")
    path = None if "#" in target + text else operation_path(target)
    if path is None or not _is_quick(method, path):
        return None
    query = first_values(text)
    if WAITING & query.keys():
        return None
    return Line(method, path, query, _beat(path, query) if method == "PUT" else None)


def _beat(path: tuple[str, ...], query: Mapping[str, str]) -> tuple[str, str, int | None] | None:
    text = query.get("lastDirtyTimestamp")
    if "watcher" in query or not (text is None or VERSION.fullmatch(text)):
        return None
    return path[1], path[2], None if text is None else int(text)


def read_head(rest: bytes) -> Headers | None:
    """Understand the header lines up to the empty one; None if anything in them needs the server behind."""
    if not rest.endswith(b"\r\n\r\n"):
        return None
    headers: Headers = {}
    for line in rest[:-4].split(b"\r\n"):
        found = FIELD.fullmatch(line)
        if found is None:
            return None
        name, value = found[1].lower(), found[2] or b""
        if name.decode("ascii") in headers or not _is_plain(name, value):
            return None
        headers[name.decode("ascii")] = value.decode("ascii")
    return headers if "host" in headers else None


def _is_plain(name: bytes, value: bytes) -> bool:
    if name == b"content-length":
        return value == b"0"
    if name == b"connection":
        return value.lower() == b"keep-alive"
    return name not in BY_THE_BOOK


def _is_quick(method: str, path: tuple[str, ...]) -> bool:
    size, kind = len(path), path[0] if path else ""
    if method == "PUT":
        return kind == "apps" and size == 3
    return (kind == "apps" and size <= 3) or (kind in ("instances", "vips", "svips") and size == 2)


def first_values(text: str) -> dict[str, str]:
    """Return a query's parameters; the first value of a name counts, as in Java."""
    return (
        {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()} if text else {}
    )


def operation_path(raw: str) -> tuple[str, ...] | None:
    """Return the decoded segments behind prefix and version; None for a path outside of Eureka's.

    A slash at the end makes no difference; percent-encoded slashes stay inside their segment.
    """
    segments = [unquote(part) for part in raw.split("/") if part]
    has_prefix = segments[:1] == ["eureka"]
    if has_prefix:
        segments = segments[1:]
    if segments[:1] in (["v2"], ["v1"]):
        return tuple(segments[1:])
    return tuple(segments) if has_prefix else None
