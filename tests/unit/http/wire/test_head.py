"""Requests as bytes."""

from __future__ import annotations

import pytest

from tidelock.errors import LocalProtocolError
from tidelock.http.exchange import Request
from tidelock.http.wire.head import check_target, encode, header_lines


def request(body: bytes | None) -> Request:
    return Request("POST", "/orders?a=1", header_lines([("accept", "*/*")]), body, "l", "g", False)


def test_a_first_attempt() -> None:
    assert encode(request(b"{}"), "", "127.0.0.1:80", 1.5, 1) == (
        b"POST /orders?a=1 HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-envoy-expected-rq-timeout-ms: 1500\r\n"
        b"content-length: 2\r\naccept: */*\r\n\r\n{}"
    )


def test_a_later_attempt_says_so_and_a_prefix_goes_before_the_path() -> None:
    data = encode(request(None), "/base", "h", 0.0004, 3)
    assert data.startswith(b"POST /base/orders?a=1 HTTP/1.1\r\n")
    assert b"x-envoy-attempt-count: 3\r\n" in data
    assert b"content-length" not in data
    assert b"timeout-ms: 0\r\n" in data


@pytest.mark.parametrize(
    ("name", "value"), [("x", "a\r\nb: c"), ("x", "a\nb"), ("x y", "a"), ("", "a"), ("x:", "a"), ("x", "\0")]
)
def test_nothing_breaks_out_of_its_header_line(name: str, value: str) -> None:
    with pytest.raises(LocalProtocolError):
        header_lines([(name, value)])


def test_values_beyond_latin_1_go_as_utf_8() -> None:
    assert header_lines([("x", "é"), ("y", "순서")]) == "x: é\r\n".encode("latin-1") + "y: 순서\r\n".encode()


@pytest.mark.parametrize("target", ["", "orders", "/a b", "/a\r\nx: y", "/é"])
def test_a_target_is_percent_encoded_and_begins_with_a_slash(target: str) -> None:
    with pytest.raises(LocalProtocolError):
        check_target(target)
