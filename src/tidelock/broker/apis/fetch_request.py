"""Reads a Fetch request, v4-18, off the receive buffer; nothing in the result refers to the buffer."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from tidelock.protocol.primitives import MalformedMessage, read_uvarint, skip_tags

FLEXIBLE_SINCE, TOPIC_IDS_SINCE = 12, 13

_short = Struct(">h").unpack_from
_int = Struct(">i").unpack_from
_limits = Struct(">iiib").unpack_from
_session = Struct(">ii").unpack_from
# One partition by version: index, [leader epoch,] offset, [last epoch,] [log start,] max bytes.
_V4, _V5, _V9, _V12 = Struct(">iqi"), Struct(">iqqi"), Struct(">iiqqi"), Struct(">iiqiqi")


class Wanted(NamedTuple):
    """One partition to read; epochs are -1 where the client does not say them."""

    partition: int
    leader_epoch: int
    offset: int
    last_epoch: int
    max_bytes: int


@dataclass(slots=True)
class FetchRequest:
    """A Fetch.

    Args:
        topics: (name or id as on the wire, for the response; name or id; partitions).
    """

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation: int
    session_id: int
    topics: list[tuple[bytes, str | bytes, list[Wanted]]]


def read_request(frame: memoryview, pos: int, version: int) -> FetchRequest:
    """Read the body that starts at `pos`.

    Raises:
        MalformedMessage: it is not a Fetch of this version.
    """
    try:
        if version < 15:
            pos += 4
        max_wait_ms, min_bytes, max_bytes, isolation = _limits(frame, pos)
        pos += 13
        session_id = 0
        if version >= 7:
            session_id, _ = _session(frame, pos)
            pos += 8
        flexible = version >= FLEXIBLE_SINCE
        topics, pos = _flexible_topics(frame, pos, version) if flexible else _topics(frame, pos, version)
    except (struct_error, IndexError, ValueError) as error:
        raise MalformedMessage(f"a Fetch v{version} is cut short or garbled: {error}") from None
    if pos > len(frame):
        raise MalformedMessage(f"a Fetch v{version} is cut short")
    # Forgotten topics and the rack that may follow mean nothing without sessions and with one broker.
    return FetchRequest(max_wait_ms, min_bytes, max_bytes, isolation, session_id, topics)


Topics = list[tuple[bytes, str | bytes, list[Wanted]]]


def _topics(frame: memoryview, pos: int, version: int) -> tuple[Topics, int]:
    layout = _V9 if version >= 9 else _V5 if version >= 5 else _V4
    (count,) = _int(frame, pos)
    pos += 4
    topics: Topics = []
    for _ in range(_checked(count, frame)):
        (size,) = _short(frame, pos)
        raw = bytes(frame[pos : pos + 2 + max(size, 0)])
        pos += len(raw)
        (partitions,) = _int(frame, pos)
        pos += 4
        wanted = []
        for _ in range(_checked(partitions, frame)):
            wanted.append(_wanted(layout.unpack_from(frame, pos), version))
            pos += layout.size
        topics.append((raw, raw[2:].decode(), wanted))
    return topics, pos


def _wanted(fields: tuple[int, ...], version: int) -> Wanted:
    if version >= 9:
        return Wanted(fields[0], fields[1], fields[2], -1, fields[4])
    return Wanted(fields[0], -1, fields[1], -1, fields[-1])


def _flexible_topics(frame: memoryview, pos: int, version: int) -> tuple[Topics, int]:
    count, pos = read_uvarint(frame, pos)
    topics: Topics = []
    for _ in range(_checked(count - 1, frame)):
        start = pos
        topic: str | bytes
        if version >= TOPIC_IDS_SINCE:
            pos += 16
            topic = raw = bytes(frame[start:pos])
        else:
            size, at = read_uvarint(frame, pos)
            pos = at + max(size - 1, 0)
            raw, topic = bytes(frame[start:pos]), str(frame[at:pos], "utf-8")
        partitions, pos = read_uvarint(frame, pos)
        wanted = []
        for _ in range(_checked(partitions - 1, frame)):
            index, epoch, offset, last_epoch, _, max_bytes = _V12.unpack_from(frame, pos)
            pos = skip_tags(frame, pos + _V12.size)
            wanted.append(Wanted(index, epoch, offset, last_epoch, max_bytes))
        pos = skip_tags(frame, pos)
        topics.append((raw, topic, wanted))
    return topics, pos


def _checked(count: int, frame: memoryview) -> int:
    """A count of elements that a frame of this size can hold; a null array is empty."""
    if count > len(frame):
        raise MalformedMessage(f"a Fetch says it has {count} elements in {len(frame)} bytes")
    return max(count, 0)
