"""Writes HTTP/1.1 requests as bytes. No IO, no clock.

The lines that do not change between attempts come ready from the Request; here the request line, `host`,
framing, deadline and attempt number are put around them. Header values are checked where they enter a
Request.

Source: RFC 9112; Envoy `x-envoy-expected-rq-timeout-ms` (the caller's patience, relative, so free of clock
skew) and `x-envoy-attempt-count`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tidelock.errors import LocalProtocolError
from tidelock.http.exchange import Outgoing, Request

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
TARGET = re.compile(r"[!-~]+")


def encode(request: Request, prefix: str, authority: str, remaining: float, attempt: int) -> bytes:
    """Return the bytes of one attempt.

    Args:
        request: the logical call.
        prefix: path under which the instance serves; "" for most.
        authority: host and port.
        remaining: seconds until the deadline.
        attempt: 1 for the first; later ones say so in a header.
    """
    body = request.body
    again = "" if attempt == 1 else f"x-envoy-attempt-count: {attempt}\r\n"
    framing = "" if body is None else f"content-length: {len(body)}\r\n"
    patience = "" if request.streams else f"x-envoy-expected-rq-timeout-ms: {int(remaining * 1000)}\r\n"
    head = (
        f"{request.method} {prefix}{request.target} HTTP/1.1\r\nhost: {authority}\r\n"
        f"{patience}{again}{framing}"
    )
    return b"%b%b\r\n%b" % (head.encode("latin-1"), request.head, body or b"")


def outgoing(request: Request, prefix: str, authority: str, remaining: float, attempt: int) -> Outgoing:
    """Return one attempt as the engines take it; see `encode`. A stream outlives its head's deadline."""
    data = encode(request, prefix, authority, remaining, attempt)
    return Outgoing(data, request.method == "HEAD", request.streams)


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return header lines, each ending in CRLF.

    Raises:
        LocalProtocolError: a name or value that would break out of its line.
    """
    return b"".join(header_line(name, value) for name, value in headers)


def header_line(name: str, value: str) -> bytes:
    """Return one header line ending in CRLF; values outside latin-1 go as UTF-8. See `header_lines`."""
    if not TOKEN.fullmatch(name):
        raise LocalProtocolError(f"{name!r} is no header name", hint="use letters, digits and dashes")
    if FORBIDDEN.search(value):
        raise LocalProtocolError(f"the value of the header {name!r} has a control character")
    try:
        return f"{name}: {value.strip()}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        return f"{name}: {value.strip()}\r\n".encode()


def check_target(target: str) -> str:
    """Return the target of a request if it can stand in a request line.

    Raises:
        LocalProtocolError: a space, a control character, or something not percent-encoded.
    """
    if not TARGET.fullmatch(target) or not target.startswith("/"):
        raise LocalProtocolError(
            f"{target!r} is no path", hint="percent-encode it, e.g. with urllib.parse.quote"
        )
    return target
