"""Sparse indexes of one segment: offset -> position and timestamp -> offset, in Kafka's file formats.

Both are hints over the `.log` file: every few kilobytes one entry, so that a look-up reads a little of the
log instead of all of it. They live in memory as flat arrays and are written as whole files when a segment
is sealed or the partition stops cleanly; after a crash they are built again from the log, which alone is
the truth.

Pure: bytes in, bytes out. Invariant: offsets, positions and timestamps never decrease from entry to entry.

Source: Kafka `OffsetIndex` (int32 relative offset, int32 position) and `TimeIndex` (int64 timestamp, int32
relative offset), both big-endian.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right

SWAP = sys.byteorder == "little"
POSITION_BITS = 32
POSITION_MASK = (1 << POSITION_BITS) - 1
TIME_ENTRY = struct.Struct(">qi")


class OffsetIndex:
    """Offset -> position of the batch that ends with it.

    One entry is a single integer, relative offset in the upper half and position in the lower: that sorts by
    offset, and eight big-endian bytes of it are exactly Kafka's entry.
    """

    __slots__ = ("_entries", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._entries = array("q")

    @classmethod
    def from_bytes(cls, base_offset: int, data: bytes, log_size: int) -> OffsetIndex | None:
        """Read an `.index` file; None when it cannot belong to a log of this size."""
        index = cls(base_offset)
        if len(data) % 8:
            return None
        index._entries.frombytes(data)
        if SWAP:
            index._entries.byteswap()
        last_offset = last_position = -1
        for entry in index._entries:
            offset, position = entry >> POSITION_BITS, entry & POSITION_MASK
            if offset < 0 or offset <= last_offset or position <= last_position:
                return None
            last_offset, last_position = offset, position
        return index if last_position < log_size else None

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, last_offset: int, position: int) -> None:
        """Note that the batch ending with `last_offset` starts at `position`."""
        self._entries.append((last_offset - self.base_offset) << POSITION_BITS | position)

    def position_for(self, offset: int) -> int:
        """Return a batch start at or before the batch that contains `offset`; 0 when no entry is below it."""
        found = bisect_right(self._entries, (offset - self.base_offset) << POSITION_BITS | POSITION_MASK)
        return self._entries[found - 1] & POSITION_MASK if found else 0

    def last_position_until(self, position: int) -> int:
        """Return the greatest known batch start that is not after `position`; 0 when there is none."""
        low, high = 0, len(self._entries)
        while low < high:
            middle = (low + high) // 2
            if self._entries[middle] & POSITION_MASK <= position:
                low = middle + 1
            else:
                high = middle
        return self._entries[low - 1] & POSITION_MASK if low else 0

    def to_bytes(self) -> bytes:
        """Return the content of an `.index` file."""
        if not SWAP:
            return self._entries.tobytes()
        swapped = array("q", self._entries)
        swapped.byteswap()
        return swapped.tobytes()


class TimeIndex:
    """Greatest timestamp so far -> last offset of the batch that brought it."""

    __slots__ = ("_offsets", "_timestamps", "base_offset")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self._timestamps = array("q")
        self._offsets = array("i")

    @classmethod
    def from_bytes(cls, base_offset: int, data: bytes) -> TimeIndex | None:
        """Read a `.timeindex` file; None when it is not one."""
        index = cls(base_offset)
        if len(data) % TIME_ENTRY.size:
            return None
        last_timestamp = last_offset = -1
        for timestamp, offset in TIME_ENTRY.iter_unpack(data):
            if timestamp <= last_timestamp or offset < last_offset:
                return None
            index._timestamps.append(timestamp)
            index._offsets.append(offset)
            last_timestamp, last_offset = timestamp, offset
        return index

    def __len__(self) -> int:
        return len(self._timestamps)

    def append(self, timestamp: int, offset: int) -> None:
        """Note the greatest timestamp so far and its batch's last offset; a repeated one adds nothing."""
        if timestamp > (self._timestamps[-1] if self._timestamps else -1):
            self._timestamps.append(timestamp)
            self._offsets.append(offset - self.base_offset)

    def last(self) -> tuple[int, int] | None:
        """Return (timestamp, offset) of the last entry."""
        if not self._timestamps:
            return None
        return self._timestamps[-1], self._offsets[-1] + self.base_offset

    def offset_for(self, timestamp: int) -> int:
        """Return an offset before which every record is older than `timestamp`.

        An entry says that nothing up to its offset is newer than its timestamp, so the look-up starts behind
        the last entry that is older than the target.
        """
        found = bisect_right(self._timestamps, timestamp - 1)
        return self._offsets[found - 1] + self.base_offset if found else self.base_offset

    def to_bytes(self) -> bytes:
        """Return the content of a `.timeindex` file."""
        pack = TIME_ENTRY.pack
        return b"".join(map(pack, self._timestamps, self._offsets))
