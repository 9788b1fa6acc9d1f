"""Heads that are looked up: the same answer as from llhttp, and never where they do not apply."""

from __future__ import annotations

import itertools

import pytest

from tidelock.http.wire import known
from tidelock.http.wire.parser import ParseError, ResponseParser

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nx-test: known\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, known.Known]:
    heads: dict[bytes, known.Known] = {}
    monkeypatch.setattr(known, "_heads", heads)
    return heads


def answered(parser: ResponseParser, *pieces: bytes, head: bool = False) -> tuple[object, ...]:
    parser.start(head)
    for piece in pieces:
        parser.feed(piece)
    return parser.complete, parser.status, parser.headers, parser.body, parser.reusable


def test_an_answer_read_before_is_the_same_answer(nothing_known: dict[bytes, known.Known]) -> None:
    parser = ResponseParser()
    first = answered(parser, ANSWER)
    assert len(nothing_known) == 1
    assert first == answered(parser, ANSWER) == answered(ResponseParser(), ANSWER)
    assert first[3] == b"hello"
    parser.headers.clear()  # whoever gets the list may do with it what he likes
    assert answered(parser, ANSWER) == first


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_pieces_are_read_as_ever(cut: int) -> None:
    parser = ResponseParser()
    expected = answered(parser, ANSWER)
    assert answered(parser, ANSWER[:cut], ANSWER[cut:]) == expected
    assert answered(parser, ANSWER) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        ANSWER + b"more",
    ],
)
def test_what_is_not_plain_is_not_remembered(answer: bytes, nothing_known: dict[bytes, known.Known]) -> None:
    parser = ResponseParser()
    parser.start()
    parser.feed(answer)
    assert parser.complete
    assert not nothing_known


def test_limits_hold_for_what_another_has_read() -> None:
    answered(ResponseParser(), ANSWER)
    for limits in ({"body_limit": 4}, {"head_limit": 20}):
        with pytest.raises(ParseError, match="larger than"):
            answered(ResponseParser(**limits), ANSWER)


def test_an_answer_to_head_has_no_body_whatever_is_known() -> None:
    parser = ResponseParser()
    expected = answered(parser, ANSWER)
    end = ANSWER.index(b"hello")
    assert answered(parser, ANSWER[:end], head=True)[3:] == (b"", True)
    assert answered(ResponseParser(), ANSWER) == expected


def test_what_follows_makes_the_connection_unusable() -> None:
    parser = ResponseParser()
    answered(parser, ANSWER)
    assert answered(parser, ANSWER, b"HTTP/1.1")[4] is False


def test_memory_is_bounded(nothing_known: dict[bytes, known.Known]) -> None:
    parser = ResponseParser()
    for number in itertools.islice(itertools.count(), known.HEADS + 10):
        answered(parser, b"HTTP/1.1 200 OK\r\nx-n: %d\r\ncontent-length: 0\r\n\r\n" % number)
    assert len(nothing_known) <= known.HEADS
    long = b"HTTP/1.1 200 OK\r\nx-n: %b\r\ncontent-length: 0\r\n\r\n" % (b"n" * known.LIMIT)
    nothing_known.clear()
    answered(parser, long)
    assert not nothing_known
