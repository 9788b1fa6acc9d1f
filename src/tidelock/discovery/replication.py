"""What peers tell each other and what becomes of it: receiving, sending in batches, repair. No IO, no clock.

One hop only: what a peer tells is applied and never passed on. Between peers an instance's
`lastDirtyTimestamp` orders its versions, and a cancel beats the registration it ended; an override counts as
a version of its own. So peers agree whatever order things arrive in; what was lost is repaired by the next
heartbeat: 404 asks for the registration, 409 brings the younger copy. May import `registry` and
`codec.batch`. Invariant: a queue holds at most `LIMIT` tasks, and one of each kind per instance: the newest.

Source: Netflix `com.netflix.eureka.cluster.PeerEurekaNode`, `ReplicationTaskProcessor`,
`com.netflix.eureka.util.batcher.AcceptorExecutor`, `PeerReplicationResource`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tidelock.discovery.codec.batch import Kind, Result, Task
from tidelock.discovery.instance import Action, Instance, Status
from tidelock.discovery.lease import Moment
from tidelock.discovery.registry import Registry, Renewal

BATCH = 250
LIMIT = 10_000
EXPIRY = 30.0
"""Seconds after which a task that could not be delivered is given up (`maxTimeForReplication`)."""

DELAY = 0.05
"""Seconds that a change waits for company."""

HEARTBEAT_DELAY = 0.5
"""Seconds that heartbeats wait for company, as all tasks do in Java."""

RETRY = 0.1
CONGESTION = 1.0
"""Seconds to leave a peer alone that answers 503 or not in time."""

OK = Result(200)
GONE = 410
"""The answer to a registration of what was cancelled; the entity says up to which version. Not in Java."""

WEIGHTS = (Status.UNKNOWN, Status.UP, Status.STARTING, Status.DOWN, Status.OUT_OF_SERVICE)


# receiving


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one task: the peer's answer, and what others see of it."""

    result: Result
    instance: Instance | None = None
    action: Action = Action.MODIFIED


def receive(registry: Registry, task: Task, now: Moment) -> Received:
    """Do what a peer says."""
    app, instance_id, dirty = task.app, task.instance_id, task.dirty
    if task.instance is not None:
        version = registry.cancelled((app, instance_id))
        if task.instance.last_dirty_timestamp <= version:
            told = msgspec.structs.replace(task.instance, last_dirty_timestamp=version)
            return Received(Result(GONE, told))
        listed = registry.register(task.instance, now, is_replica=True)
        return Received(OK, listed, Action.ADDED)
    if task.kind is Kind.HEARTBEAT:
        return _heartbeat(registry, task, now)
    if task.kind is Kind.CANCEL:
        gone = registry.cancel(app, instance_id, now, dirty=dirty)
        is_unknown = gone is None and not registry.holds((app, instance_id))
        return Received(Result(404) if is_unknown else OK, gone, Action.DELETED)
    status = task.status if task.kind is Kind.OVERRIDE else None
    if status is None:
        changed = registry.remove_override(app, instance_id, task.status, now, dirty=dirty, is_replica=True)
    else:
        changed = registry.override(app, instance_id, status, now, dirty=dirty, is_replica=True)
    return Received(Result(404) if changed is None else OK, changed)


def _heartbeat(registry: Registry, task: Task, now: Moment) -> Received:
    renewal = registry.renew(task.app, task.instance_id, now, dirty=task.dirty, is_replica=True)
    if renewal in (Renewal.UNKNOWN, Renewal.STALE_HERE):
        return Received(Result(404))
    held = registry.instance(task.app, task.instance_id, now)
    if renewal is Renewal.STALE_THERE:
        return Received(Result(409, held))
    if held is None or task.status is Status.UNKNOWN:
        return Received(OK)
    ours, theirs = _weight(held.overridden, held.status), _weight(task.overridden, task.status)
    if theirs > ours:
        return Received(Result(404))  # on which the peer sends the whole instance
    return Received(Result(409, held) if ours > theirs else OK)


