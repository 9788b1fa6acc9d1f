"""The segments of one partition, in order: which holds an offset, which is written to, which are old.

Only the last one is active. Of the sealed ones, those read last keep their indexes in memory.

May import segment and retention. Invariant: there is always an active segment, and base offsets increase.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from tidelock.broker.log.retention import SegmentFacts
from tidelock.broker.log.segment import Segment

KEPT_INDEXES = 8


class Segments:
    """All segments of a partition; at least one."""

    def __init__(self, segments: list[Segment]) -> None:
        self._all = segments
        self._bases = [segment.base_offset for segment in segments]
        self._warm: list[Segment] = []
        self.active = segments[-1]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._all)

    def __reversed__(self) -> Iterator[Segment]:
        return reversed(self._all)

    @property
    def base_offset(self) -> int:
        """The oldest segment's base offset."""
        return self._bases[0]

    @property
    def size_bytes(self) -> int:
        """Bytes of all `.log` files."""
        return sum(segment.size for segment in self._all)

    def facts(self, log_end_offset: int) -> list[SegmentFacts]:
        """Return what retention decides on, oldest first."""
        ends = [*self._bases[1:], log_end_offset]
        return [
            SegmentFacts(end, segment.size, segment.max_timestamp[0])
            for end, segment in zip(ends, self._all, strict=True)
        ]

    def count_below(self, offset: int) -> int:
        """Return how many segments lie wholly below an offset; the active one never does."""
        return sum(base <= offset for base in self._bases[1:])

    def read(self, offset: int, max_bytes: int, bound: int, log_end_offset: int) -> bytes | memoryview:
        """Return whole batches from the one that contains `offset`, none of them reaching `bound`.

        Looks into the next segment only when the one that should hold the offset has nothing behind it any
        more (compaction leaves such ends).
        """
        for number in range(bisect_right(self._bases, offset) - 1, len(self._all)):
            segment = self._all[number]
            is_active = segment is self.active
            segment_end = log_end_offset if is_active else self._bases[number + 1]
            data = segment.read(offset, max_bytes, None if segment_end <= bound else bound)
            if not is_active:
                self._keep_warm(segment)
            elif bound == log_end_offset:
                segment.note_end(log_end_offset)
            if data:
                return data
        return b""

    @property
    def have_aborted(self) -> bool:
        """Whether any transaction whose marker is still there was aborted."""
        return any(len(segment.aborted) for segment in self._all)

    def aborted(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return (producer id, first offset) of the aborted transactions with records in `start` to `end`."""
        found: list[tuple[int, int]] = []
        for number in range(max(bisect_right(self._bases, start) - 1, 0), len(self._all)):
            if self._all[number].aborted.collect(start, end, found):
                break
        return found

    def size_between(self, start: int, end: int, log_end_offset: int) -> int:
        """Return the bytes of the batches from the one that contains `start` to before the one of `end`."""
        size = 0
        for number in range(max(bisect_right(self._bases, start) - 1, 0), len(self._all)):
            segment = self._all[number]
            if segment.base_offset >= end:
                break
            first = segment.locate(start) if start > segment.base_offset else 0
            is_last = number + 1 == len(self._all)
            segment_end = log_end_offset if is_last else self._bases[number + 1]
            size += (segment.size if end >= segment_end else segment.locate(end)) - first
        return size

    def begin(self, segment: Segment) -> None:
        """Seal the active segment and make `segment` the active one."""
        sealed = self.active
        sealed.seal()
        self._keep_warm(sealed)
        self._all.append(segment)
        self._bases.append(segment.base_offset)
        self.active = segment

    def remove_oldest(self) -> None:
        """Delete the oldest segment, which must not be the active one.

        Raises:
            OSError: the disk; the segment is still there.
        """
        segment = self._all[0]
        segment.remove()
        del self._all[0], self._bases[0]
        if segment in self._warm:
            self._warm.remove(segment)

    def replace(self, bases: Sequence[int], segment: Segment) -> None:
        """Let one segment stand for neighbours, none of them active; the first has its base offset."""
        start = self._bases.index(bases[0])
        old = self._all[start : start + len(bases)]
        for aborted in (one for replaced in old for one in replaced.aborted):
            segment.aborted.append(aborted)
        self._all[start : start + len(bases)] = [segment]
        self._bases[start : start + len(bases)] = [segment.base_offset]
        self._warm = [one for one in self._warm if one not in old]

    def _keep_warm(self, segment: Segment) -> None:
        if self._warm and self._warm[-1] is segment:
            return
        if segment in self._warm:
            self._warm.remove(segment)
        self._warm.append(segment)
        if len(self._warm) > KEPT_INDEXES:
            self._warm.pop(0).forget_indexes()
