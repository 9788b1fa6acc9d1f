"""Incremental fetch sessions (KIP-227): what a client has asked for stays here, so it need not say it again.

A client opens a session with a full fetch; from then on it sends only what has changed, and is answered only
the partitions that have something to tell: records, an error, another high watermark or log start. A session
that cannot be kept is answered with id 0, and the client goes on with full fetches.

Pure: ids come from `new_bytes`, `now` is an argument in seconds. Imports the log's partition type and the
error codes. Invariant: at most `slots` sessions and `MOST_PARTITIONS` partitions in all of them.

Source: Kafka `FetchManager`, `FetchSession`, `FetchSessionCache`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tidelock.broker.log import Partition
from tidelock.protocol import error_codes as errors

INITIAL_EPOCH, FINAL_EPOCH = 0, -1
LAST_EPOCH = (1 << 31) - 1
# A session may be dropped for a new one once it was idle for this time; seconds.
EVICTABLE_AFTER = 120.0
MOST_PARTITIONS = 500_000


class Wanted(NamedTuple):
    """One partition to read; epochs are -1 where the client does not say them."""

    partition: int
    leader_epoch: int
    offset: int
    last_epoch: int
    max_bytes: int


# (Name or id, partitions).
Topics: TypeAlias = list[tuple[str | bytes, list[Wanted]]]
Find: TypeAlias = Callable[[str | bytes, int], Partition | None]


@dataclass(slots=True)
class Entry:
    """One partition of a session: what is wanted, and what the client was told last; -1 = nothing yet."""

    wanted: Wanted
    high_watermark: int = -1
    log_start_offset: int = -1


@dataclass(slots=True)
class Session:
    """One client's session.

    Args:
        epoch: the one that its next request must carry.
    """

    id: int
    by_id: bool
    used_at: float
    epoch: int = 1
    entries: dict[tuple[str | bytes, int], Entry] = field(default_factory=dict)

    def update(self, topics: Topics) -> None:
        """Take in partitions that are new, or wanted otherwise than before."""
        for topic, partitions in topics:
            for wanted in partitions:
                entry = self.entries.get((topic, wanted.partition))
                if entry is None:
                    self.entries[topic, wanted.partition] = Entry(wanted)
                else:
                    entry.wanted = wanted

    def due(self, find: Find, committed: bool) -> Topics:
        """Return what there is something to tell about, in the order in which it is to be served.

        Args:
            find: a partition that can be read, or None.
            committed: whether the client reads committed data only.
        """
        found: dict[str | bytes, list[Wanted]] = {}
        for (topic, index), entry in self.entries.items():
            if _is_due(find(topic, index), entry, committed):
                found.setdefault(topic, []).append(entry.wanted)
        return list(found.items())

    def sent(self, topics: Topics, find: Find, served: Set[Partition]) -> None:
        """Note that the client was told about these; those it got records of come last the next time."""
        for topic, partitions in topics:
            for wanted in partitions:
                key = topic, wanted.partition
                entry = self.entries.get(key)
                if entry is None:
                    continue
                partition = find(*key)
                if partition is None:
                    entry.high_watermark = -1  # an error is told again and again
                    continue
                entry.high_watermark = partition.high_watermark
                entry.log_start_offset = partition.log_start_offset
                if partition in served:
                    self.entries[key] = self.entries.pop(key)

    def readable(self, find: Find) -> Iterator[Partition]:
        """Yield the partitions that an append may wake, of those that it follows."""
        for topic, index in self.entries:
            partition = find(topic, index)
            if partition is not None:
                yield partition


def _is_due(partition: Partition | None, entry: Entry, committed: bool) -> bool:
    if partition is None:
        return True
    wanted = entry.wanted
    end = partition.last_stable_offset if committed else partition.high_watermark
    return (
        not partition.log_start_offset <= wanted.offset <= partition.log_end_offset
        or wanted.offset < end
        or partition.high_watermark != entry.high_watermark
        or partition.log_start_offset != entry.log_start_offset
        or wanted.leader_epoch not in (-1, partition.leader_epoch)
        or (wanted.last_epoch >= 0 and wanted.last_epoch != partition.leader_epoch)
    )


class FetchSessions:
    """All sessions of a broker.

    Args:
        slots: most sessions; 0 for none at all.
        new_bytes: n random bytes.
    """

    def __init__(self, slots: int, new_bytes: Callable[[int], bytes]) -> None:
        self._slots = slots
        self._new_bytes = new_bytes
        self._sessions: dict[int, Session] = {}
        self._partitions = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def close(self, session_id: int) -> None:
        """Forget a session, if there is one."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._partitions -= len(session.entries)

    def create(self, topics: Topics, *, by_id: bool, now: float) -> Session | None:
        """Open a session, or None where there is no room."""
        count = sum(len(partitions) for _, partitions in topics)
        if not count or not self._slots or self._partitions + count > MOST_PARTITIONS:
            return None
        if len(self._sessions) >= self._slots and not self._evict(now):
            return None
        session = Session(self._new_id(), by_id, now)
        session.update(topics)
        self._sessions[session.id] = session
        self._partitions += len(session.entries)
        return session

    def resume(
        self,
        session_id: int,
        epoch: int,
        topics: Topics,
        forgotten: Iterable[tuple[str | bytes, int]],
        *,
        by_id: bool,
        now: float,
    ) -> Session:
        """Go on with a session.

        Raises:
            FetchSessionIdNotFound: it was evicted, closed or never there.
            InvalidFetchSessionEpoch: a request was lost or sent twice.
            FetchSessionTopicIdError: it was opened with names and goes on with ids, or the other way round.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise errors.FetchSessionIdNotFound(f"there is no fetch session {session_id}")
        if session.epoch != epoch:
            raise errors.InvalidFetchSessionEpoch(f"epoch {epoch}, but {session.epoch} is due")
        if session.by_id != by_id:
            raise errors.FetchSessionTopicIdError("topics by name and by id in one session")
        before = len(session.entries)
        session.update(topics)
        for key in forgotten:
            session.entries.pop(key, None)
        self._partitions += len(session.entries) - before
        session.epoch = epoch + 1 if epoch < LAST_EPOCH else 1
        session.used_at = now
        self._sessions[session_id] = self._sessions.pop(session_id)  # the longest idle one comes first
        if not session.entries or self._partitions > MOST_PARTITIONS:
            self.close(session_id)
        return session

    def is_open(self, session: Session) -> bool:
        """Whether a session may be gone on with."""
        return self._sessions.get(session.id) is session

    def _evict(self, now: float) -> bool:
        oldest = next(iter(self._sessions.values()))
        if now - oldest.used_at < EVICTABLE_AFTER:
            return False
        self.close(oldest.id)
        return True

    def _new_id(self) -> int:
        while True:
            found = int.from_bytes(self._new_bytes(4), "big") & LAST_EPOCH
            if found and found not in self._sessions:
                return found
