"""Answers from bytes: framing, limits, codings, and what must never be reused."""

from __future__ import annotations

import pytest

from tidelock.http.wire.parser import ParseError, ResponseParser

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def parse(*pieces: bytes, head: bool = False, eof: bool = False, **limits: int) -> ResponseParser:
    parser = ResponseParser(**limits)
    parser.start(head)
    for piece in pieces:
        parser.feed(piece)
    if eof:
        parser.eof()
    return parser


def test_a_plain_answer() -> None:
    parser = parse(OK)
    assert (parser.complete, parser.status, parser.body, parser.reusable) == (True, 200, b"ok", True)
    assert parser.headers == [(b"content-length", b"2")]


def test_any_piece_may_be_a_single_byte() -> None:
    whole = parse(*(bytes([byte]) for byte in OK))
    assert (whole.status, whole.body, whole.headers) == (200, b"ok", [(b"content-length", b"2")])


def test_names_are_lower_case_and_values_stay() -> None:
    parser = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Tag: A b\r\n\r\n")
    assert parser.headers[1] == (b"x-tag", b"A b")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_an_answer_to_head_has_no_body_and_the_connection_goes_on(answer: bytes) -> None:
    parser = parse(answer, head=True)
    assert (parser.complete, parser.body, parser.reusable) == (True, b"", True)
    parser.start()
    parser.feed(OK)
    assert (parser.complete, parser.body, parser.reusable) == (True, b"ok", True)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("framing", [b"", b"content-length: 5\r\n"])
def test_204_and_304_have_no_body(status: int, framing: bytes) -> None:
    parser = parse(b"HTTP/1.1 %d x\r\n%s\r\n" % (status, framing))
    assert (parser.complete, parser.body, parser.reusable) == (True, b"", True)
    parser.start()
    parser.feed(OK)
    assert parser.body == b"ok"


def test_interim_answers_are_skipped() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nx: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    parser = parse(interim + OK)
    assert (parser.status, parser.headers) == (200, [(b"content-length", b"2")])


def test_switching_protocols_is_refused() -> None:
    with pytest.raises(ParseError, match="switches protocols"):
        parse(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")


def test_chunks_with_extensions_and_trailers() -> None:
    chunks = b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 1\r\n\r\n"
    parser = parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)
    assert (parser.body, parser.headers) == (b"abcde", [(b"transfer-encoding", b"chunked")])
    assert parser.reusable


def test_without_length_the_end_of_the_stream_is_the_end_of_the_body() -> None:
    parser = parse(b"HTTP/1.1 200 OK\r\n\r\nab", b"c")
    assert not parser.complete
    parser.eof()
    assert (parser.complete, parser.body, parser.reusable) == (True, b"abc", False)


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"HTTP/1.1 2", b""])
def test_an_answer_that_is_cut_off_is_none(cut: bytes) -> None:
    with pytest.raises(ParseError, match="ended in the middle"):
        parse(cut, eof=True) if cut else parse(eof=True)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: Keep-Alive\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
@pytest.mark.parametrize("is_head", [False, True])
def test_keep_alive(head: bytes, reusable: bool, is_head: bool) -> None:
    assert parse(head + b"content-length: 0\r\n\r\n", head=is_head).reusable is reusable


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\n", OK, b"\x00" * 100])
def test_what_follows_the_answer_makes_the_connection_unusable(surplus: bytes) -> None:
    together = parse(OK + surplus)
    assert (together.body, together.reusable) == (b"ok", False)
    apart = parse(OK, surplus)
    assert (apart.body, apart.reusable) == (b"ok", False)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_answer_is_refused(garbage: bytes) -> None:
    with pytest.raises(ParseError):
        parse(garbage)


def test_a_large_head_is_refused_however_it_comes() -> None:
    with pytest.raises(ParseError, match="head of the answer is larger than 1000"):
        parse(b"HTTP/1.1 200 OK\r\n", *[b"a: " + b"b" * 90 + b"\r\n"] * 20, head_limit=1000)
    with pytest.raises(ParseError, match="head of the answer is larger than 1000"):
        parse(b"HTTP/1.1 200 OK\r\nx: ", *[b"b" * 90] * 20, head_limit=1000)
    with pytest.raises(ParseError, match="head of the answer is larger than 1000"):
        parse(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
            *[b"b" * 90] * 20,
            head_limit=1000,
        )


def test_64_kib_of_headers_pass() -> None:
    lines = b"".join(b"x-%05d: %s\r\n" % (number, b"v" * 240) for number in range(256))
    assert len(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + lines + b"\r\n").headers) == 257


def test_a_large_body_is_refused() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 100
    assert parse(answer, body_limit=100).complete
    with pytest.raises(ParseError, match="larger than 99 bytes"):
        parse(answer, body_limit=99)


def test_a_large_body_after_the_head_in_one_piece_is_no_large_head() -> None:
    body = b"x" * 5000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + body
    assert parse(answer, head_limit=1000).body == body


def test_a_content_coding_that_was_not_asked_for_is_refused() -> None:
    parser = parse(b"HTTP/1.1 200 OK\r\ncontent-encoding: lzma\r\ncontent-length: 1\r\n\r\nx")
    with pytest.raises(ParseError, match="'lzma'"):
        _ = parser.body
