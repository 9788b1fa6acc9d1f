"""This worker as a member of Connect's group: rounds, what it was given, and what it decides as the leader.

    offer metadata -> (as leader: assign to all) -> stop what is revoked -> what is to run now

The incremental protocols keep work running through a round; with the eager one everything stops first. What
is stopped or started is the caller's. Raises what GroupMember raises; after UnknownMemberId,
IllegalGeneration or silence the caller stops everything and calls `forget`.

Source: Kafka `runtime.distributed.{WorkerCoordinator, WorkerGroupMember}`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from tidelock.client.group import GroupMember, Members
from tidelock.connect.distributed.assignor import LeaderMemory, Round, assign, assign_eagerly
from tidelock.connect.distributed.group_protocol import (
    CONFIG_MISMATCH,
    EAGER,
    NOTHING,
    PROTOCOLS,
    Assignment,
    ConnectorsAndTasks,
    Metadata,
    decode_assignment,
    decode_metadata,
    encode_assignment,
    encode_metadata,
    protocols,
    version_of,
)
from tidelock.runtime import Clock

Stop = Callable[[ConnectorsAndTasks], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far the config topic was read, and what it says is to run."""

    offset: int
    configured: ConnectorsAndTasks


@dataclass(frozen=True, slots=True)
class Owner:
    """A member, as the leader knows it after its last round."""

    url: str
    work: ConnectorsAndTasks


class Membership:
    """One worker's place in the group.

    Args:
        member: of the group.
        url: of this worker's REST interface, with a slash at the end.
        version: the newest protocol that this worker speaks.
        max_delay: seconds, scheduled.rebalance.max.delay.ms.
        snapshot: returns the present one; told an offset, it tries to reach it first.
        clock: monotonic time.
    """

    def __init__(
        self,
        member: GroupMember,
        *,
        url: str,
        version: int,
        max_delay: float,
        snapshot: Callable[[int], Awaitable[Snapshot]],
        clock: Clock,
    ) -> None:
        self._member = member
        self._url = url
        self._newest = version
        self._max_delay = max_delay
        self._snapshot = snapshot
        self._clock = clock
        self._memory = LeaderMemory()
        self._completed = -1
        self.version = version
        """The protocol that the group speaks now."""
        self.assignment: Assignment | None = None
        """What the last round came to: `assigned` is all that this worker has to run."""
        self.owners: Mapping[str, Owner] = {}
        """As the leader: who has what; empty otherwise."""

    @property
    def generation(self) -> int:
        """Of the last round that came to its end; -1 before the first."""
        return self._completed

    @property
    def is_leader(self) -> bool:
        """Whether this worker leads the group."""
        return self.assignment is not None and self.assignment.leader == self._member.member_id != ""

    @property
    def leader_url(self) -> str | None:
        """Where the leader's REST interface is, without a slash at the end; None without a leader."""
        return self.assignment.leader_url.rstrip("/") if self.assignment and self.assignment.leader else None

    async def join(self, stop: Stop) -> Assignment:
        """Take part in a round.

        Args:
            stop: stops some of this worker's work, and returns when it has ended.

        Returns:
            The assignment; `assigned` is all that this worker has to run, `revoked` what it has stopped.
        """
        if self.version == EAGER and self.assignment is not None:
            await stop(self.assignment.assigned)
            self.assignment = None
        offset = (await self._snapshot(-1)).offset
        self.owners = {}
        joined = await self._member.join(
            [(PROTOCOLS[one], self._metadata(one, offset)) for one in protocols(self._newest)], self._assign
        )
        self.version = version_of(joined.protocol)
        given = decode_assignment(joined.assignment)
        before = NOTHING if self.assignment is None else self.assignment.assigned
        gone = before - given.assigned if self.version == EAGER else before & given.revoked
        if gone:
            await stop(gone)
        kept = before - gone
        self.assignment = replace(given, assigned=kept | given.assigned)
        self._completed = joined.generation
        return self.assignment

    def forget(self) -> None:
        """Have nothing: the group has given this worker's work to others, or is about to."""
        self.assignment = None
        self.owners = {}

    def _metadata(self, version: int, offset: int) -> bytes:
        running = (
            None if self.assignment is None else replace(self.assignment, version=version, revoked=NOTHING)
        )
        return encode_metadata(Metadata(version, self._url, offset, running))

    async def _assign(self, protocol: str, leader: str, members: Members) -> dict[str, bytes]:
        version = version_of(protocol)
        known = {name: decode_metadata(data) for name, data in members.items()}
        newest = max(metadata.offset for metadata in known.values())
        snapshot = await self._snapshot(newest)
        base = Assignment(
            version, leader=leader, leader_url=known[leader].url, offset=max(snapshot.offset, newest)
        )
        if snapshot.offset < newest:
            mismatch = encode_assignment(replace(base, error=CONFIG_MISMATCH))
            return dict.fromkeys(members, mismatch)
        if version == EAGER:
            owned: Mapping[str, ConnectorsAndTasks] = assign_eagerly(snapshot.configured, members)
            made = {name: replace(base, assigned=work) for name, work in owned.items()}
        else:
            made, owned = self._plan(base, snapshot.configured, known)
        self.owners = {name: Owner(known[name].url.rstrip("/"), work) for name, work in owned.items()}
        return {name: encode_assignment(one) for name, one in made.items()}

    def _plan(
        self, base: Assignment, configured: ConnectorsAndTasks, known: Mapping[str, Metadata]
    ) -> tuple[dict[str, Assignment], Mapping[str, ConnectorsAndTasks]]:
        seen = Round(
            configured,
            {name: metadata.running for name, metadata in known.items()},
            self._completed,
            self._member.generation,
            self._clock.monotonic(),
            self._max_delay,
        )
        self._memory, plan = assign(self._memory, seen)
        delay = math.ceil(plan.delay * 1000)
        made = {
            name: replace(base, assigned=plan.assigned[name], revoked=plan.revoked[name], delay=delay)
            for name in known
        }
        return made, plan.owned
