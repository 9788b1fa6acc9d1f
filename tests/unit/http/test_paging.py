"""Where the next page is: every dialect, and what a service must not be able to do."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.http.exchange import Response
from tidelock.http.paging import Next, Part, moved, read_part, write_part

DECODE = msgspec.json.Decoder(list[int]).decode


def read(document: Any, link: str | None = None) -> Part[int]:
    headers = [] if link is None else [(b"link", link.encode())]
    return read_part(Response(200, headers, msgspec.json.encode(document)), DECODE)


@pytest.mark.parametrize(
    ("document", "link", "after"),
    [
        ([1, 2], None, None),
        ([1, 2], '</o?page=2>; rel="next", </o?page=9>; rel="last"', Next("/o?page=2")),
        ([1, 2], '</o?page=0>; rel="prev"', None),
        ([1, 2], '<https://evil.example/o?x=1>; rel="next"', Next("/o?x=1")),
        ({"items": [1, 2], "cursor": "c"}, None, Next(parameters=(("cursor", "c"),))),
        ({"items": [1, 2], "cursor": None}, None, None),
        ({"results": [1, 2], "next": "http://h/o?page=2&a=%20"}, None, Next("/o?page=2&a=%20")),
        ({"data": [1, 2], "next_cursor": 7}, None, Next(parameters=(("cursor", "7"),))),
        ({"content": [1, 2], "last": False, "number": 0}, None, Next(parameters=(("page", "1"),))),
        ({"content": [1, 2], "last": True, "number": 5}, None, None),
    ],
)
def test_the_next_page_in_every_dialect(document: Any, link: str | None, after: Next | None) -> None:
    assert read(document, link) == Part([1, 2], after)


@pytest.mark.parametrize("document", [{"total": 3}, 3, {"items": 3}, {"items": ["x"]}])
def test_what_is_no_page_is_a_value_error(document: Any) -> None:
    with pytest.raises(ValueError, match=r"list|Expected|Object"):
        read(document)


@given(st.binary(), st.text())
def test_no_answer_can_break_it(body: bytes, link: str) -> None:
    headers = [(b"link", link.encode("utf-8", "replace"))]
    with contextlib.suppress(ValueError):
        read_part(Response(200, headers, body), DECODE)


def test_a_page_is_written_as_it_is_read() -> None:
    part = Part([1, 2], Next(parameters=(("cursor", "a b"),)))
    assert read_part(Response(200, [], write_part(part, msgspec.json.encode)), DECODE) == part


def test_parameters_replace_those_of_the_first_request() -> None:
    assert (
        moved("/o?a=1&cursor=x&b=%20", Next(parameters=(("cursor", "y z"),))) == "/o?a=1&b=%20&cursor=y%20z"
    )
    assert moved("/o", Next(parameters=(("page", "1"),))) == "/o?page=1"
    assert moved("/o?a=1", Next("/p?q=2")) == "/p?q=2"
