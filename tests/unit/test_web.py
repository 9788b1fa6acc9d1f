import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from tidelock import web


class Request:
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.read = 0

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.read += 1
            yield chunk


class Order(msgspec.Struct):
    lines: int


def test_a_json_body_is_decoded() -> None:
    assert asyncio.run(web.read_json(Request(b'{"lin', b'es": 3}'))) == {"lines": 3}
    assert asyncio.run(web.read_json(Request(b'{"lines": 3}'), Order)) == Order(3)


def test_a_bare_asgi_receive_is_read_to_its_end() -> None:
    messages = iter([{"body": b"[1,", "more_body": True}, {"body": b"2]"}])

    async def receive() -> dict[str, object]:
        return next(messages)

    assert asyncio.run(web.read_json(receive)) == [1, 2]


def test_a_malformed_body_says_line_and_column() -> None:
    with pytest.raises(web.MalformedBodyError, match="line 2, column 7") as caught:
        asyncio.run(web.read_json(Request(b'{\n "a": x}')))
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"", b"  ", b'{"lines": "x"}', b"\xff\xfe", b'"\xff"', b"[" * 100_000])
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(web.MalformedBodyError):
        asyncio.run(web.read_json(Request(body), Order))


def test_the_path_of_a_wrong_field_is_named() -> None:
    with pytest.raises(web.MalformedBodyError, match=r"\$\.lines"):
        asyncio.run(web.read_json(Request(b'{"lines": "x"}'), Order))


def test_a_body_above_the_limit_is_not_read_further() -> None:
    request = Request(b"x" * 6, b"x" * 6, b"x" * 6)
    with pytest.raises(web.BodyTooLargeError) as caught:
        asyncio.run(web.read_body(request, limit=10))
    assert caught.value.status == 413
    assert request.read == 2


def test_a_json_response_carries_status_and_type() -> None:
    response = web.json_response({"a": Order(1)}, status=201)
    assert response.status_code == 201
    assert response.body == b'{"a":{"lines":1}}'
    assert response.headers["content-type"] == "application/json"
