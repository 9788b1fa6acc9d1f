"""Who runs what: incremental cooperative assignment (KIP-415), and the eager one of old workers. Pure.

The leader knows what is configured, what each member says it runs, and what it has given out before. What
is configured and nobody had is new and goes to the least loaded. What a member had and nobody has now is
lost: it waits, for at most `max_delay`, in case its worker is only being restarted. What a member has too
much of is revoked in one round and given out in the next, so nothing that need not move ever stops.
Connectors and tasks are balanced apart from each other.

Two members that claim the same work both lose it, and it is given out anew: nothing may run twice.

Source: KIP-415; Kafka `runtime.distributed.{IncrementalCooperativeAssignor, EagerAssignor}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tidelock.connect.distributed.group_protocol import NOTHING, ConnectorsAndTasks, TaskId

Item = TypeVar("Item")

BACKOFF_FIRST, BACKOFF_FACTOR = 0.001, 40
"""Seconds and growth of the pause between rounds that revoke: 1 ms, 40 ms, 1.6 s, then the longest delay."""


@dataclass(frozen=True, slots=True)
class LeaderMemory:
    """What the leader remembers from one round to the next; a new leader begins with none.

    Attributes:
        generation: of the round that `previous` was given out in.
        previous: everything that was given out, and what waits for its worker.
        members: that took part.
        revoked: what was asked back in the last round.
        candidates: members that came without work while some was lost.
        departed: how many members were missing when the work was lost.
        deadline: seconds; when lost work is given to others, or may be revoked again. 0: nothing waits.
        delay: seconds until then, as the members were told.
        has_revoked: whether the last round revoked for balance.
        revoking_rounds: how many such rounds came one after the other.
    """

    generation: int = -1
    previous: ConnectorsAndTasks = NOTHING
    members: frozenset[str] = frozenset()
    revoked: ConnectorsAndTasks = NOTHING
    candidates: frozenset[str] = frozenset()
    departed: int = 0
    deadline: float = 0.0
    delay: float = 0.0
    has_revoked: bool = False
    revoking_rounds: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """What the leader sees at the beginning of a round.

    Attributes:
        configured: by the config topic.
        running: what each member says it runs.
        completed_generation: of the last round that this leader took part in; -1 if it did not.
        generation: of this round.
        now: monotonic seconds.
        max_delay: seconds, scheduled.rebalance.max.delay.ms.
    """

    configured: ConnectorsAndTasks
    running: Mapping[str, ConnectorsAndTasks]
    completed_generation: int
    generation: int
    now: float
    max_delay: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round decides.

    Attributes:
        assigned: what is new for each member.
        revoked: what each member has to stop.
        owned: all that each member has once it has done both.
        delay: seconds after which all join again; 0 for never.
    """

    assigned: Mapping[str, ConnectorsAndTasks]
    revoked: Mapping[str, ConnectorsAndTasks]
    owned: Mapping[str, ConnectorsAndTasks]
    delay: float


@dataclass(slots=True)
class _Load:
    """One member's work while a round is decided; in order of assignment, so that revoking is repeatable."""

    member: str
    connectors: dict[str, None] = field(default_factory=dict)
    tasks: dict[TaskId, None] = field(default_factory=dict)

    def take(self, work: ConnectorsAndTasks) -> None:
        for name in work.connectors:
            self.connectors.pop(name, None)
        for task in work.tasks:
            self.tasks.pop(task, None)

    @property
    def work(self) -> ConnectorsAndTasks:
        return ConnectorsAndTasks(frozenset(self.connectors), frozenset(self.tasks))


def assign(memory: LeaderMemory, seen: Round) -> tuple[LeaderMemory, Plan]:
    """Decide one round.

    Args:
        memory: of the last round.
        seen: what is the case now; at least one member.

    Returns:
        What to remember, and the plan.
    """
    memory = _trusted(memory, seen)
    active = _union(seen.running.values())
    deleted = memory.previous - seen.configured
    duplicated = _duplicated(seen.running)
    lost = memory.previous - active - deleted
    created = seen.configured - memory.previous - active
    gone = deleted | duplicated | (active - seen.configured)
    loads = {name: _load(name, running) for name, running in sorted(seen.running.items())}
    revoked = {name: running & gone for name, running in seen.running.items()}
    for name, load in loads.items():
        load.take(revoked[name])
    memory, given_back = _lost(memory, lost, loads, seen)
    if not memory.deadline:
        memory, balancing = _balancing(memory, loads, seen)
        for name, work in balancing.items():
            loads[name].take(work)
            revoked[name] |= work
    _spread(loads, created | (given_back & seen.configured))
    owned = {name: load.work for name, load in loads.items()}
    plan = Plan(
        assigned={name: owned[name] - running for name, running in seen.running.items()},
        revoked=revoked,
        owned=owned,
        delay=memory.delay,
    )
    taken = _union(revoked.values())
    waiting = lost - _union(owned.values())
    previous = (_union(owned.values()) - taken) | waiting
    return (
        replace(
            memory,
            generation=seen.generation,
            previous=previous,
            members=frozenset(seen.running),
            revoked=taken,
        ),
        plan,
    )


def assign_eagerly(configured: ConnectorsAndTasks, members: Iterable[str]) -> dict[str, ConnectorsAndTasks]:
    """Give everything out in turn: all connectors, then all tasks, to the members in order of their ids.

    Source: Kafka `EagerAssignor.performTaskAssignment`.
    """
    loads = [_Load(name) for name in sorted(members)]
    turn = 0
    for name in sorted(configured.connectors):
        loads[turn % len(loads)].connectors[name] = None
        turn += 1
    for task in sorted(configured.tasks):
        loads[turn % len(loads)].tasks[task] = None
        turn += 1
    return {load.member: load.work for load in loads}


