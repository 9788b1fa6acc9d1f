"""What transactions must do, written down as naively as possible: lists, no files, no requests.

The reference for random histories: for each operation it says the error code, and for each partition at any
time the last stable offset, the aborted transactions and what a reader of committed data sees.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

Key = tuple[str, int]
OFFSETS: Key = ("__consumer_offsets", 0)
LAST_EPOCH = 32_767
OUT_OF_ORDER, INVALID_EPOCH, INVALID_STATE, INVALID_MAPPING, CONCURRENT = 45, 47, 48, 49, 51
NOT_ENOUGH_REPLICAS, FENCED, ABORTABLE, UNSTABLE = 19, 90, 120, 88


@dataclass
class Id:
    """A transactional id as its coordinator has it."""

    pid: int
    epoch: int = -1
    last_epoch: int = -1
    previous_pid: int = -1
    next_pid: int = -1
    state: str = "Empty"
    partitions: set[Key] = field(default_factory=set)
    start_ms: int = -1
    timeout_ms: int = 0


@dataclass
class Writer:
    """A producer as a partition has it."""

    epoch: int
    last_sequence: int = -1
    batches: list[tuple[int, int]] = field(default_factory=list)
    open: bool = False


@dataclass
class Entry:
    """One batch (values) or marker (commit) of a partition."""

    offset: int
    pid: int
    values: tuple[bytes, ...] = ()
    transactional: bool = True
    commit: bool | None = None

    @property
    def end(self) -> int:
        return self.offset + (len(self.values) or 1)


class Model:
    """One broker."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.ids: dict[str, Id] = {}
        self.logs: defaultdict[Key, list[Entry]] = defaultdict(list)
        self.writers: dict[tuple[Key, int], Writer] = {}
        self.next_pid = self.reserved = 0
        self.offsets: dict[Key, tuple[int, int]] = {}
        self.held: dict[int, dict[Key, tuple[int, int]]] = {}
        self.clock = 0

    def new_pid(self) -> int:
        self.next_pid += 1
        self.reserved = max(self.reserved, (self.next_pid + 999) // 1000 * 1000)
        return self.next_pid - 1

    def restart(self) -> None:
        self.next_pid = self.reserved
        for one in self.ids.values():
            one.last_epoch = -1

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms
        ongoing = [(one.start_ms + one.timeout_ms, name) for name, one in self.ids.items()]
        for deadline, name in sorted(ongoing):
            if self.ids[name].state == "Ongoing" and deadline <= self.now_ms:
                self.fence(self.ids[name])

    # -- the coordinator

    def init(self, name: str, timeout_ms: int, pid: int, epoch: int) -> tuple[int, int, int]:
        """Returns (error code, producer id, epoch); pid -1 = the client says nothing."""
        one = self.ids.get(name) or Id(self.new_pid())
        known = pid == one.pid or (pid == one.previous_pid and epoch >= LAST_EPOCH - 1)
        if pid >= 0 and one.epoch >= 0 and not known:
            return FENCED, -1, -1
        if one.state == "Ongoing":
            self.fence(one)
            return CONCURRENT, -1, -1
        exhausted = one.epoch >= LAST_EPOCH - 1
        before = one.pid
        if exhausted and (pid < 0 or epoch == one.epoch):
            one.last_epoch = one.epoch if pid >= 0 else -1
            one.pid, one.epoch = self.new_pid(), 0
        elif pid < 0:
            one.epoch, one.last_epoch = one.epoch + 1, -1
        elif not exhausted and (one.epoch == -1 or epoch == one.epoch):
            one.epoch, one.last_epoch = one.epoch + 1, one.epoch
        elif epoch != one.last_epoch:
            return FENCED, -1, -1
        one.previous_pid, one.state, one.partitions = before, "Empty", set()
        one.timeout_ms, one.start_ms = timeout_ms, -1
        self.ids[name] = one
        return 0, one.pid, one.epoch

    def fence(self, one: Id) -> None:
        fence = min(one.epoch + 1, LAST_EPOCH)
        one.epoch, one.last_epoch = min(fence + 1, LAST_EPOCH), fence
        self.finish(one, commit=False)

    def who(self, name: str, pid: int, epoch: int) -> int:
        one = self.ids.get(name)
        if one is None or one.pid != pid:
            return INVALID_MAPPING
        return 0 if one.epoch == epoch else FENCED

    def add(self, name: str, pid: int, epoch: int, key: Key) -> int:
        code = self.who(name, pid, epoch)
        if not code:
            one = self.ids[name]
            if one.state != "Ongoing":
                one.start_ms = self.now_ms
            one.previous_pid, one.state = one.pid, "Ongoing"
            one.partitions.add(key)
        return code

    def end(self, name: str, pid: int, epoch: int, *, commit: bool, version: int) -> tuple[int, int, int]:
        code = (
            self._end_2(name, pid, epoch, commit) if version == 2 else self._end_1(name, pid, epoch, commit)
        )
        one = self.ids.get(name)
        return (code, one.pid, one.epoch) if one and not code else (code, -1, -1)

    def _end_1(self, name: str, pid: int, epoch: int, commit: bool) -> int:
        code = self.who(name, pid, epoch)
        if code:
            return code
        one = self.ids[name]
        if one.state == "Ongoing":
            one.next_pid = -1
            self.finish(one, commit)
            return 0
        return 0 if one.state == ("CompleteCommit" if commit else "CompleteAbort") else INVALID_STATE

    def _end_2(self, name: str, pid: int, epoch: int, commit: bool) -> int:
        one = self.ids.get(name)
        overflowed = bool(one and one.previous_pid == pid and epoch == LAST_EPOCH - 1 and one.epoch == 0)
        if one is None or (one.pid != pid and not overflowed):
            return INVALID_MAPPING
        complete = one.state.startswith("Complete")
        again = complete and (overflowed or (one.epoch == epoch + 1 and one.epoch < LAST_EPOCH))
        if not again and one.epoch != epoch:
            return FENCED
        if again and one.epoch != epoch:
            return 0 if one.state == ("CompleteCommit" if commit else "CompleteAbort") else INVALID_STATE
        if one.state != "Ongoing" and commit:
            return INVALID_STATE
        one.next_pid = self.new_pid() if one.epoch >= LAST_EPOCH - 1 else -1
        one.epoch, one.last_epoch = min(one.epoch + 1, LAST_EPOCH), one.epoch
        self.finish(one, commit)
        return 0

    def finish(self, one: Id, commit: bool) -> None:
        for key in one.partitions:
            self.mark(key, one.pid, one.epoch, commit)
        one.state, one.partitions = "CompleteCommit" if commit else "CompleteAbort", set()
        one.previous_pid = one.pid
        if one.next_pid >= 0:
            one.pid, one.epoch, one.next_pid = one.next_pid, 0, -1

    # -- partitions

    def mark(self, key: Key, pid: int, epoch: int, commit: bool) -> None:
        writer = self.writers.get((key, pid))
        if writer is None or writer.epoch != epoch:
            writer = self.writers[key, pid] = Writer(epoch)
        writer.open = False
        if key == OFFSETS:
            for position, found in self.held.pop(pid, {}).items():
                if commit and found > self.offsets.get(position, (-1, -1)):
                    self.offsets[position] = found
            return
        self.logs[key].append(Entry(self.log_end(key), pid, commit=commit))

    def enrol(self, key: Key, name: str, pid: int, epoch: int, support: int) -> int:
        """`support`: 0 old, 1 knows the abortable error, 2 adds by writing."""
        writer = self.writers.get((key, pid))
        if writer is not None and writer.open and writer.epoch == epoch:
            return 0
        if support == 2:
            code = self.add(name, pid, epoch, key)
        else:
            code = self.who(name, pid, epoch)
            if not code and key not in self.ids[name].partitions:
                code = ABORTABLE if support else INVALID_STATE
        return INVALID_EPOCH if code == FENCED else code

    def write(
        self, key: Key, client: tuple[str, int, int], sequence: int, values: tuple[bytes, ...], support: int
    ) -> int:
        name, pid, epoch = client
        code = self.enrol(key, name, pid, epoch, support)
        if code:
            return code
        writer = self.writers.get((key, pid))
        if support == 2 and sequence and (writer is None or not writer.batches):
            return OUT_OF_ORDER
        last = sequence + len(values) - 1
        if writer is not None:
            if epoch < writer.epoch:
                return INVALID_EPOCH
            if epoch > writer.epoch and sequence:
                return OUT_OF_ORDER
            if epoch == writer.epoch and sequence != writer.last_sequence + 1:
                return 0 if (sequence, last) in writer.batches[-5:] else OUT_OF_ORDER
        if writer is None or epoch > writer.epoch:
            writer = self.writers[key, pid] = Writer(epoch)
        writer.last_sequence, writer.open = last, True
        writer.batches.append((sequence, last))
        self.logs[key].append(Entry(self.log_end(key), pid, values))
        return 0

    def write_plainly(self, key: Key, value: bytes) -> None:
        self.logs[key].append(Entry(self.log_end(key), -1, (value,), transactional=False))

    def commit_offset(self, key: Key, offset: int, client: tuple[str, int, int], support: int) -> int:
        name, pid, epoch = client
        code = self.enrol(OFFSETS, name, pid, epoch, support)
        if not code:
            writer = self.writers.get((OFFSETS, pid))
            if writer is None or writer.epoch != epoch:
                writer = self.writers[OFFSETS, pid] = Writer(epoch)
            writer.open = True
            self.clock += 1
            self.held.setdefault(pid, {})[key] = (self.clock, offset)
        return code

    def commit_plainly(self, key: Key, offset: int) -> None:
        self.clock += 1
        self.offsets[key] = (self.clock, offset)

    # -- what readers see

    def position(self, key: Key) -> tuple[int, int]:
        if any(key in held for held in self.held.values()):
            return UNSTABLE, -1
        return 0, self.offsets.get(key, (-1, -1))[1]

    def log_end(self, key: Key) -> int:
        log = self.logs[key]
        return log[-1].end if log else 0

    def transactions(self, key: Key) -> list[tuple[int, int, int | None, bool | None]]:
        """(producer id, first offset, marker's offset, commit) in the order of their ends."""
        opened: dict[int, int] = {}
        found: list[tuple[int, int, int | None, bool | None]] = []
        for one in self.logs[key]:
            if one.commit is not None:
                if one.pid in opened:
                    found.append((one.pid, opened.pop(one.pid), one.offset, one.commit))
            elif one.transactional:
                opened.setdefault(one.pid, one.offset)
        return found + [(pid, first, None, None) for pid, first in opened.items()]

    def last_stable(self, key: Key) -> int:
        firsts = [first for _, first, last, _ in self.transactions(key) if last is None]
        return min(firsts, default=self.log_end(key))

    def aborted(self, key: Key, offset: int, end: int) -> list[tuple[int, int]]:
        return [
            (pid, first)
            for pid, first, last, commit in self.transactions(key)
            if last is not None and not commit and last >= offset and first < end
        ]

    def committed(self, key: Key) -> list[tuple[int, bytes]]:
        """(offset, value) of all that is decided and was not aborted."""
        stable, gone = self.last_stable(key), self.aborted_ranges(key)
        return [
            (one.offset + number, value)
            for one in self.logs[key]
            if one.end <= stable
            and one.commit is None
            and not any(one.pid == pid and first <= one.offset < last for pid, first, last in gone)
            for number, value in enumerate(one.values)
        ]

    def aborted_ranges(self, key: Key) -> list[tuple[int, int, int]]:
        found = self.transactions(key)
        return [(pid, first, last) for pid, first, last, commit in found if last is not None and not commit]
