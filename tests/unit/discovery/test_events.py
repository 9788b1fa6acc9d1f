"""Server-sent events out of bytes, and the response that carries them."""

import pytest

from tidelock.discovery.events import Event, EventReader, StreamResponse
from tidelock.discovery.transport import RegistryProtocolError

STREAM = (
    b"retry: 1000\n\n:\n\nack: 1\nid: e:1\nevent: full\ndata: {}\n\nevent: delta\r\ndata:a\r\ndata: b\r\n\r\n"
)
EVENTS = [Event("full", "e:1", b"{}", asks_ack=True), Event("delta", "e:1", b"a\nb")]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_come_out_whole_however_the_bytes_are_cut(size: int) -> None:
    reader = EventReader()
    found = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]
    assert found == EVENTS


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"data: " + b"x" * 90 + b"\ndata: " + b"x" * 90])
def test_an_event_without_end_is_given_up(data: bytes) -> None:
    with pytest.raises(RegistryProtocolError, match="larger than 100 bytes"):
        EventReader(limit=100).feed(data)


@pytest.mark.parametrize(
    ("head", "pushes"),
    [
        (b"200 OK\r\ncontent-type: text/event-stream; charset=utf-8", True),
        (b"200 OK\r\ncontent-type: application/json", False),
        (b"200 OK", False),
        (b"404 Not Found\r\ncontent-type: text/event-stream", False),
    ],
)
def test_only_an_event_stream_is_push(head: bytes, pushes: bool) -> None:
    response = StreamResponse()
    body = response.feed(b"HTTP/1.1 " + head + b"\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert (response.has_head, response.is_event_stream, body) == (True, pushes, b"abc")
    assert not response.is_over
    response.feed(b"0\r\n\r\n")
    assert response.is_over


def test_what_is_not_http_is_told() -> None:
    with pytest.raises(RegistryProtocolError, match="not HTTP"):
        StreamResponse().feed(b"* OK IMAP ready\r\n\r\n")
