"""Cutting a body into values: the same in any pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.http import framing
from tidelock.http.framing import NDJSON, SSE, Cutter, Events, Lines, cutter, framed


def cut(made: Cutter, *pieces: bytes) -> list[bytes]:
    found: list[bytes] = []
    for piece in pieces:
        found += made.feed(piece)
    return found + made.end()


CASES: list[tuple[Callable[[], Cutter], bytes, list[bytes]]] = [
    (Lines, b'{"a":1}\n\n  \n{"b":2}\r\nlast', [b'{"a":1}', b'{"b":2}\r', b"last"]),
    (Events, b"\xef\xbb\xbfdata: a\ndata:b\n\n", [b"a\nb"]),
    (Events, b": comment\nid: 1\nevent: x\n\ndata\n\ndata: \xc3\xbc\r\n\r\n", [b"", "ü".encode()]),
    (Events, b"data: 1\r\rdata: 2\r\n\r\ndata: unfinished\n", [b"1", b"2"]),
    (Events, b"retry: 5\ndata:  two spaces\n\n", [b" two spaces"]),
]


@pytest.mark.parametrize(("make", "body", "values"), CASES)
def test_any_pieces_give_the_same_values(
    make: Callable[[], Cutter], body: bytes, values: list[bytes]
) -> None:
    assert cut(make(), body) == values
    assert cut(make(), *(bytes([byte]) for byte in body)) == values
    for at in range(len(body)):
        assert cut(make(), body[:at], body[at:]) == values


@given(st.lists(st.binary(max_size=20)), st.sampled_from([Lines, Events]))
def test_no_bytes_can_break_it(pieces: list[bytes], make: Callable[[], Cutter]) -> None:
    assert cut(make(), *pieces) == cut(make(), b"".join(pieces))


@given(st.lists(st.text().map(lambda text: text.replace("\r", " ").encode("utf-8", "replace"))))
def test_what_is_framed_is_cut(values: list[bytes]) -> None:
    assert cut(Events(), *(framed(value, SSE) for value in values)) == values
    lines = [value for value in values if value.strip() and b"\n" not in value]
    assert cut(Lines(), *(framed(value, NDJSON) for value in lines)) == lines


def test_a_value_without_an_end_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "LIMIT", 100)
    for made in (Lines(), Events()):
        with pytest.raises(ValueError, match="larger than 100 bytes"):
            cut(made, *([b"data: " + b"x" * 10] * 20))


def test_the_media_type_decides() -> None:
    assert isinstance(cutter("Text/Event-Stream; charset=utf-8", False), Events)
    assert isinstance(cutter(None, False), Lines)
    assert cut(cutter(SSE, True), b"a", b"b") == [b"a", b"b"]
