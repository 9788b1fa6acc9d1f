"""The recovery checkpoint: what a partition knew at a durable point inside its active segment.

A scan after a crash builds indexes, producer state and aborted transactions by reading batches. Whoever
finds a checkpoint takes all that from it and reads only what was appended behind its position: megabytes
instead of the whole segment. It is written after the sync that made everything before it durable, and is
itself never synced: its checksum tells whether it is whole, and an old one, or none, only makes the scan
longer. One file a partition, replaced each time.

Pure. Invariant: a checkpoint that can be read proves that every byte before `offset` had been made durable.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from tidelock.protocol.checksum import crc32c

RESUME_FILE = "recovery-checkpoint"
RESUME_VERSION = 1

_HEAD = Struct(">hI")  # version, crc of everything behind it
_NUMBERS = Struct(">16sqqqqqq")
_LENGTHS = Struct(">iiii")


class Resume(NamedTuple):
    """One checkpoint.

    Args:
        topic_id: of the topic; a file of the same name may be an earlier one's.
        base_offset: of the segment.
        offset: the first that is not covered.
        position: where its batch begins, or will begin, in the segment's `.log`.
        unindexed: bytes since the last entry of the offset index.
        max_timestamp: greatest of the covered records; -1 without any.
        max_timestamp_offset: last offset of its batch.
        offset_index: as in `.index`.
        time_index: as in `.timeindex`.
        aborted: as in `.txnindex`.
        producers: as in `.snapshot`.
    """

    topic_id: bytes
    base_offset: int
    offset: int
    position: int
    unindexed: int
    max_timestamp: int
    max_timestamp_offset: int
    offset_index: bytes
    time_index: bytes
    aborted: bytes
    producers: bytes

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        blobs = self[7:]
        body = b"".join((_NUMBERS.pack(*self[:7]), _LENGTHS.pack(*map(len, blobs)), *blobs))
        return _HEAD.pack(RESUME_VERSION, crc32c(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Resume | None:
        """Read a file; None when it is torn, of another version or no checkpoint at all."""
        at = _HEAD.size + _NUMBERS.size + _LENGTHS.size
        if len(data) < at:
            return None
        version, crc = _HEAD.unpack_from(data)
        if version != RESUME_VERSION or crc32c(memoryview(data)[_HEAD.size :]) != crc:
            return None
        found: list[Any] = list(_NUMBERS.unpack_from(data, _HEAD.size))
        lengths = _LENGTHS.unpack_from(data, at - _LENGTHS.size)
        if min(lengths) < 0 or at + sum(lengths) != len(data):
            return None
        for length in lengths:
            found.append(data[at : at + length])
            at += length
        return cls(*found)
