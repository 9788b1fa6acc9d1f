"""The parser against h11: generated answers in any pieces are read alike; damaged ones never crash it.

TIDELOCK_TORTURE=1 runs it all: 2,000 answers, each split at every byte. Without, a tenth.
"""

from __future__ import annotations

import gzip
import itertools
import os
from dataclasses import dataclass

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidelock.http.wire.parser import ParseError, ResponseParser

SHARE = 1 if os.environ.get("TIDELOCK_TORTURE") else 10

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(lambda name: f"x-{name}")
VALUE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=0, max_size=30
)  # inner blanks are covered by the unit tests
BODY = st.binary(max_size=300)


@dataclass(frozen=True)
class Answer:
    """A generated answer: its bytes, whether it answers HEAD, and whether the stream ends after it."""

    data: bytes
    is_head: bool
    ends: bool


@dataclass(frozen=True)
class Read:
    """What a reader made of it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    reusable: bool


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    parts, rest = [], body
    while rest:
        size = draw(st.integers(1, len(rest)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b"']))
        parts.append(b"%x%s\r\n%s\r\n" % (size, extension, rest[:size]))
        rest = rest[size:]
    trailers = draw(st.sampled_from([b"", b"x-sum: 1\r\n", b"x-a: b\r\nx-c: d\r\n"]))
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    status = draw(st.sampled_from([200, 200, 201, 204, 302, 304, 404, 500, 503]))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    is_head = draw(st.booleans())
    framing = draw(st.sampled_from(["length", "chunked" if version == b"1.1" else "length", "end"]))
    body = draw(BODY)
    lines = [
        f"{name}: {value}".encode() for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=5))
    ]
    connection = draw(st.sampled_from([b"", b"connection: close", b"Connection: Keep-Alive"]))
    if connection and version == b"1.1":  # h11 never keeps a connection of HTTP/1.0; unit tests cover it
        lines.append(connection)
    payload = b""
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
        payload = body
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        payload = draw(chunked(body))
    elif status not in (204, 304) and not is_head:
        payload = body
    if is_head or status in (204, 304):
        payload = b""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2)) if version == b"1.1" else b""
    order = draw(st.permutations(lines))
    head = b"HTTP/%s %d %s\r\n" % (version, status, draw(st.sampled_from([b"OK", b"", b"Not Found"])))
    data = interim + head + b"".join(line + b"\r\n" for line in order) + b"\r\n" + payload
    return Answer(data, is_head, framing == "end" or draw(st.booleans()))


def ours(answer: Answer, pieces: list[bytes]) -> Read | None:
    parser = ResponseParser()
    parser.start(answer.is_head)
    try:
        for piece in pieces:
            parser.feed(piece)
        reusable = parser.reusable
        if answer.ends and not parser.complete:
            parser.eof()
            reusable = parser.reusable
        if not parser.complete:
            return None
        return Read(parser.status, tuple(parser.headers), parser.body, reusable)
    except ParseError:
        return None


def theirs(answer: Answer) -> Read | None:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    method = b"HEAD" if answer.is_head else b"GET"
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
    connection.send(h11.EndOfMessage())
    status, headers, body = 0, (), b""  # type: tuple[int, tuple[tuple[bytes, bytes], ...], bytes]
    try:
        connection.receive_data(answer.data)
        ended = False
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if ended or not answer.ends:
                    return None
                connection.receive_data(b"")
                ended = True
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, tuple((bytes(n), bytes(v)) for n, v in event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                reusable = connection.our_state is h11.DONE and connection.their_state is h11.DONE
                return Read(status, headers, body, reusable and connection.trailing_data == (b"", False))
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


@settings(max_examples=2000 // SHARE, deadline=None)
@given(answers(), st.lists(st.integers(0, 10_000), max_size=6))
def test_generated_answers_are_read_as_h11_reads_them(answer: Answer, cuts: list[int]) -> None:
    expected = theirs(answer)
    assert expected is not None
    assert ours(answer, pieces_of(answer.data, cuts)) == expected


@settings(max_examples=2000 // SHARE, deadline=None)
@given(answers())
def test_split_at_every_byte(answer: Answer) -> None:
    expected = theirs(answer)
    for cut in range(1, len(answer.data)):
        assert ours(answer, [answer.data[:cut], answer.data[cut:]]) == expected
    assert ours(answer, [bytes([byte]) for byte in answer.data]) == expected


@settings(max_examples=500 // SHARE, deadline=None)
@example(Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True, False), b"0")
@example(Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True, False), b"0\r\n\r\n")
@given(answers(), st.binary(min_size=1, max_size=60).filter(lambda data: data.strip(b"\r\n")))
def test_what_follows_an_answer_never_changes_it_and_never_reaches_the_next(
    answer: Answer, surplus: bytes
) -> None:
    clean = ours(Answer(answer.data, answer.is_head, False), [answer.data])
    if clean is None:
        return  # its end is the stream's end, so nothing can follow
    for pieces in ([answer.data + surplus], [answer.data, surplus]):
        read = ours(Answer(answer.data, answer.is_head, False), pieces)
        assert read == Read(clean.status, clean.headers, clean.body, False)


@settings(max_examples=2000 // SHARE, deadline=None)
@given(answers(), st.data())
def test_damaged_answers_are_refused_or_read_but_never_crash(answer: Answer, data: st.DataObject) -> None:
    damaged = bytearray(answer.data)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(damaged) - 1, 0)))
        kind = data.draw(st.sampled_from(["flip", "drop", "insert", "cut"]))
        if kind == "flip" and damaged:
            damaged[place] = data.draw(st.integers(0, 255))
        elif kind == "drop":
            del damaged[place : place + 1]
        elif kind == "insert":
            damaged.insert(place, data.draw(st.sampled_from(list(b"\r\n \x00:;0a\xff"))))
        else:
            del damaged[place:]
    raw = bytes(damaged)
    cuts = data.draw(st.lists(st.integers(0, 10_000), max_size=4))
    ours(Answer(raw, answer.is_head, answer.ends), pieces_of(raw, cuts))


@settings(max_examples=500 // SHARE, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_at_all(raw: bytes, is_head: bool) -> None:
    ours(Answer(raw, is_head, True), [raw])
    ours(Answer(raw, is_head, True), [b"HTTP/1.1 200 OK\r\n" + raw])


@settings(max_examples=200 // SHARE, deadline=None)
@given(BODY, st.integers(1, 9))
def test_gzip_is_undone(body: bytes, level: int) -> None:
    packed = gzip.compress(body, level)
    parser = ResponseParser()
    parser.start()
    parser.feed(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed))
    parser.feed(packed)
    assert parser.body == body


@pytest.mark.parametrize("reuses", [3])
def test_one_parser_reads_answer_after_answer(reuses: int) -> None:
    @settings(max_examples=300 // SHARE, deadline=None)
    @given(st.lists(answers(), min_size=1, max_size=reuses))
    def check(several: list[Answer]) -> None:
        parser = ResponseParser()
        for answer in several:
            parser.start(answer.is_head)
            parser.feed(answer.data)
            assert parser.complete or answer.ends
            if not parser.reusable:
                return
            alone = ours(answer, [answer.data])
            assert alone == Read(parser.status, tuple(parser.headers), parser.body, True)

    check()
