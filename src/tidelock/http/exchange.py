"""What goes out and what comes back: Request, Response, Failure; plain values, shared by rules and engine.

A Request is prepared once per logical call and serves every attempt; only the deadline, the attempt number
and the instance's authority change. Response and Failure are the two outcomes of one attempt; both carry
`at`, the monotonic time in seconds at which the attempt ended, so that the rules need no clock.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from tidelock.discovery.instance import Instance

HINT_HEADER = b"x-sc-lb-hint:"
"""Spring Cloud LoadBalancer's header, as header lines are written: in lower case."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One logical call, ready to be written.

    Attributes:
        method: upper case.
        target: path and query, percent-encoded, beginning with "/".
        head: header lines without `host` and framing, each ending in CRLF.
        body: None sends no `content-length`; b"" sends 0.
        label: the name for errors and metrics, as "GET /orders/{id}".
        group: calls of one group share a circuit breaker; few per service.
        idempotent: whether repeating it cannot double an effect.
        affinity: calls with the same one go to the same instance.
        streams: whether a good answer is handed over when its head is here.
    """

    method: str
    target: str
    head: bytes
    body: bytes | None
    label: str
    group: str
    idempotent: bool
    affinity: str | None = None
    streams: bool = False

    @property
    def hint(self) -> str | None:
        """The value of its X-SC-LB-Hint header: instances with it in their metadata are preferred."""
        head = self.head
        if HINT_HEADER not in head:
            return None
        start = 0 if head.startswith(HINT_HEADER) else head.find(b"\r\n" + HINT_HEADER) + 2
        if not head.startswith(HINT_HEADER, start):
            return None  # it stands in the value of another header
        return head[start + len(HINT_HEADER) :].partition(b"\r\n")[0].decode("latin-1").strip()


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request as bytes, and what its answer will be like.

    Attributes:
        data: the whole request.
        head: it is a HEAD request.
        stream: a good answer is handed over when its head is here.
    """

    data: bytes
    head: bool
    stream: bool


class Response(msgspec.Struct, gc=False):
    """A complete answer.

    Attributes:
        status: 200..599.
        raw_headers: names in lower case, in the order received.
        body: decoded from its content encoding.
        at: monotonic seconds when it was complete.
        instance: who answered.
        stream: what is still to come of the body, if it was asked for as a stream.
    """

    status: int
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    at: float = 0.0
    instance: Instance | None = None
    stream: Any = None

    def header(self, name: str) -> str | None:
        """Return a header's value; several of one name are joined by a comma (RFC 9110, 5.3)."""
        wanted = name.lower().encode("ascii")
        found = [value for key, value in self.raw_headers if key == wanted]
        return b", ".join(found).decode("latin-1") if found else None

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> object:
        """The body decoded as JSON.

        Raises:
            msgspec.DecodeError: it is none.
        """
        return msgspec.json.decode(self.body)


class Reason(enum.Enum):
    """Why an attempt brought no answer."""

    REFUSED = "connection refused"
    UNREACHABLE = "no connection"
    BROKEN = "connection broken"
    TIMEOUT = "deadline passed"
    GARBAGE = "bad answer"


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An attempt without an answer.

    Attributes:
        reason: what happened.
        detail: one sentence for the error text.
        sent: False only when no byte of the request can have reached the service's program.
        at: monotonic seconds when it was known.
    """

    reason: Reason
    detail: str
    sent: bool
    at: float
