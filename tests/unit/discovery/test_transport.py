import gzip

import pytest

from tidelock.discovery.transport import RegistryProtocolError, Response, Target
from tidelock.errors import UsageError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h:8761/eureka/", "http://h:8761/eureka/"),
        ("http://h:8761/eureka", "http://h:8761/eureka/"),
        ("http://h", "http://h:80/"),
        ("https://h/e", "https://h:443/e/"),
        ("http://[::1]:8761/eureka/", "http://[::1]:8761/eureka/"),
        ("http://u:p%40s@h:1/eureka/", "http://h:1/eureka/"),
        ("http://bücher.example:1/é", "http://xn--bcher-kva.example:1/%C3%A9/"),
    ],
)
def test_a_url_becomes_a_target(url: str, shown: str) -> None:
    assert Target.of(url).shown == shown


@pytest.mark.parametrize(
    "url", ["", "h:1", "ftp://h/", "http://", "http://h:x/", "http://h:99999/", "http://a..b/"]
)
def test_what_is_no_url_of_a_registry_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        Target.of(url)


def test_user_and_password_become_a_header_and_are_never_shown() -> None:
    target = Target.of("http://user:s%40cret@h:1/eureka/")
    assert b"authorization: Basic dXNlcjpzQGNyZXQ=\r\n" in target.head("GET", "apps/", b"", "")
    assert "cret" not in repr(target) + target.shown


def test_a_request_s_head_names_host_length_and_type() -> None:
    head = Target.of("http://h:1/eureka/").head("POST", "apps/A", b"{}", "application/json")
    assert head.startswith(b"POST /eureka/apps/A HTTP/1.1\r\nhost: h:1\r\n")
    assert b"content-length: 2\r\n" in head
    assert b"content-type: application/json\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert b"content-length: 0" in Target.of("http://h/").head("PUT", "a", b"", "")
    assert b"content-length" not in Target.of("http://h/").head("GET", "a", b"", "")


ZIPPED = gzip.compress(b"hello", mtime=0)
LENGTH = b"content-length: %d\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
GOOD = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", True),
    (b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, b"hello", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 404, b"", False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, b"x", True),
    (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + LENGTH % len(ZIPPED) + b"\r\n" + ZIPPED,
        200,
        b"hello",
        True,
    ),
]


@pytest.mark.parametrize(("wire", "status", "body", "reusable"), GOOD)
def test_an_answer_is_read_however_it_is_cut(wire: bytes, status: int, body: bytes, reusable: bool) -> None:
    for size in (1, 2, 3, 7, len(wire)):
        response = Response()
        for start in range(0, len(wire), size):
            assert not response.is_complete
            response.feed(wire[start : start + size])
        assert response.is_complete
        assert (response.answer().status, response.answer().body) == (status, body)
        assert response.is_reusable is reusable


def test_a_body_without_length_ends_with_the_connection() -> None:
    response = Response()
    response.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    response.feed(b"lo")
    assert not response.is_complete
    response.feed(b"")
    assert response.is_complete
    assert (response.answer().body, response.is_reusable) == (b"hello", False)


BAD = [
    (b"garbage\r\n\r\n", "not HTTP"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "not HTTP"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", "in the middle"),
    (b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n2\r\nhe\r\n", "in the middle"),
    (b"HTTP/1.1 200 OK\r\n", "in the middle"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n" + b"x" * 200, "larger than 100 bytes"),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxy", "cannot be decompressed"),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n" + ZIPPED[:20], "gzip stream"),
]
BOMB = gzip.compress(b"x" * 10_000, mtime=0)
BAD.append(
    (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n" + LENGTH % len(BOMB) + b"\r\n" + BOMB,
        "larger than 100 bytes",
    )
)


@pytest.mark.parametrize(("wire", "reason"), BAD)
def test_a_broken_answer_is_refused_with_the_reason(wire: bytes, reason: str) -> None:
    with pytest.raises(RegistryProtocolError, match=reason):
        read_whole(wire)


def read_whole(wire: bytes) -> None:
    response = Response(limit=100)
    for data in (wire, b""):
        response.feed(data)
        if response.is_complete:
            response.answer()
