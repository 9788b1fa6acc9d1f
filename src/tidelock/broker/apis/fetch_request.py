"""Reads a Fetch request, v4-18, off the receive buffer; nothing in the result refers to the buffer."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error

from tidelock.broker.apis.limits import Entries
from tidelock.broker.fetch_sessions import FINAL_EPOCH, Topics, Wanted
from tidelock.protocol.primitives import MalformedMessage, read_uvarint, skip_tags, write_uvarint

FLEXIBLE_SINCE, TOPIC_IDS_SINCE = 12, 13

_short = Struct(">h").unpack_from
_int = Struct(">i").unpack_from
_limits = Struct(">iiib").unpack_from
_session = Struct(">ii").unpack_from
# One partition by version: index, [leader epoch,] offset, [last epoch,] [log start,] max bytes.
_V4, _V5, _V9, _V12 = Struct(">iqi"), Struct(">iqqi"), Struct(">iiqqi"), Struct(">iiqiqi")


@dataclass(slots=True)
class FetchRequest:
    """A Fetch.

    Args:
        session_id: 0 = none yet.
        session_epoch: -1 = no session wanted, 0 = a new one, otherwise the next of an open one.
        topics: (name or id, partitions).
        forgotten: (name or id, partition) that leave the session.
    """

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation: int
    session_id: int
    session_epoch: int
    topics: Topics
    forgotten: list[tuple[str | bytes, int]]


def read_request(frame: memoryview, pos: int, version: int) -> FetchRequest:
    """Read the body that starts at `pos`.

    Raises:
        MalformedMessage: it is not a Fetch of this version.
    """
    entries = Entries(frame)
    try:
        if version < 15:
            pos += 4
        max_wait_ms, min_bytes, max_bytes, isolation = _limits(frame, pos)
        pos += 13
        session_id, session_epoch = 0, FINAL_EPOCH
        if version >= 7:
            session_id, session_epoch = _session(frame, pos)
            pos += 8
        flexible = version >= FLEXIBLE_SINCE
        topics, pos = (_flexible_topics if flexible else _topics)(frame, pos, version, entries)
        forgotten: list[tuple[str | bytes, int]] = []
        if session_id:
            forgotten, pos = _forgotten(frame, pos, version, entries)
    except (struct_error, IndexError, ValueError) as error:
        raise MalformedMessage(f"a Fetch v{version} is cut short or garbled: {error}") from None
    if pos > len(frame):
        raise MalformedMessage(f"a Fetch v{version} is cut short")
    # The rack that may follow means nothing with one broker.
    return FetchRequest(
        max_wait_ms, min_bytes, max_bytes, isolation, session_id, session_epoch, topics, forgotten
    )


def topic_bytes(topic: str | bytes, version: int) -> bytes:
    """Return a topic's name or id as a response of this version has it."""
    if isinstance(topic, bytes):
        return topic
    raw = topic.encode()
    if version < FLEXIBLE_SINCE:
        return len(raw).to_bytes(2, "big") + raw
    out = bytearray()
    write_uvarint(out, len(raw) + 1)
    return bytes(out + raw)


def _topics(frame: memoryview, pos: int, version: int, entries: Entries) -> tuple[Topics, int]:
    layout = _V9 if version >= 9 else _V5 if version >= 5 else _V4
    (count,) = _int(frame, pos)
    pos += 4
    topics: Topics = []
    for _ in range(entries.allowed(count)):
        (size,) = _short(frame, pos)
        name = str(frame[pos + 2 : pos + 2 + max(size, 0)], "utf-8")
        pos += 2 + max(size, 0)
        (partitions,) = _int(frame, pos)
        pos += 4
        wanted = []
        for _ in range(entries.allowed(partitions)):
            wanted.append(_wanted(layout.unpack_from(frame, pos), version))
            pos += layout.size
        topics.append((name, wanted))
    return topics, pos


def _wanted(fields: tuple[int, ...], version: int) -> Wanted:
    if version >= 9:
        return Wanted(fields[0], fields[1], fields[2], -1, fields[4])
    return Wanted(fields[0], -1, fields[1], -1, fields[-1])


def _flexible_topics(frame: memoryview, pos: int, version: int, entries: Entries) -> tuple[Topics, int]:
    count, pos = read_uvarint(frame, pos)
    topics: Topics = []
    for _ in range(entries.allowed(count - 1)):
        topic, pos = _topic(frame, pos, version)
        partitions, pos = read_uvarint(frame, pos)
        wanted = []
        for _ in range(entries.allowed(partitions - 1)):
            index, epoch, offset, last_epoch, _, max_bytes = _V12.unpack_from(frame, pos)
            pos = skip_tags(frame, pos + _V12.size)
            wanted.append(Wanted(index, epoch, offset, last_epoch, max_bytes))
        pos = skip_tags(frame, pos)
        topics.append((topic, wanted))
    return topics, pos


def _topic(frame: memoryview, pos: int, version: int) -> tuple[str | bytes, int]:
    if version >= TOPIC_IDS_SINCE:
        return bytes(frame[pos : pos + 16]), pos + 16
    if version >= FLEXIBLE_SINCE:
        size, pos = read_uvarint(frame, pos)
        size -= 1
    else:
        (size,) = _short(frame, pos)
        pos += 2
    end = pos + max(size, 0)
    return str(frame[pos:end], "utf-8"), end


def _forgotten(
    frame: memoryview, pos: int, version: int, entries: Entries
) -> tuple[list[tuple[str | bytes, int]], int]:
    found: list[tuple[str | bytes, int]] = []
    count, pos = _length(frame, pos, version, entries)
    for _ in range(count):
        topic, pos = _topic(frame, pos, version)
        partitions, pos = _length(frame, pos, version, entries)
        found += [(topic, _int(frame, pos + 4 * number)[0]) for number in range(partitions)]
        pos += 4 * partitions
        if version >= FLEXIBLE_SINCE:
            pos = skip_tags(frame, pos)
    return found, pos


def _length(frame: memoryview, pos: int, version: int, entries: Entries) -> tuple[int, int]:
    """An array's length, checked, and where its elements start."""
    if version >= FLEXIBLE_SINCE:
        count, pos = read_uvarint(frame, pos)
        return entries.allowed(count - 1), pos
    return entries.allowed(_int(frame, pos)[0]), pos + 4
