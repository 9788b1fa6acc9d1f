"""The response reader never fails otherwise than declared, and does not care how bytes arrive."""

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from tidelock.discovery.transport import Answer, RegistryProtocolError, Response


def read(chunks: list[bytes]) -> Answer | None:
    response = Response(limit=10_000)
    try:
        for chunk in [*chunks, b""]:
            if response.is_complete:
                break
            response.feed(chunk)
        return response.answer()
    except RegistryProtocolError:
        return None


bodies = st.binary(max_size=200)
pieces = st.lists(st.integers(1, 40), min_size=1, max_size=20)


def cut(wire: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    while start < len(wire):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(wire[start : start + size])
        start += size
    return chunks


def packed(body: bytes, zipped: bool, chunked: bool) -> bytes:
    headers = b"content-encoding: gzip\r\n" if zipped else b""
    sent = gzip.compress(body, mtime=0) if zipped else body
    if chunked:
        framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in cut(sent, [7])) + b"0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\n" + headers + b"transfer-encoding: chunked\r\n\r\n" + framed
    return b"HTTP/1.1 200 OK\r\n" + headers + b"content-length: %d\r\n\r\n" % len(sent) + sent


@given(bodies, st.booleans(), st.booleans(), pieces)
def test_any_body_arrives_whole_however_it_is_cut(
    body: bytes, zipped: bool, chunked: bool, sizes: list[int]
) -> None:
    assert read(cut(packed(body, zipped, chunked), sizes)) == Answer(200, body)


@settings(max_examples=500)
@given(bodies, st.booleans(), st.booleans(), pieces, st.data())
def test_mutated_answers_are_read_or_refused(
    body: bytes, zipped: bool, chunked: bool, sizes: list[int], data: st.DataObject
) -> None:
    wire = bytearray(packed(body, zipped, chunked))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(wire)))
        wire[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    read(cut(bytes(wire), sizes))


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_garbage_is_refused(chunks: list[bytes]) -> None:
    read(chunks)