def _trusted(memory: LeaderMemory, seen: Round) -> LeaderMemory:
    """Forget what was given out in a round that did not come to its end, or was not taken back."""
    if memory.generation != seen.completed_generation:
        memory = replace(memory, previous=NOTHING, revoked=NOTHING)
    active = _union(seen.running.values())
    if memory.revoked & active:
        memory = replace(memory, previous=active, has_revoked=False)
    return replace(memory, revoked=NOTHING)


def _lost(
    memory: LeaderMemory, lost: ConnectorsAndTasks, loads: Mapping[str, _Load], seen: Round
) -> tuple[LeaderMemory, ConnectorsAndTasks]:
    """Decide about lost work: what is to be given out now as if it were new.

    The delay ends early when as many members without work have come as had left: that is a restart, and as
    the least loaded they get the work. Kafka waits for the end of the delay also then.
    """
    if not lost:
        return _paused(memory, seen), NOTHING
    left = len(memory.members - loads.keys())
    if seen.max_delay <= 0.0 or not (memory.departed or left):
        return memory, lost  # nobody wants to wait; or its worker never got the assignment
    if not memory.departed:
        memory = replace(memory, deadline=seen.now + seen.max_delay)
    memory = replace(memory, departed=memory.departed + left)
    idle = frozenset(name for name, load in loads.items() if not load.work)
    candidates = (memory.candidates | idle) & loads.keys()
    memory = replace(memory, candidates=candidates)
    is_back = memory.departed <= len(candidates)
    if seen.now < memory.deadline and not is_back:
        return replace(memory, delay=min(memory.deadline - seen.now, seen.max_delay)), NOTHING
    return replace(_calm(memory), has_revoked=False), lost


def _paused(memory: LeaderMemory, seen: Round) -> LeaderMemory:
    """Go on waiting between two rounds that revoke, or end the wait."""
    if seen.now < memory.deadline and memory.has_revoked:
        return replace(memory, candidates=frozenset(), departed=0, delay=memory.deadline - seen.now)
    return replace(_calm(memory), has_revoked=memory.has_revoked and not memory.deadline)


def _calm(memory: LeaderMemory) -> LeaderMemory:
    return replace(memory, candidates=frozenset(), departed=0, deadline=0.0, delay=0.0)


def _balancing(
    memory: LeaderMemory, loads: Mapping[str, _Load], seen: Round
) -> tuple[LeaderMemory, dict[str, ConnectorsAndTasks]]:
    """Take from whoever has more than its share; not in round after round without a growing pause."""
    revoked = _surplus(seen.configured, loads)
    if not revoked:
        return replace(memory, has_revoked=False, revoking_rounds=0), {}
    if not memory.has_revoked:
        return replace(memory, has_revoked=True), revoked
    rounds = memory.revoking_rounds + 1
    pause = min(BACKOFF_FIRST * BACKOFF_FACTOR ** min(rounds - 1, 6), seen.max_delay)
    memory = replace(memory, revoking_rounds=rounds)
    if pause <= 0.0:
        return memory, revoked
    return replace(memory, delay=pause, deadline=seen.now + pause), {}


def _surplus(configured: ConnectorsAndTasks, loads: Mapping[str, _Load]) -> dict[str, ConnectorsAndTasks]:
    connectors = _over(
        {name: list(load.connectors) for name, load in loads.items()}, len(configured.connectors)
    )
    tasks = _over({name: list(load.tasks) for name, load in loads.items()}, len(configured.tasks))
    return {
        name: ConnectorsAndTasks.of(connectors.get(name, ()), tasks.get(name, ()))
        for name in connectors.keys() | tasks.keys()
    }


def _over(held: Mapping[str, list[Item]], total: int) -> dict[str, list[Item]]:
    """Return, for each member above its share, what it has to give: the last that it got."""
    share, extra = divmod(total, len(held))
    found = {}
    for name, items in held.items():
        if len(items) <= share:
            continue
        limit = share
        if extra:
            extra, limit = extra - 1, share + 1
        if len(items) > limit:
            found[name] = items[limit:]
    return found


def _spread(loads: Mapping[str, _Load], work: ConnectorsAndTasks) -> None:
    """Give each connector, and each task, to whoever has the fewest of its kind."""
    for name in sorted(work.connectors):
        least = min(loads.values(), key=lambda load: (len(load.connectors), load.member))
        least.connectors[name] = None
    for task in sorted(work.tasks):
        least = min(loads.values(), key=lambda load: (len(load.tasks), load.member))
        least.tasks[task] = None


def _load(name: str, running: ConnectorsAndTasks) -> _Load:
    return _Load(name, dict.fromkeys(sorted(running.connectors)), dict.fromkeys(sorted(running.tasks)))


def _union(several: Iterable[ConnectorsAndTasks]) -> ConnectorsAndTasks:
    found = list(several)
    return ConnectorsAndTasks(
        frozenset().union(*(one.connectors for one in found)),
        frozenset().union(*(one.tasks for one in found)),
    )


def _duplicated(running: Mapping[str, ConnectorsAndTasks]) -> ConnectorsAndTasks:
    connectors = Counter(name for work in running.values() for name in work.connectors)
    tasks = Counter(task for work in running.values() for task in work.tasks)
    return ConnectorsAndTasks.of(
        (name for name, count in connectors.items() if count > 1),
        (task for task, count in tasks.items() if count > 1),
    )
