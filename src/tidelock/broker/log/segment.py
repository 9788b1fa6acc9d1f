"""One segment of a partition's log: a `.log` file, its two sparse indexes and its aborted transactions.

Only the newest segment of a partition is open for appending; sealed ones read their indexes on first use. The
same `account` keeps size, indexes and greatest timestamp for an append, a recovery scan and an index rebuild.

May import the `Files` seam, indexes and scan. Invariant: `size` counts whole batches only; what a failed
write left behind it is cut off before anything else is written.

Source: Kafka `LogSegment`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import File, Files, read_all, replace
from tidelock.broker.log.index import TIME_ENTRY, OffsetIndex, TimeIndex
from tidelock.broker.log.resume import Resume
from tidelock.broker.log.scan import LENGTH_OVERHEAD, MAGIC, MAX_RELATIVE_OFFSET, Header, Scan
from tidelock.broker.log.transactions import TXN_INDEX, TransactionIndex
from tidelock.protocol.records import HEADER

NO_TIMESTAMP = -1
WALK_BYTES = 8192
REMEMBERED_STARTS = 64


def name_of(offset: int, suffix: str) -> str:
    """Return Kafka's file name for an offset: twenty digits and a suffix."""
    return f"{offset:020d}{suffix}"


class Segment:
    """Batches from `base_offset` on, until the next segment's.

    `suffix` stands behind the names of files that are not in place yet; see tidelock.broker.log.swap.
    """

    __slots__ = (
        "_append",
        "_damage",
        "_file",
        "_files",
        "_index",
        "_indexed",
        "_interval",
        "_max_timestamp",
        "_max_timestamp_offset",
        "_starts",
        "_suffix",
        "_time_index",
        "_timed",
        "_unindexed",
        "aborted",
        "base_offset",
        "created_ms",
        "folder",
        "path",
        "size",
    )

    def __init__(
        self, files: Files, folder: str, base_offset: int, index_interval_bytes: int, suffix: str = ""
    ) -> None:
        self._files = files
        self.folder = folder
        self.base_offset = base_offset
        self._suffix = suffix
        self.path = self._sibling(".log")
        self.size = 0
        self.created_ms: int | None = None
        self.aborted = TransactionIndex()
        self._interval = index_interval_bytes
        self._file: File | None = None
        self._starts: dict[int, int] = {}
        self._index = OffsetIndex(base_offset)
        self._time_index = TimeIndex(base_offset)
        self._max_timestamp = NO_TIMESTAMP
        self._max_timestamp_offset = base_offset
        self._unindexed = 0
        self._indexed = self._timed = True
        self._damage: CorruptLog | None = None

    @classmethod
    def on_disk(cls, files: Files, folder: str, base_offset: int, index_interval_bytes: int) -> Segment:
        """Return a segment whose file exists; its content is not looked at."""
        segment = cls(files, folder, base_offset, index_interval_bytes)
        segment.size = files.size(segment.path)
        segment._indexed = segment._timed = False
        return segment

    # -- writing

    def activate(self) -> None:
        """Open the file for appending (creates it), and have the indexes in memory."""
        self._file = self._files.open(self.path)
        self._append = self._file.append
        self._load()

    def append(self, batch: memoryview, last_offset: int, max_timestamp: int) -> None:
        """Write one batch in one call, then account for it.

        Raises:
            OSError: nothing counts as written; call `undo` before the next append.
        """
        size = len(batch)
        if self._append(batch) != size:
            raise OSError(errno.ENOSPC, "the disk took only a part of the batch")
        self.account(size, last_offset, max_timestamp)

    def undo(self) -> None:
        """Cut off what a failed append may have left."""
        if self._file is not None:
            self._file.truncate(self.size)

    def account(self, size: int, last_offset: int, max_timestamp: int) -> None:
        """Count a batch of `size` bytes that lies at the end of the segment."""
        position = self.size
        if max_timestamp > self._max_timestamp:
            self._max_timestamp = max_timestamp
            self._max_timestamp_offset = last_offset
        if self._unindexed > self._interval:
            self._index.append(last_offset, position)
            self._time_index.append(self._max_timestamp, self._max_timestamp_offset)
            self._unindexed = 0
        self._unindexed += size
        self.size = position + size

    def checkpoint(self, topic_id: bytes, end_offset: int, producers: bytes) -> Resume:
        """Return what is known of the segment being appended to, for the next start."""
        return Resume(
            topic_id,
            self.base_offset,
            end_offset,
            self.size,
            self._unindexed,
            self._max_timestamp,
            self._max_timestamp_offset,
            self._index.to_bytes(),
            self._time_index.to_bytes(),
            self.aborted.to_bytes(),
            producers,
        )

    def resume(self, found: Resume) -> bool:
        """Be as a checkpoint says, whose end is the end for now; False when it says what cannot be."""
        index = OffsetIndex.from_bytes(self.base_offset, found.offset_index, found.position)
        time_index = TimeIndex.from_bytes(self.base_offset, found.time_index)
        aborted = TransactionIndex.from_bytes(found.aborted, self.base_offset, found.offset)
        if index is None or time_index is None or aborted is None:
            return False
        self.reset()
        self._index, self._time_index, self.aborted = index, time_index, aborted
        self.size, self._unindexed = found.position, found.unindexed
        self._max_timestamp, self._max_timestamp_offset = found.max_timestamp, found.max_timestamp_offset
        return True

    def reset(self) -> None:
        """Begin accounting from an empty segment."""
        self.size = 0
        self._forget()
        self._max_timestamp = NO_TIMESTAMP
        self._max_timestamp_offset = self.base_offset
        self._unindexed = 0
        self._indexed = self._timed = True
        self._damage = None

    def write_indexes(self) -> list[str]:
        """Write both index files; returns their paths, which are not durable yet."""
        self._load()
        self._time_index.append(*self.max_timestamp)
        written = []
        for suffix, content in ((".index", self._index), (".timeindex", self._time_index)):
            path = self._sibling(suffix)
            replace(self._files, path, content.to_bytes(), durable=False)
            written.append(path)
        name = self._sibling(TXN_INDEX).rpartition("/")[2]
        if len(self.aborted) or name in self._files.list(self.folder):
            replace(self._files, self._sibling(TXN_INDEX), self.aborted.to_bytes(), durable=False)
            written.append(self._sibling(TXN_INDEX))
        return written

    def load_aborted(self, end_offset: int) -> bool:
        """Read the index of aborted transactions; False when its file is not what it should be.

        Args:
            end_offset: of the segment.
        """
        data = read_all(self._files, self._sibling(TXN_INDEX))
        index = TransactionIndex.from_bytes(data, self.base_offset, end_offset)
        self.aborted = index or TransactionIndex()
        return index is not None

    def seal(self) -> None:
        """Close the file; the segment is only read from now on."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes, a batch boundary, durably."""
        file = self._files.open(self.path)
        try:
            file.truncate(size)
        finally:
            file.close()
        self._files.sync(self.path)

    def remove(self) -> None:
        """Remove the segment's files; the log first, so that what may stay behind is only an index."""
        self.seal()
        self._files.remove(self.path)
        names = self._files.list(self.folder)
        for suffix in (".index", ".timeindex", TXN_INDEX, ".snapshot"):
            if name_of(self.base_offset, suffix) in names:
                self._files.remove(self._sibling(suffix))

    # -- reading

    @property
    def max_timestamp(self) -> tuple[int, int]:
        """(Greatest record timestamp, last offset of its batch); (-1, base offset) when there is none.

        Raises:
            OSError, CorruptLog: it cannot be told; the segment must not be taken for an old one.
        """
        if not self._timed:
            self._load_max_timestamp()
        return self._max_timestamp, self._max_timestamp_offset

    @property
    def time_index(self) -> TimeIndex:
        """The time index, read or rebuilt when needed."""
        self._load()
        return self._time_index

    def forget_indexes(self) -> None:
        """Give a sealed segment's indexes back to memory; they are read again when needed."""
        if self._file is None:
            self._forget()
            self._indexed = False

    def read(self, offset: int, max_bytes: int, limit: int | None) -> bytes | memoryview:
        """Return whole batches from the one that contains `offset`, or the first behind it.

        Args:
            offset: absolute.
            max_bytes: soft: the first batch comes whole.
            limit: no batch that contains this offset or a later one; None = to the segment's end.

        Raises:
            CorruptLog: the log has bad bytes.
        """
        try:
            return self._read(offset, max_bytes, limit)
        except CorruptLog:
            self.rebuild()  # an index that lies; the log itself is the truth
            return self._read(offset, max_bytes, limit)

    def note_end(self, next_offset: int) -> None:
        """Remember that `next_offset` will start at the present end, for the reader that comes back."""
        self._remember(next_offset, self.size)

    def _remember(self, offset: int, position: int) -> None:
        if len(self._starts) >= REMEMBERED_STARTS:
            self._starts.clear()
        self._starts[offset] = position

    def locate(self, offset: int) -> int:
        """Return where the batch that contains `offset` starts, or the first behind it; `size` if none."""
        known = self._starts.get(offset)
        if known is not None:
            return known
        self._load()
        for position, header in self.headers(self._index.position_for(offset)):
            if header[0] + header[6] >= offset:
                self._remember(offset, position)  # others begin there as well
                return position
        return self.size

    def known_position_until(self, position: int) -> int:
        """Return the last batch start at or before `position` that the index knows; 0 when it knows none."""
        self._load()
        return self._index.last_position_until(position)

    def headers(self, position: int = 0) -> Iterator[tuple[int, Header]]:
        """Yield (position, header fields) of the batches from a batch start on, reading little else.

        Raises:
            CorruptLog: there is no batch where one must be.
        """
        due = self.base_offset
        while position < self.size:
            piece = self._files.read(self.path, position, min(WALK_BYTES, self.size - position))
            at = 0
            while len(piece) - at >= HEADER.size:
                header = HEADER.unpack_from(piece, at)
                size = header[1] + LENGTH_OVERHEAD
                if header[3] != MAGIC or size < HEADER.size or position + at + size > self.size:
                    raise CorruptLog("no batch starts here", path=self.path, position=position + at)
                if (
                    not 0 <= header[0] - due <= MAX_RELATIVE_OFFSET
                ):  # not under the checksum, so looked at here
                    raise CorruptLog(
                        f"offset {header[0]} after {due}", path=self.path, position=position + at
                    )
                due = header[0] + header[6] + 1
                yield position + at, header
                at += size
            if at == 0:
                raise CorruptLog("too short for a batch", path=self.path, position=position)
            position += at

    def batch(self, position: int, header: Header) -> bytes:
        """Return one batch's bytes."""
        return self._files.read(self.path, position, header[1] + LENGTH_OVERHEAD)

    def rebuild(self) -> None:
        """Build both indexes again from the log. What interrupts that leaves the segment as it was.

        Raises:
            OSError: the disk; to be tried again.
            CorruptLog: the log itself has bad bytes. Indexes that were there stay: they lead past the damage.
                Where none were, those of the part before it are taken, and how new the segment is stays open.
        """
        if self._damage is not None and self._indexed:  # to find that out again takes long
            raise self._damage.with_traceback(None) from None
        built = Segment(self._files, self.folder, self.base_offset, self._interval, self._suffix)
        scan = Scan(self._files, self.path, self.size, self.base_offset, gaps=True)
        for _, header in scan:
            built.account(header[1] + LENGTH_OVERHEAD, header[0] + header[6], header[8])
        if scan.problem:
            self._damage = CorruptLog(scan.problem, path=self.path, position=scan.position)
            if not self._indexed:
                self._take_indexes(built)
            raise self._damage
        self._take_indexes(built)
        self._max_timestamp, self._max_timestamp_offset = built.max_timestamp
        self._unindexed = built._unindexed
        self._timed = True

    def _take_indexes(self, built: Segment) -> None:
        self._index, self._time_index = built._index, built._time_index
        self._starts.clear()
        self._indexed = True

    def _read(self, offset: int, max_bytes: int, limit: int | None) -> bytes | memoryview:
        start = self.locate(offset)
        stop = self.size if limit is None else self.locate(limit)
        if start >= stop:
            return b""
        data = self._bytes(start, min(max(max_bytes, HEADER.size), stop - start))
        first, due = self._first(data, start, stop)
        if first > len(data):
            self._remember(due, start + first)
            return self._bytes(start, first)
        if start + len(data) == stop:
            return data
        return memoryview(data)[: self._last_whole(data, start)]

    def _first(self, data: bytes, start: int, stop: int) -> tuple[int, int]:
        """Return the size of the batch with which `data` begins, and the offset that comes after it."""
        size = due = 0
        if len(data) >= HEADER.size:
            header = HEADER.unpack_from(data)
            size, due = header[1] + LENGTH_OVERHEAD, header[0] + header[6] + 1
        if size < HEADER.size or header[3] != MAGIC or size > stop - start:
            raise CorruptLog("no batch starts here", path=self.path, position=start)
        return size, due

    def _bytes(self, start: int, size: int) -> bytes:
        data = self._files.read(self.path, start, size)
        if len(data) != size:
            raise CorruptLog(f"{len(data)} bytes instead of {size}", path=self.path, position=start)
        return data

    def _last_whole(self, data: bytes, start: int) -> int:
        """Return where in `data`, read from a whole batch at `start` on, the last whole batch ends.

        Damage ends it as well: the readers come as far as it, and then it is their next batch.
        Remembers the end's offset: whoever reads in order asks for it next.
        """
        size = len(data)
        at = max(self._index.last_position_until(start + size) - start, 0)
        due = -1
        while size - at >= HEADER.size:
            header = HEADER.unpack_from(data, at)
            length = header[1] + LENGTH_OVERHEAD
            if header[3] != MAGIC or length < HEADER.size or at + length > size:
                break
            at += length
            due = header[0] + header[6] + 1
        if due >= 0:
            self._remember(due, start + at)
        return at

    def _load(self) -> None:
        if self._indexed:
            return
        index = OffsetIndex.from_bytes(self.base_offset, self._content(".index"), self.size)
        time_index = TimeIndex.from_bytes(self.base_offset, self._content(".timeindex"))
        if index is None or time_index is None or self._too_empty(index, time_index):
            self.rebuild()
            return
        self._index, self._time_index = index, time_index
        last = time_index.last() or (NO_TIMESTAMP, self.base_offset)
        self._max_timestamp, self._max_timestamp_offset = last
        self._unindexed = self.size - index.last_position_until(self.size)
        self._indexed = self._timed = True

    def _too_empty(self, index: OffsetIndex, time_index: TimeIndex) -> bool:
        """Whether index files have less in them than those of a segment of this size would."""
        return (self.size > 0 and not len(time_index)) or (self.size > 4 * self._interval and not len(index))

    def _load_max_timestamp(self) -> None:
        """Read the last time entry only: retention asks every sealed segment for it, and for no more."""
        path = self._sibling(".timeindex")
        try:
            size = self._files.size(path)
        except FileNotFoundError:
            size = 0
        if size < TIME_ENTRY.size or size % TIME_ENTRY.size:
            self.rebuild()
            return
        entry = self._files.read(path, size - TIME_ENTRY.size, TIME_ENTRY.size)
        if len(entry) < TIME_ENTRY.size:  # it has shrunk since
            self.rebuild()
            return
        self._max_timestamp, relative_offset = TIME_ENTRY.unpack(entry)
        self._max_timestamp_offset = self.base_offset + relative_offset
        self._timed = True

    def _forget(self) -> None:
        self._index = OffsetIndex(self.base_offset)
        self._time_index = TimeIndex(self.base_offset)
        self._starts.clear()

    def _content(self, suffix: str) -> bytes:
        try:
            return read_all(self._files, self._sibling(suffix))
        except FileNotFoundError:
            return b"?"  # no index file: not the same as an empty one

    def _sibling(self, suffix: str) -> str:
        return f"{self.folder}/{name_of(self.base_offset, suffix)}{self._suffix}"
