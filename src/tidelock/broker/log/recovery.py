"""Open a partition's folder: trust it after a clean stop, otherwise read it and keep what is right.

After a crash every batch from the segment that holds the recovery point on is checked. Behind the recovery
point the first bad byte is a write that never finished: the log is cut there, and says so. Before it the
bytes had been made durable, so a bad one is damage: the partition stays closed and untouched (`CorruptLog`).
A recovery checkpoint lets the scan begin inside a segment. While scanning, indexes, producer state and leader
epochs are built by the same `account`, `note`, `end` and `assign` that an append uses.

May import segments, producer state, epochs and the `Files` seam. Invariant: but for a compaction that was
committed, which is completed first, nothing is changed on disk until the scan has shown that no byte before
the recovery point is bad.

Source: Kafka `LogLoader`, `LogSegment.recover`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tidelock.broker.log import swap
from tidelock.broker.log.epochs import LeaderEpochs
from tidelock.broker.log.errors import CorruptLog
from tidelock.broker.log.files import TEMPORARY, Files, read_all
from tidelock.broker.log.producer_state import MAX_SEQUENCE, NO_SEQUENCE, ProducerState
from tidelock.broker.log.resume import RESUME_FILE, Resume
from tidelock.broker.log.scan import LENGTH_OVERHEAD, MAX_RELATIVE_OFFSET, Header, Scan
from tidelock.broker.log.segment import Segment, name_of
from tidelock.broker.log.settings import LogSettings
from tidelock.broker.log.transactions import TXN_INDEX, Marker, TransactionIndex, read_marker
from tidelock.protocol.error_codes import CorruptMessage, InvalidRecord

EPOCHS_FILE = "leader-epoch-checkpoint"
LOG_NAME = re.compile(r"^\d{20}\.log$")
SNAPSHOT_NAME = re.compile(r"^\d{20}\.snapshot$")
INDEX_SUFFIXES = (".index", ".timeindex", TXN_INDEX)
MAX_OFFSET = 2**63 - 1

CONTROL = 0x20
TRANSACTIONAL = 0x10


@dataclass(frozen=True, slots=True)
class Start:
    """What the data folder knows of a partition before it is opened.

    `recovery_point`: every byte before this offset had been made durable. `clean`: the last stop wrote
    everything down. `leader_epoch`: this start's epoch. `compacted`: a pass of the cleaner has left gaps
    between its offsets, whatever the topic's policy is now.
    """

    topic_id: bytes = bytes(16)
    leader_epoch: int = 0
    clean: bool = False
    recovery_point: int = 0
    log_start_offset: int = 0
    compacted: bool = False


@dataclass(slots=True)
class Recovered:
    """An opened folder, and what had to be done to it. The last segment is not active yet."""

    segments: list[Segment] = field(default_factory=list)
    producers: ProducerState = field(default_factory=ProducerState)
    epochs: LeaderEpochs = field(default_factory=LeaderEpochs)
    log_end_offset: int = 0
    clean: bool = False
    unsynced: list[str] = field(default_factory=list)
    scanned_bytes: int = 0
    truncated_bytes: int = 0
    problem: str | None = None


def recover(files: Files, folder: str, settings: LogSettings, start: Start, now_ms: int) -> Recovered:
    """Open a partition's folder, which must exist and may be empty.

    Raises:
        CorruptLog: damage before the recovery point; nothing was changed.
        OSError: the disk.
    """
    return Recovery(files, folder, settings, start, now_ms).run()


class Recovery:
    """One opening of one folder; see `recover`."""

    def __init__(self, files: Files, folder: str, settings: LogSettings, start: Start, now_ms: int) -> None:
        self._files = files
        self._folder = folder
        self._settings = settings
        self._start = start
        self._now_ms = now_ms
        swap.complete(files, folder)
        self._names = files.list(folder)
        self._found = Recovered()
        self._durable = start.recovery_point
        self._gaps = settings.compacts or start.compacted

    def run(self) -> Recovered:
        """See `recover`."""
        found = self._found
        interval = self._settings.index_interval_bytes
        bases = [int(name[:20]) for name in self._names if LOG_NAME.match(name)]
        found.segments = [Segment.on_disk(self._files, self._folder, base, interval) for base in bases]
        if not (self._start.clean and self._trust()):
            self._scan()
        self._tidy()
        if found.log_end_offset < self._start.log_start_offset:
            self._drop_everything()
        if not found.segments:
            found.segments.append(Segment(self._files, self._folder, found.log_end_offset, interval))
        return found

    # -- after a clean stop

    def _trust(self) -> bool:
        """Take the folder as it is; False when anything of it is not as a clean stop leaves it."""
        found = self._found
        epochs = self._read_epochs()
        end = self._end_of_last_segment()
        if epochs is None or end is None:
            return False
        producers = self._read_snapshot(end) if end else ProducerState()
        if producers is None or not all(map(self._load_aborted, range(len(found.segments)))):
            return False
        found.epochs, found.log_end_offset, found.producers, found.clean = epochs, end, producers, True
        return True

    def _end_of_last_segment(self) -> int | None:
        """Return the log end offset by a walk over the headers behind the last index entry."""
        if not self._found.segments:
            return self._start.log_start_offset
        segment = self._found.segments[-1]
        end = segment.base_offset
        try:
            for _, header in segment.headers(segment.known_position_until(segment.size)):
                end = header[0] + header[6] + 1
        except CorruptLog:
            return None
        return end if end >= self._start.recovery_point else None

    # -- after a crash

    def _scan(self) -> None:
        found = self._found
        epochs = self._read_epochs()
        found.epochs = epochs or LeaderEpochs()
        resume = self._read_resume()
        first = self._resumed(resume) if resume is not None and epochs is not None else None
        if first is None:
            resume = None
            first = self._first_to_scan() if epochs is not None else 0
            first = next((number for number in range(first) if not self._load_aborted(number)), first)
            first = self._load_producers(first)
            found.log_end_offset = self._start.log_start_offset
            if found.segments:
                found.log_end_offset = found.segments[first].base_offset
        for number in range(first, len(found.segments)):
            segment = found.segments[number]
            problem, position = self._scan_segment(segment, resume if number == first else None)
            if problem is not None:
                self._cut(number, position, problem)
                break
        self._require_durable_part()
        for segment in found.segments[first:-1]:
            found.unsynced += [segment.path, *segment.write_indexes()]
            segment.forget_indexes()

    def _require_durable_part(self) -> None:
        found = self._found
        if found.log_end_offset < self._durable:
            raise CorruptLog(
                f"it ends at {found.log_end_offset}, but {self._durable} had been made durable",
                path=self._folder,
                position=0,
            )

    def _first_to_scan(self) -> int:
        below = [segment.base_offset <= self._durable for segment in self._found.segments]
        return max(sum(below) - 1, 0)

    def _read_resume(self) -> Resume | None:
        """Return the recovery checkpoint if it is of this partition and of a segment that is there."""
        if RESUME_FILE not in self._names:
            return None
        resume = Resume.from_bytes(read_all(self._files, f"{self._folder}/{RESUME_FILE}"))
        if resume is None or resume.topic_id != self._start.topic_id:
            return None
        if resume.base_offset not in [segment.base_offset for segment in self._found.segments]:
            return None
        self._durable = max(self._durable, resume.offset)
        return resume

    def _resumed(self, resume: Resume) -> int | None:
        """Take over what a checkpoint says; returns its segment's number, or None to scan without it.

        A segment that the cleaner may have rewritten has other positions now; the last one it leaves alone.
        """
        found = self._found
        number = [segment.base_offset for segment in found.segments].index(resume.base_offset)
        segment, is_last = found.segments[number], number + 1 == len(found.segments)
        if self._gaps and not is_last:
            return None
        if segment.size < resume.position or number < self._first_to_scan():
            return None
        producers = ProducerState.from_snapshot(resume.producers)
        if producers is None or not all(map(self._load_aborted, range(number))):
            return None
        if not segment.resume(resume):
            return None
        found.producers = producers
        found.log_end_offset = resume.offset
        return number

    def _load_producers(self, first: int) -> int:
        """Load the producer snapshot at a segment's start; without one the scan must begin further back."""
        while first > 0:
            state = self._read_snapshot(self._found.segments[first].base_offset)
            if state is not None:
                self._found.producers = state
                return first
            first -= 1
        if self._found.segments:
            self._found.producers = (
                self._read_snapshot(self._found.segments[0].base_offset) or ProducerState()
            )
        return 0

    def _load_aborted(self, number: int) -> bool:
        """Load a segment's index of aborted transactions, if it has one; False when that is damaged."""
        segments = self._found.segments
        if name_of(segments[number].base_offset, TXN_INDEX) not in self._names:
            return True
        last = number + 1 == len(segments)
        return segments[number].load_aborted(MAX_OFFSET if last else segments[number + 1].base_offset)

    def _scan_segment(self, segment: Segment, resume: Resume | None) -> tuple[str | None, int]:
        found = self._found
        gaps = self._gaps
        expected = found.log_end_offset
        size = self._files.size(segment.path)
        if resume is None:
            if segment.base_offset < expected or (segment.base_offset > expected and not gaps):
                return f"offsets {expected} to {segment.base_offset} are missing", 0
            segment.reset()
            segment.aborted = TransactionIndex()
        epoch = found.epochs.epoch_at(expected - 1)
        scan = Scan(
            self._files, segment.path, size, max(expected, segment.base_offset), gaps=gaps, epoch=epoch
        )
        scan.position = begun = segment.size
        scan.last_possible = segment.base_offset + MAX_RELATIVE_OFFSET
        for position, header in scan:
            segment.account(header[1] + LENGTH_OVERHEAD, header[0] + header[6], header[8])
            if header[2] != epoch:
                epoch = header[2]
                found.epochs.assign(epoch, header[0])
            if header[9] >= 0:
                self._note(segment, position, header)
        found.log_end_offset = max(scan.expected_offset, segment.base_offset)
        found.scanned_bytes += size - begun
        return scan.problem, scan.position

    def _note(self, segment: Segment, position: int, header: Header) -> None:
        base_offset, _, _, _, _, attributes, delta, _, _, producer_id, epoch, first_sequence, count = header
        producers = self._found.producers
        if attributes & CONTROL:
            marker = _marker_in(segment.batch(position, header))
            if marker is not None:
                ended = Marker(producer_id, epoch, *marker)
                aborted = producers.end(ended, base_offset, self._now_ms)
                if aborted is not None:
                    segment.aborted.append(aborted)
            return
        last_sequence = (first_sequence + delta) & MAX_SEQUENCE if first_sequence >= 0 else NO_SEQUENCE
        batch = first_sequence, last_sequence, base_offset, base_offset + delta
        # Compaction may keep an empty batch for its sequence when the transaction's marker is gone.
        transactional = bool(attributes & TRANSACTIONAL) and count > 0
        producers.note(producer_id, epoch, batch, self._now_ms, transactional)

    def _cut(self, number: int, position: int, problem: str) -> None:
        """End the log at a bad byte, unless it lies where every byte had been made durable."""
        found = self._found
        segment = found.segments[number]
        if found.log_end_offset < self._durable:
            raise CorruptLog(problem, path=segment.path, position=position)
        found.problem = f"{segment.path}, byte {position}: {problem}"
        for later in reversed(found.segments[number + 1 :]):
            found.truncated_bytes += later.size
            later.remove()
        del found.segments[number + 1 :]
        found.truncated_bytes += self._files.size(segment.path) - position
        if position == 0 and segment.base_offset != found.log_end_offset:
            segment.remove()  # not torn, but misplaced: it does not begin where the one before it ends
            found.segments.pop()
        else:
            segment.truncate(position)
        self._files.sync(self._folder)

    def _drop_everything(self) -> None:
        """The log was cut below its own start: begin again, empty, at the start."""
        found = self._found
        for segment in reversed(found.segments):
            found.truncated_bytes += segment.size
            segment.remove()
        found.segments.clear()
        found.log_end_offset = self._start.log_start_offset
        found.producers = ProducerState()

    # -- side files

    def _tidy(self) -> None:
        """Remove what belongs to nothing: temporary files, indexes and snapshots without a segment."""
        kept = {name_of(segment.base_offset, "") for segment in self._found.segments}
        end = self._found.log_end_offset
        for name in self._names:
            stem, _, suffix = name.partition(".")
            orphan = f".{suffix}" in INDEX_SUFFIXES and stem not in kept
            stray = bool(SNAPSHOT_NAME.match(name)) and stem not in kept and int(stem) != end
            if name.endswith(TEMPORARY) or orphan or stray:
                present = self._files.list(self._folder)
                if name in present:
                    self._files.remove(f"{self._folder}/{name}")

    def _read_epochs(self) -> LeaderEpochs | None:
        if EPOCHS_FILE not in self._names:
            return LeaderEpochs() if not any(segment.size for segment in self._found.segments) else None
        return LeaderEpochs.from_bytes(read_all(self._files, f"{self._folder}/{EPOCHS_FILE}"))

    def _read_snapshot(self, offset: int) -> ProducerState | None:
        name = name_of(offset, ".snapshot")
        if name not in self._names:
            return None
        return ProducerState.from_snapshot(read_all(self._files, f"{self._folder}/{name}"))


def _marker_in(batch: bytes) -> tuple[bool, int] | None:
    """What a control batch says; one that is not readable ends nothing, as when it was written."""
    try:
        return read_marker(batch)
    except (CorruptMessage, InvalidRecord):
        return None
