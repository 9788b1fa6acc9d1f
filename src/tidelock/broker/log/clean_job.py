"""One compaction pass over one partition's sealed segments: reads them and writes `.cleaned` files.

It is plain data and a `run` that goes through `Files`, so that it can happen in another process: opening
every record costs microseconds each, which the loop that serves clients cannot spare. Sealed segments do not
change, and the partition does not delete any while a pass is running, so both may read them at once.

May import the pure rules, segments and scan. Invariant: nothing that the log reads is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tidelock.broker.log.compaction import Aborted, AbortedRanges, Compaction, KeyMap, LastOfProducer, groups
from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import Files, replace
from tidelock.broker.log.scan import LENGTH_OVERHEAD, MAX_RELATIVE_OFFSET, Scan
from tidelock.broker.log.segment import Segment, name_of
from tidelock.broker.log.swap import CLEANED, discard
from tidelock.protocol.compression import CompressionUnavailable
from tidelock.protocol.error_codes import KafkaError
from tidelock.protocol.primitives import MalformedMessage
from tidelock.protocol.records import BatchHeader, read_header


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What a pass did.

    Args:
        groups: the base offsets that each cleaned segment stands for; its own is the first.
        end_offset: everything before it is clean now.
        bytes_before: of the segments read.
        bytes_after: of what was written.
        problem: why nothing may be taken over, or None.
        is_damage: trying again would fail again.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    end_offset: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    problem: str | None = None
    is_damage: bool = False


@dataclass(slots=True)
class CleanJob:
    """A pass to be run.

    Args:
        topic: of the partition.
        index: of the partition.
        folder: of the partition.
        segments: (base offset, size) of the sealed segments that may be touched, oldest first.
        end_offset: of the last of them, exclusive.
        dirty: how many of them were cleaned before.
        segment_bytes: segment.bytes.
        index_interval_bytes: index.interval.bytes.
        now_ms: wall clock.
        delete_retention_ms: delete.retention.ms.
        map_bytes: log.cleaner.dedupe.buffer.size.
        producers: those the partition knows.
        aborted: the aborted transactions it knows.
        txn_index: for each segment with aborted transactions, the content of its `.txnindex`.
    """

    topic: str
    index: int
    folder: str
    segments: tuple[tuple[int, int], ...]
    end_offset: int
    dirty: int
    segment_bytes: int
    index_interval_bytes: int
    now_ms: int
    delete_retention_ms: int
    map_bytes: int
    producers: dict[int, LastOfProducer] = field(default_factory=dict)
    aborted: tuple[Aborted, ...] = ()
    txn_index: dict[int, bytes] = field(default_factory=dict)

    def run(self, files: Files) -> CleanResult:
        """Write the cleaned segments and make them durable; says what went wrong instead of raising."""
        try:
            discard(files, self.folder)
            return self._run(files)
        except OSError as error:
            return CleanResult(problem=f"the disk: {error}")
        except (CorruptLog, KafkaError, MalformedMessage) as error:
            return CleanResult(problem=f"it holds what cannot be read: {error}", is_damage=True)
        except CompressionUnavailable as error:
            return CleanResult(problem=str(error), is_damage=True)

    def _run(self, files: Files) -> CleanResult:
        aborted = AbortedRanges(self.aborted)
        keys, count = self._map(files, aborted)
        edges = [*self.segments, (self.end_offset, 0)]
        found = groups(edges[: count + 1], self.segment_bytes, MAX_RELATIVE_OFFSET)
        rules = Compaction(keys.latest, aborted, self.producers, self.now_ms, self.delete_retention_ms)
        sizes = dict(self.segments)
        after = sum(self._write(files, group, sizes, rules) for group in found)
        before = sum(size for _, size in self.segments[:count])
        return CleanResult(tuple(map(tuple, found)), edges[count][0], before, after)

    def _map(self, files: Files, aborted: AbortedRanges) -> tuple[KeyMap, int]:
        """Read the dirty segments until all are read or the map is full; returns how far."""
        keys = KeyMap(self.map_bytes)
        count = self.dirty
        for base, size in self.segments[self.dirty :]:
            for header, raw in self._batches(files, base, size):
                if not header.is_control and not aborted.have(header):
                    keys.add(raw)
            count += 1
            if keys.is_full:
                break
        return keys, count

    def _batches(self, files: Files, base: int, size: int) -> Iterator[tuple[BatchHeader, bytes]]:
        path = f"{self.folder}/{name_of(base, '.log')}"
        scan = Scan(files, path, size, base, gaps=True)
        for position, header in scan:
            raw = files.read(path, position, header[1] + LENGTH_OVERHEAD)
            yield read_header(raw), raw
        if scan.problem:
            raise CorruptLog(scan.problem, path=path, position=scan.position)

    def _write(self, files: Files, group: list[int], sizes: dict[int, int], rules: Compaction) -> int:
        segment = Segment(files, self.folder, group[0], self.index_interval_bytes, CLEANED)
        segment.activate()
        try:
            for base in group:
                for header, raw in self._batches(files, base, sizes[base]):
                    kept = rules.cleaned(header, raw)
                    if kept is not None:
                        segment.append(memoryview(kept), header.last_offset, read_header(kept).max_timestamp)
            written = [segment.path, *segment.write_indexes()]
        finally:
            segment.seal()
        transactions = b"".join(self.txn_index.get(base, b"") for base in group)
        if transactions:
            path = f"{self.folder}/{name_of(group[0], '.txnindex')}{CLEANED}"
            replace(files, path, transactions, durable=False)
            written.append(path)
        for path in written:
            files.sync(path)
        return segment.size
