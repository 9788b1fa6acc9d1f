"""A group coordinator in virtual time, with members that speak its language directly."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tidelock.broker.groups.classic import ClassicRules, JoinRequest, SyncRequest
from tidelock.broker.groups.coordinator import Answers, GroupCoordinator
from tidelock.broker.groups.outcome import Joined, Synced
from tidelock.broker.groups.records import GroupRecord, decode, encode
from tidelock.broker.groups.state import Group
from tidelock.broker.instant import Instant
from tidelock.protocol.error_codes import KafkaError, KafkaStorageError
from tidelock.protocol.records import NO_PRODUCER, Producer

GROUP = "g"
START_MS = 1_700_000_000_000


class Waiter:
    """A parked request; `answer` is set once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: Joined | Synced | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {self.answer}>"

    @property
    def joined(self) -> Joined:
        assert isinstance(self.answer, Joined), self
        return self.answer

    @property
    def synced(self) -> Synced:
        assert isinstance(self.answer, Synced), self
        return self.answer


class GroupKit:
    """One coordinator; every answer must be the first for its waiter. `disk_full` makes appends fail."""

    def __init__(self, *, initial_delay: float = 0.0, max_size: int = 100) -> None:
        self.seconds = 0.0
        self.journal: list[tuple[bytes, bytes | None]] = []
        self.disk_full = False
        numbers = itertools.count(1)
        self.rules = ClassicRules(6.0, 1800.0, initial_delay, max_size, lambda: str(next(numbers)))
        self.coordinator = self._coordinator()

    def _coordinator(self) -> GroupCoordinator:
        return GroupCoordinator(self.rules, self._append, retention_ms=3_600_000)

    def _append(self, records: Sequence[GroupRecord], now: Instant, producer: Producer = NO_PRODUCER) -> int:
        if self.disk_full:
            raise KafkaStorageError("no space")
        self.journal += [encode(one) for one in records]
        return len(self.journal) - len(records)

    def restart(self) -> None:
        self.coordinator = self._coordinator()
        for number, (key, value) in enumerate(self.journal):
            record = decode(key, value)
            assert record is not None
            self.coordinator.apply(record, number)
        self.coordinator.loaded(self.now)

    @property
    def now(self) -> Instant:
        return Instant(self.seconds, START_MS + round(self.seconds * 1000))

    @property
    def group(self) -> Group:
        return self.coordinator.groups[GROUP]

    def deliver(self, answers: Answers) -> None:
        for waiter, answer in answers:
            assert isinstance(waiter, Waiter)
            assert waiter.answer is None, "answered twice"
            waiter.answer = answer

    def advance(self, seconds: float) -> None:
        end = self.seconds + seconds
        while (wake := self.coordinator.wake_at()) <= end:
            self.seconds = max(self.seconds, wake)
            self.deliver(self.coordinator.tick(self.now))
        self.seconds = end

    def join(
        self,
        member_id: str = "",
        *,
        instance_id: str | None = None,
        protocols: tuple[tuple[str, bytes], ...] = (("range", b"m"),),
        protocol_type: str = "consumer",
        version: int = 3,
        session: float = 10.0,
    ) -> Waiter:
        waiter = Waiter(f"join {member_id or instance_id or 'new'}")
        request = JoinRequest(
            member_id=member_id,
            instance_id=instance_id,
            client_id="c",
            client_host="/127.0.0.1",
            session_timeout=session,
            rebalance_timeout=30.0,
            protocol_type=protocol_type,
            protocols=protocols,
            knows_member_id_required=version >= 4,
            can_skip_assignment=version >= 9,
            waiter=waiter,
        )
        try:
            self.deliver(self.coordinator.join(GROUP, request, self.now))
        except KafkaError as error:
            waiter.answer = Joined(error.error_code, member_id)
        return waiter

    def sync(
        self,
        member_id: str,
        generation: int,
        assignments: dict[str, bytes] | None = None,
        *,
        instance_id: str | None = None,
        protocol: str | None = None,
    ) -> Waiter:
        waiter = Waiter(f"sync {member_id}")
        request = SyncRequest(member_id, instance_id, generation, None, protocol, assignments or {}, waiter)
        try:
            self.deliver(self.coordinator.sync(GROUP, request, self.now))
        except KafkaError as error:
            waiter.answer = Synced(error.error_code)
        return waiter

    def heartbeat(self, member_id: str, generation: int, instance_id: str | None = None) -> int:
        try:
            self.coordinator.heartbeat(GROUP, member_id, instance_id, generation, self.now)
        except KafkaError as error:
            return error.error_code
        return 0

    def leave(self, member_id: str, instance_id: str | None = None) -> int:
        try:
            self.deliver(self.coordinator.leave(GROUP, member_id, instance_id, self.now))
        except KafkaError as error:
            return error.error_code
        return 0

    def stable(self, *instances: str | None) -> list[str]:
        """A stable group with one member for each given instance id; returns the member ids, leader first."""
        ids: list[str] = []
        for instance in instances:
            first = self.join(instance_id=instance)
            again = [self.join(one, instance_id=given) for one, given in zip(ids, instances, strict=False)]
            waiters = [*again, first]
            ids = [one.joined.member_id for one in waiters]
            generation = first.joined.generation
            plan = {one: one.encode() for one in ids}
            leader = first.joined.leader
            for one, given in zip(ids, instances, strict=False):
                if one != leader:
                    self.sync(one, generation, instance_id=given)
            given = instances[ids.index(leader)]
            assert self.sync(leader, generation, plan, instance_id=given).synced.error_code == 0
        return ids