def _weight(overridden: Status, status: Status) -> tuple[int, int]:
    """Which of two copies of the same version counts: the one that keeps more callers away."""
    return WEIGHTS.index(overridden), WEIGHTS.index(status)


# sending


class Failure(enum.Enum):
    """Why a batch was not taken."""

    BROKEN = "the connection broke"
    CONGESTED = "the peer is overloaded"
    REFUSED = "the peer does not take it"


@dataclass(slots=True)
class _Waiting:
    task: Task
    due: float
    expires: float


_Slot = tuple[str, str, str]


@dataclass(slots=True)
class PeerQueue:
    """What one peer must still be told."""

    dropped: int = 0
    _waiting: dict[_Slot, _Waiting] = field(default_factory=dict)
    _sent: dict[_Slot, _Waiting] = field(default_factory=dict)
    _not_before: float = 0.0

    def add(self, task: Task, now: float) -> None:
        """Queue a task; it replaces an older one of its kind and leaves when that would have.

        Otherwise an instance whose heartbeats come faster than `HEARTBEAT_DELAY` would never be passed on, as
        happens between Java's.
        """
        due = now + (HEARTBEAT_DELAY if task.kind is Kind.HEARTBEAT else DELAY)
        slot = _slot(task)
        older = self._waiting.pop(slot, None)  # so that the newest stands last
        self._waiting[slot] = _Waiting(task, due if older is None else min(due, older.due), now + EXPIRY)
        if len(self._waiting) > LIMIT:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1

    def wake_at(self) -> float | None:
        """Monotonic second at which there is something to send; None while there is nothing."""
        if not self._waiting:
            return None
        return max(self._not_before, min(entry.due for entry in self._waiting.values()))

    def batch(self, now: float) -> tuple[Task, ...]:
        """Take the next batch, oldest first; it stays the queue's until `answered` or `failed`."""
        for slot in [slot for slot, entry in self._waiting.items() if entry.expires < now]:
            del self._waiting[slot]
            self.dropped += 1
        slots = list(self._waiting)[:BATCH]
        self._sent = {slot: self._waiting.pop(slot) for slot in slots}
        return tuple(entry.task for entry in self._sent.values())

    def answered(self, results: Sequence[Result]) -> tuple[tuple[Task, Result], ...]:
        """The peer took the batch; returns the tasks that need a repair, with its answers."""
        tasks = [entry.task for entry in self._sent.values()]
        self._sent = {}
        pairs = zip(tasks, results, strict=False)
        return tuple((task, result) for task, result in pairs if result.status in (404, 409, GONE))

    def failed(self, why: Failure, now: float) -> None:
        """The peer did not take the batch: it is sent again later, unless that is pointless."""
        sent, self._sent = self._sent, {}
        if why is Failure.REFUSED:
            self.dropped += len(sent)
            return
        newer = self._waiting
        self._waiting = {slot: entry for slot, entry in sent.items() if slot not in newer} | newer
        self._not_before = now + (CONGESTION if why is Failure.CONGESTED else RETRY)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)


def repair(registry: Registry, task: Task, result: Result, now: Moment) -> Task | Instance | None:
    """Make up for what a peer misses, or for what we do.

    Returns:
        The task that tells the peer what it misses; or the instance as it is (or was) here, now that the
        peer's word was taken; or nothing.
    """
    if result.status == 409 and result.instance is not None:
        theirs = result.instance
        if (theirs.app, theirs.instance_id) != (task.app, task.instance_id):
            return None
        return registry.register(theirs, now, is_replica=True)
    if result.status == GONE and result.instance is not None:
        version = result.instance.last_dirty_timestamp
        return registry.cancel(task.app, task.instance_id, now, dirty=version)
    if result.status == 404 and task.kind is not Kind.CANCEL:
        held = registry.instance(task.app, task.instance_id, now)
        return None if held is None else Task.of(Kind.REGISTER, held)
    return None


def _slot(task: Task) -> _Slot:
    kind = "heartbeat"
    if task.kind in (Kind.REGISTER, Kind.CANCEL):
        kind = "lease"
    elif task.kind is not Kind.HEARTBEAT:
        kind = "override"
    return kind, task.app, task.instance_id
