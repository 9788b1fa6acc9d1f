"""The group machine under random clients, time, restarts and full disks.

Invariants: no partition has two owners in one generation; every join and sync is answered, once (GroupKit
checks the once) and in bounded time; generations never go back; what was answered survives a restart.
"""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.groups import GROUP, GroupKit, Waiter
from tidelock.broker.groups.outcome import Joined, Synced
from tidelock.protocol.error_codes import ErrorCode as E

PARTITIONS = 5
METADATA = (("range", b"1"),), (("range", b"2"), ("sticky", b"2")), (("sticky", b"3"), ("range", b"3"))
LONGEST_WAIT = 400.0


@dataclass
class Client:
    """One consumer: it follows the protocol, but may be slow, silent or forgetful."""

    instance_id: str | None
    version: int
    member_id: str = ""
    generation: int = -1
    members: tuple[str, ...] = ()
    waiter: Waiter | None = None
    is_synced: bool = False
    must_join: bool = True

    def forget(self) -> None:
        self.member_id, self.generation, self.members, self.waiter = "", -1, (), None
        self.is_synced, self.must_join = False, True


class GroupMachine(RuleBasedStateMachine):
    """Up to five clients and one coordinator."""

    def __init__(self) -> None:
        super().__init__()
        self.kit = GroupKit()
        versions = (3, 4, 5, 9, 9)
        instances = (None, None, "a", "b", None)
        self.clients = [Client(i, v) for i, v in zip(instances, versions, strict=True)]
        self.waiters: list[tuple[float, Waiter]] = []
        self.owners: dict[tuple[int, int], str] = {}
        self.last_generation = 0

    who = st.integers(0, 4)

    def waits(self, waiter: Waiter) -> Waiter:
        self.waiters.append((self.kit.seconds, waiter))
        return waiter

    @rule(order=st.permutations(range(5)), count=st.integers(1, 5))
    def work(self, order: list[int], count: int) -> None:
        """Some clients do what is next for a well-behaved one; the common case."""
        for who in order[:count]:
            client = self.clients[who]
            self.read(client)
            if client.waiter is not None:
                continue
            if client.must_join:
                self.join(who, METADATA[0])
            elif not client.is_synced:
                self.sync(who)
            else:
                self.heartbeat(who)

    @rule(count=st.integers(1, 5))
    def all_work(self, count: int) -> None:
        for _ in range(count):
            self.work([0, 1, 2, 3, 4], 5)

    @rule(who=who, metadata=st.sampled_from(METADATA))
    def join(self, who: int, metadata: tuple[tuple[str, bytes], ...]) -> None:
        client = self.clients[who]
        client.waiter = self.waits(
            self.kit.join(
                client.member_id,
                instance_id=client.instance_id,
                protocols=metadata,
                version=client.version,
                session=6.0 + who,
            )
        )
        client.is_synced, client.must_join = False, False
        self.read(client)

    @rule(who=who)
    def sync(self, who: int) -> None:
        client = self.clients[who]
        self.read(client)
        if client.generation < 0:
            return
        plan: dict[str, bytes] = {}
        if client.members:
            for partition in range(PARTITIONS):
                owner = client.members[partition % len(client.members)]
                plan[owner] = plan.get(owner, b"") + bytes([partition])
        client.waiter = self.waits(
            self.kit.sync(client.member_id, client.generation, plan, instance_id=client.instance_id)
        )
        self.read(client)

    @rule(who=who)
    def read_answer(self, who: int) -> None:
        self.read(self.clients[who])

    def read(self, client: Client) -> None:
        waiter = client.waiter
        if waiter is None or waiter.answer is None:
            return
        client.waiter = None
        answer = waiter.answer
        if isinstance(answer, Joined):
            self.read_join(client, answer)
        else:
            self.read_sync(client, answer)

    def read_join(self, client: Client, answer: Joined) -> None:
        if answer.error_code == E.MEMBER_ID_REQUIRED:
            client.member_id, client.must_join = answer.member_id, True
        elif answer.error_code:
            client.forget()
        else:
            assert answer.generation >= 1
            client.member_id, client.generation = answer.member_id, answer.generation
            leads = answer.leader == answer.member_id and not answer.skip_assignment
            client.members = tuple(name for name, _, _ in answer.members) if leads else ()
            assert not leads or answer.member_id in client.members

    def read_sync(self, client: Client, answer: Synced) -> None:
        if answer.error_code in (E.UNKNOWN_MEMBER_ID, E.FENCED_INSTANCE_ID, E.ILLEGAL_GENERATION):
            client.forget()
        client.is_synced, client.must_join = not answer.error_code, bool(answer.error_code)
        if answer.error_code:
            return
        me = client.instance_id or client.member_id
        for partition in answer.assignment:
            owner = self.owners.setdefault((client.generation, partition), me)
            assert owner == me, f"partition {partition} has two owners in generation {client.generation}"

    @rule(who=who)
    def heartbeat(self, who: int) -> None:
        client = self.clients[who]
        error = self.kit.heartbeat(client.member_id, client.generation, client.instance_id)
        if error in (E.UNKNOWN_MEMBER_ID, E.FENCED_INSTANCE_ID, E.ILLEGAL_GENERATION):
            client.forget()
        client.must_join = error != 0

    @rule(who=who)
    def leave(self, who: int) -> None:
        client = self.clients[who]
        self.kit.leave(client.member_id, client.instance_id)
        client.forget()

    @rule(who=who)
    def crash(self, who: int) -> None:
        self.clients[who].forget()

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.kit.advance(seconds)

    @rule(who=who)
    def full_disk(self, who: int) -> None:
        self.kit.disk_full = True
        self.work([who], 1)
        self.kit.disk_full = False

    @rule()
    def restart(self) -> None:
        # Requests in flight die with their connections.
        self.waiters.clear()
        self.owners.clear()
        for client in self.clients:
            if client.waiter is not None:
                client.forget()
        self.kit.restart()
        # Generations that had no assignment yet may be counted again; nobody has owned anything in them.
        self.last_generation = 0

    @invariant()
    def nobody_waits_forever(self) -> None:
        self.waiters = [(since, one) for since, one in self.waiters if one.answer is None]
        for since, waiter in self.waiters:
            assert self.kit.seconds - since <= LONGEST_WAIT, waiter

    @invariant()
    def generations_never_go_back(self) -> None:
        group = self.kit.coordinator.groups.get(GROUP)
        if group is not None:
            assert group.generation >= self.last_generation
            self.last_generation = group.generation

    def teardown(self) -> None:
        self.kit.advance(LONGEST_WAIT)
        assert [one for _, one in self.waiters if one.answer is None] == []


GroupMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestGroupMachine = GroupMachine.TestCase
