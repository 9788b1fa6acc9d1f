"""Membership in a group of any protocol type: join, synchronise, heartbeat, leave (the classic protocol).

librdkafka keeps these requests to its own consumers; Kafka Connect's workers are a group of the type
`connect` with metadata and assignments of their own. What these bytes mean is the caller's: it gives the
metadata, makes the assignment when it is the leader, and decides when to join again. The heartbeat runs in a
task of its own, from the end of one join to the beginning of the next: also after the coordinator has asked
for another round, for a member may have work to stop before it joins, and that may outlast a session.

Source: Kafka `AbstractCoordinator`, KIP-394 (member id first), KIP-62 (rebalance timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tidelock.client.errors import BrokerUnreachable, LoginRefused
from tidelock.client.wire import Cluster, Connection
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import (
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    ErrorCode,
    IllegalGeneration,
    KafkaError,
    MemberIdRequired,
    NotCoordinator,
    RebalanceInProgress,
    UnknownMemberId,
    error_for,
)
from tidelock.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidelock.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from tidelock.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from tidelock.protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

JOIN_VERSION, SYNC_VERSION, HEARTBEAT_VERSION, LEAVE_VERSION = 5, 3, 3, 1
RETRY_PAUSE = 0.1
LEAVE_TIMEOUT = 3.0
AGAIN = (CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator)
LOST = (UnknownMemberId, IllegalGeneration)

Members = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """Seconds: how long a member may be silent, may take to join again, and how often it is heard."""

    session: float = 10.0
    rebalance: float = 60.0
    heartbeat: float = 3.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What one round of the group came to.

    Attributes:
        protocol: the one that all members share.
        leader: member id of the member that made the assignment.
    """

    generation: int
    member_id: str
    leader: str
    protocol: str
    assignment: bytes


Assign = Callable[[str, str, Members], Awaitable[Mapping[str, bytes]]]
"""From the protocol, the leader's member id and each member's metadata to each member's assignment."""


