"""Content codings: what each opens to, how much at most, and what is refused."""

from __future__ import annotations

import gzip
import importlib.util
import zlib

import cramjam
import pytest

from tidelock.http.wire.codings import CodingError, accepted, decoded

TEXT = b"orders and users, " * 40_000  # more than the first guess of a buffer


def packed(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(data[:10]) + gzip.compress(data[10:])  # two members are one body
    return bytes((cramjam.brotli if coding == "br" else cramjam.zstd).compress(data))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_each_coding_is_decoded_and_bounded(coding: str) -> None:
    assert coding in accepted()
    assert decoded(coding.encode(), packed(coding, TEXT), len(TEXT)) == TEXT
    bomb = packed(coding, bytes(10_000_000))
    with pytest.raises(CodingError, match="larger than 1000000 bytes when decoded"):
        decoded(coding.encode(), bomb, 1_000_000)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_the_coding_did_not_write_is_refused(coding: str) -> None:
    good = packed(coding, TEXT)
    for wrong in (good[:-4], b"neither packed nor small", zlib.compress(b"x")):
        with pytest.raises(CodingError):
            decoded(coding.encode(), wrong, 100_000_000)


def test_a_body_of_countless_tiny_members_is_refused_before_it_takes_long() -> None:
    with pytest.raises(CodingError, match="more than 100 members"):
        decoded(b"gzip", gzip.compress(b"") * 20_000, 1_000_000)


def test_without_cramjam_only_gzip_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    accepted.cache_clear()
    try:
        assert accepted() == "gzip"
        with pytest.raises(CodingError, match="'br', which was not asked for"):
            decoded(b"br", packed("br", TEXT), len(TEXT))
    finally:
        accepted.cache_clear()
