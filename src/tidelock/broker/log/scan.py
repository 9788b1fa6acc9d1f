"""Read a segment's batches one after the other and stop at the first byte that cannot be right.

Used where the bytes are in doubt: recovery after a crash, and rebuilding an index. Reads in large pieces;
costs about a microsecond a batch plus the checksum. A scan never raises for bad bytes: it ends, and says
where and why.

May import the protocol's record header and the `Files` seam. Invariant: every batch yielded is whole, has the
right checksum, and follows the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from tidelock.broker.log.files import Files
from tidelock.protocol.checksum import crc32c
from tidelock.protocol.records import HEADER

Header: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]

LENGTH_OVERHEAD = 12  # base offset and the length field itself
CRC_START = 21
MAGIC = 2
MAX_RELATIVE_OFFSET = 2**31 - 1  # what an index entry can hold
CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Scan:
    """One pass over one `.log` file.

    Args:
        files: where.
        path: the `.log` file.
        end: stop there; the file's size.
        expected_offset: the segment's base offset; follows the batches.
        gaps: offsets may be missing between batches (compacted logs).
        position: where to begin; after the pass, the end of the last good batch.
        epoch: leader epochs must not fall below this one; follows the batches.

    `problem` is None while everything was good up to `end`; no batch may end behind `last_possible`.
    """

    files: Files
    path: str
    end: int
    expected_offset: int
    gaps: bool = False
    position: int = 0
    epoch: int = -1
    problem: str | None = field(default=None, init=False)
    last_possible: int = field(init=False)

    def __post_init__(self) -> None:
        self.last_possible = self.expected_offset + MAX_RELATIVE_OFFSET

    def __iter__(self) -> Iterator[tuple[int, Header]]:
        """Yield (position, header fields) of each good batch."""
        want = CHUNK_BYTES
        while self.position < self.end and self.problem is None:
            start = self.position
            piece = self.files.read(self.path, start, min(want, self.end - start))
            yield from self._batches_in(piece, start)
            want = CHUNK_BYTES
            if self.position == start and self.problem is None:
                want = self._size_of_next(piece)

    def _batches_in(self, piece: bytes, start: int) -> Iterator[tuple[int, Header]]:
        view, at, limit = memoryview(piece), 0, len(piece)
        unpack, checksum, head, gaps = HEADER.unpack_from, crc32c, HEADER.size, self.gaps
        while limit - at >= head:
            header = unpack(piece, at)
            base_offset, size = header[0], header[1] + LENGTH_OVERHEAD
            stop = at + size
            if limit < stop <= self.end - start and header[3] == MAGIC:
                return  # goes on behind this piece
            expected = self.expected_offset
            if not (
                (base_offset == expected or (gaps and base_offset > expected))
                and size >= head
                and header[3] == MAGIC
                and header[2] >= self.epoch
                and 0 <= header[6] <= self.last_possible - base_offset
                and checksum(view[at + CRC_START : stop]) == header[4]
            ):
                self.problem = self._describe(header, size, self.end - start - at)
                return
            self.expected_offset = base_offset + header[6] + 1
            self.epoch = header[2]
            self.position = start + stop
            yield start + at, header
            at = stop

    def _size_of_next(self, piece: bytes) -> int:
        """How much to read so that the batch at `position` is whole; sets `problem` when it cannot be."""
        if len(piece) < HEADER.size:
            self.problem = f"{self.end - self.position} bytes are too few for a batch header"
            return 0
        return int(HEADER.unpack_from(piece)[1]) + LENGTH_OVERHEAD

    def _describe(self, header: Header, size: int, left: int) -> str:
        if not any(header):
            return "zeroes instead of a batch"
        if header[3] != MAGIC:
            return f"magic {header[3]} instead of {MAGIC}"
        if size < HEADER.size or size > left:
            return f"a batch of {size} bytes where {left} are left"
        missing = header[0] - self.expected_offset
        if missing < 0 or (missing and not self.gaps) or header[2] < self.epoch:
            return f"offset {header[0]} (leader epoch {header[2]}) instead of {self.expected_offset}"
        if not 0 <= header[6] <= self.last_possible - header[0]:
            return f"{header[6] + 1} offsets in the batch at offset {header[0]}"
        return f"checksum mismatch in the batch at offset {header[0]}"