class GroupMember:
    """One member of one group.

    Args:
        cluster: the brokers.
        group: its id.
        protocol_type: such as `connect`.
        times: see GroupTimes.
        clock: monotonic time.
    """

    def __init__(
        self, cluster: Cluster, group: str, protocol_type: str, *, times: GroupTimes, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._type = protocol_type
        self._times = times
        self._clock = clock
        self._coordinator: Connection | None = None
        self._beating: asyncio.Task[None] | None = None
        self._called = asyncio.Event()
        self.member_id = ""
        self.generation = -1
        self.heard_at = clock.monotonic()
        """When the coordinator last took this member for one."""

    async def join(self, protocols: Sequence[tuple[str, bytes]], assign: Assign) -> Joined:
        """Take part in one round, and begin to send heartbeats after it.

        Args:
            protocols: name and metadata of each that this member speaks, the dearest first.
            assign: asked if this member leads the group.

        Raises:
            RebalanceInProgress: the round was overtaken by another: join again.
            UnknownMemberId, IllegalGeneration: the group has done without this member; it has none of its
                work any more and may join again.
            KafkaError: the group does not take this member.
            BrokerUnreachable: nobody answers.
        """
        await self._quiet()
        try:
            joined = await self._join(protocols)
            mine = await self._sync(joined, assign)
        except KafkaError as error:
            if isinstance(error, LOST):
                self.member_id, self.generation = "", -1
            raise
        self._called = asyncio.Event()
        self._beating = asyncio.create_task(self._beat(), name=f"heartbeat {self._group}")
        return Joined(joined.generation_id, joined.member_id, joined.leader, joined.protocol_name or "", mine)

    async def _join(self, protocols: Sequence[tuple[str, bytes]]) -> JoinGroupResponse:
        while True:
            request = JoinGroupRequest(
                group_id=self._group,
                session_timeout_ms=int(self._times.session * 1000),
                rebalance_timeout_ms=int(self._times.rebalance * 1000),
                member_id=self.member_id,
                protocol_type=self._type,
                protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols],
            )
            coordinator = await self._find()
            patience = self._times.rebalance + self._cluster.timeout
            answer = await coordinator.call(request, JOIN_VERSION, JoinGroupResponse, patience)
            if answer.error_code == MemberIdRequired.error_code:
                self.member_id = answer.member_id
                continue
            self._check(answer.error_code)
            self.member_id, self.generation = answer.member_id, answer.generation_id
            return answer

    async def _sync(self, joined: JoinGroupResponse, assign: Assign) -> bytes:
        assignments: Mapping[str, bytes] = {}
        if joined.leader == joined.member_id:
            members = {member.member_id: bytes(member.metadata) for member in joined.members}
            assignments = await assign(joined.protocol_name or "", joined.leader, members)
        request = SyncGroupRequest(
            group_id=self._group,
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            assignments=[
                SyncGroupRequestAssignment(member_id=one, assignment=data)
                for one, data in assignments.items()
            ],
        )
        coordinator = await self._find()
        patience = self._times.rebalance + self._cluster.timeout
        answer = await coordinator.call(request, SYNC_VERSION, SyncGroupResponse, patience)
        self._check(answer.error_code)
        return bytes(answer.assignment)

    async def ended(self) -> TidelockError:
        """Return when the group wants this member to join again, and why.

        RebalanceInProgress: others come or go, the work stays, and the heartbeat goes on. UnknownMemberId,
        IllegalGeneration: the work is somebody else's. BrokerUnreachable: silent for a whole session.
        """
        assert self._beating is not None
        beating, called = self._beating, asyncio.ensure_future(self._called.wait())
        try:
            await asyncio.wait((beating, called), return_when=asyncio.FIRST_COMPLETED)
        finally:
            called.cancel()
        error = None if not beating.done() or beating.cancelled() else beating.exception()
        if isinstance(error, LOST):
            self.member_id, self.generation = "", -1
        if isinstance(error, TidelockError):
            return error
        if error is not None:
            raise error
        return RebalanceInProgress(where=f"group {self._group}")

    async def leave(self) -> None:
        """Leave the group at once, so that nobody waits for the session's end; a broker away is no matter."""
        await self._quiet()
        if not self.member_id:
            return
        request = LeaveGroupRequest(group_id=self._group, member_id=self.member_id)
        with contextlib.suppress(BrokerUnreachable, KafkaError):
            coordinator = await self._find()
            await coordinator.call(request, LEAVE_VERSION, LeaveGroupResponse, LEAVE_TIMEOUT)
        self.member_id, self.generation = "", -1

    async def _beat(self) -> None:
        """Send heartbeats until the coordinator does not know us, or is silent for a session."""
        self.heard_at = self._clock.monotonic()
        pause = self._times.heartbeat
        while True:
            await asyncio.sleep(pause)
            request = HeartbeatRequest(
                group_id=self._group, generation_id=self.generation, member_id=self.member_id
            )
            try:
                coordinator = await self._find()
                answer = await coordinator.call(
                    request, HEARTBEAT_VERSION, HeartbeatResponse, self._times.session
                )
                if answer.error_code == RebalanceInProgress.error_code:
                    self._called.set()
                else:
                    self._check(answer.error_code)
                self.heard_at = self._clock.monotonic()
                pause = self._times.heartbeat
            except (*AGAIN, BrokerUnreachable, LoginRefused) as error:
                self._coordinator = None
                if self._clock.monotonic() - self.heard_at >= self._times.session:
                    raise BrokerUnreachable(
                        f"the group's coordinator was silent for {self._times.session:.0f} s",
                        where=f"group {self._group}",
                    ) from error
                pause = RETRY_PAUSE

    async def _find(self) -> Connection:
        if self._coordinator is None or not self._coordinator.is_open:
            self._coordinator = await self._cluster.coordinator(self._group)
        return self._coordinator

    def _check(self, code: int) -> None:
        if code != ErrorCode.NONE:
            error = error_for(code, where=f"group {self._group}")
            if isinstance(error, AGAIN):
                self._coordinator = None
            raise error

    async def _quiet(self) -> None:
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.wait((beating,))
            if not beating.cancelled():
                beating.exception()  # looked at, so that nobody warns of it
