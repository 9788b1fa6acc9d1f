"""Heads of answers that have been read before: the same bytes need not be read again. No IO, no clock.

A service's answers hardly differ in their heads: within a second, while `date` stays, not at all. What llhttp
made of a head is looked up from then on by the head's bytes. Only plain answers are remembered: a final
status, one `content-length`, no coding, nothing that ends the connection. Invariant: since llhttp is a state
machine that begins each answer in the same state, the same bytes would come to the same result; what is
remembered is bounded.

Source: RFC 9112, 6.3 (the length of a body); the registry's `quick` does the same with requests.
"""

from __future__ import annotations

from typing import NamedTuple

HEADS = 256
"""Heads that are remembered, of all connections of a process; then it begins anew."""

LIMIT = 2048
"""Bytes of a head; what is longer is hardly the same twice."""

END = b"\r\n\r\n"

Headers = list[tuple[bytes, bytes]]


class Known(NamedTuple):
    """What a head says.

    Args:
        status: 200..599.
        headers: names in lower case; never changed.
        length: bytes of the body.
    """

    status: int
    headers: Headers
    length: int


_heads: dict[bytes, Known] = {}


def recall(data: bytes) -> tuple[Known, bytes] | None:
    """Return what the head of a whole answer says, and its body; None if it is not known or not whole."""
    end = data.find(END, 0, LIMIT) + 4
    known = _heads.get(data[:end])
    if known is None or len(data) - end != known.length:
        return None
    return known, data[end:]


def remember(data: bytes, known: Known) -> None:
    """Remember the head of an answer that came in one piece and left its connection usable."""
    end = data.find(END, 0, LIMIT) + 4
    lengths = [value for name, value in known.headers if name == b"content-length"]
    codings = [name for name, _ in known.headers if name in (b"transfer-encoding", b"content-encoding")]
    if end < 4 or len(lengths) != 1 or codings or len(data) - end != known.length:
        return
    if len(_heads) >= HEADS:
        _heads.clear()
    _heads[data[:end]] = known
