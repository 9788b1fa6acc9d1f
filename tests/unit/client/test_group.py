"""A group's member goes on being heard after the group has asked for another round."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from tidelock.client.group import GroupMember, GroupTimes
from tidelock.protocol.error_codes import RebalanceInProgress, UnknownMemberId
from tidelock.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidelock.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from tidelock.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from tidelock.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from tidelock.runtime import ManualClock

TIMES = GroupTimes(heartbeat=0.0)
PATIENCE = 10.0
REBALANCE, UNKNOWN = RebalanceInProgress.error_code, UnknownMemberId.error_code


class Coordinator:
    """Takes every member in; its answers to heartbeats are a script, the last of them for ever."""

    timeout = 1.0
    is_open = True

    def __init__(self, *answers: int) -> None:
        self.answers = deque(answers)
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.rounds = 0

    async def coordinator(self, group: str) -> Coordinator:
        return self

    async def call(self, request: object, version: int, kind: type[Any], patience: float) -> Any:
        await asyncio.sleep(0)
        if isinstance(request, JoinGroupRequest):
            self.rounds += 1
            return JoinGroupResponse(
                member_id="m", leader="other", generation_id=self.rounds, protocol_name="p"
            )
        if isinstance(request, SyncGroupRequest):
            return SyncGroupResponse(assignment=b"work")
        if isinstance(request, LeaveGroupRequest):
            return LeaveGroupResponse()
        assert isinstance(request, HeartbeatRequest)
        self.heard.put_nowait(request.member_id)
        code = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return HeartbeatResponse(error_code=code)


async def nobody(protocol: str, leader: str, members: Mapping[str, bytes]) -> Mapping[str, bytes]:
    raise AssertionError("this member does not lead")


def test_whoever_has_work_to_stop_first_is_heard_until_it_joins_again() -> None:
    async def story() -> None:
        coordinator = Coordinator(0, REBALANCE)
        member = GroupMember(coordinator, "g", "connect", times=TIMES, clock=ManualClock())  # type: ignore[arg-type]  # all it asks of a cluster
        await member.join([("p", b"")], nobody)

        why = await asyncio.wait_for(member.ended(), PATIENCE)

        assert isinstance(why, RebalanceInProgress)
        while not coordinator.heard.empty():
            coordinator.heard.get_nowait()
        assert await asyncio.wait_for(coordinator.heard.get(), PATIENCE) == "m"  # while it stops what it has
        assert (await member.join([("p", b"")], nobody)).generation == 2
        await member.leave()

    asyncio.run(story())


def test_a_member_that_is_not_known_any_more_is_told_so() -> None:
    async def story() -> None:
        coordinator = Coordinator(0, UNKNOWN)
        member = GroupMember(coordinator, "g", "connect", times=TIMES, clock=ManualClock())  # type: ignore[arg-type]  # all it asks of a cluster
        await member.join([("p", b"")], nobody)

        why = await asyncio.wait_for(member.ended(), PATIENCE)

        assert isinstance(why, UnknownMemberId)
        assert (member.member_id, member.generation) == ("", -1)

    asyncio.run(story())
