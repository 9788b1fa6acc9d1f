"""Content codings of answers: gzip from the standard library; br and zstd from cramjam where it is installed.

    accepted()                          # "gzip, br, zstd" for the accept-encoding header
    decoded(b"br", raw, 64 << 20)       # at most so many bytes, or a CodingError

Pure. What an answer opens to is bounded, so that a small one cannot fill the memory.
Source: RFC 9110, 8.4; RFC 7932 (br); RFC 8878 (zstd).
"""

from __future__ import annotations

import functools
import importlib.util
import zlib
from typing import Any

PLAIN = frozenset({b"", b"identity"})
"""Codings that change nothing."""

FIRST_GUESS = 64 << 10

MEMBERS = 100
"""Of one gzip body; servers write one. The rest is copied for each, so many small ones would take hours."""


class CodingError(ValueError):
    """The bytes are not what their coding says, or open to more than allowed."""


@functools.cache
def accepted() -> str:
    """Return what this process can decode, as an accept-encoding header says it."""
    return "gzip, br, zstd" if importlib.util.find_spec("cramjam") else "gzip"


def decoded(coding: bytes, raw: bytes, limit: int) -> bytes:
    """Decode a whole body.

    Args:
        coding: the content-encoding header in lower case, not of `PLAIN`.
        raw: not empty.
        limit: bytes that it may open to.

    Raises:
        CodingError: garbled, cut off, larger than `limit`, or a coding that `accepted` does not name.
    """
    name = coding.decode("latin-1")
    if coding in (b"gzip", b"x-gzip"):
        return _gunzip(raw, limit)
    if coding in (b"br", b"zstd") and name in accepted():
        return _opened(name, raw, limit)
    raise CodingError(f"the answer has the content encoding {name!r}, which was not asked for")


def _gunzip(raw: bytes, limit: int) -> bytes:
    """Decode gzip, all members."""
    parts: list[bytes] = []
    left = limit
    for _ in range(MEMBERS):
        inflate = zlib.decompressobj(wbits=31)
        try:
            part = inflate.decompress(raw, left + 1)
        except zlib.error as error:
            raise CodingError(f"the body of the answer is not gzip: {error}") from None
        left -= len(part)
        if left < 0:
            raise _too_large(limit)
        if not inflate.eof:
            raise CodingError("the gzip body of the answer is cut off")
        parts.append(part)
        raw = inflate.unused_data
        if not raw:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise CodingError(f"the gzip body of the answer has more than {MEMBERS} members")


def _opened(name: str, raw: bytes, limit: int) -> bytes:
    """Decode into buffers of growing size: neither coding says how long its content is.

    What follows the end of a brotli stream is not looked at.
    """
    import cramjam

    module: Any = cramjam.brotli if name == "br" else cramjam.zstd
    size = min(limit, max(FIRST_GUESS, 8 * len(raw)))
    while True:
        room = bytearray(size)
        try:
            return bytes(memoryview(room)[: module.decompress_into(raw, room)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise CodingError(f"the body of the answer is not {name}: {error}") from None
        if size >= limit:
            raise _too_large(limit)
        size = min(limit, 8 * size)


def _too_large(limit: int) -> CodingError:
    return CodingError(f"the body of the answer is larger than {limit} bytes when decoded")
