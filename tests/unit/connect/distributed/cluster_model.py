"""Workers that obey the assignor and can bounce or die: the group, without a broker."""

from __future__ import annotations

from dataclasses import replace

from tidelock.connect.distributed.assignor import LeaderMemory, Plan, Round, assign
from tidelock.connect.distributed.group_protocol import NOTHING, ConnectorsAndTasks

MAX_DELAY = 300.0


class ModelCluster:
    """A group with one leader that stays; `settle` plays rounds until nobody has to join again.

    Args:
        max_delay: scheduled.rebalance.max.delay.ms, in seconds.
    """

    def __init__(self, max_delay: float = MAX_DELAY) -> None:
        self.max_delay = max_delay
        self.now = 1000.0
        self.memory = LeaderMemory()
        self.generation = 0
        self.configured = NOTHING
        self.running: dict[str, ConnectorsAndTasks] = {}
        self.stopped = NOTHING
        """Whatever a living worker had to stop since somebody last looked."""
        self.wake_at: float | None = None

    def configure(self, connectors: int, tasks: int) -> None:
        names = [f"c{number:04}" for number in range(connectors)]
        self.configured = ConnectorsAndTasks.of(
            names, ((name, task) for name in names for task in range(tasks))
        )

    def lead_anew(self) -> None:
        """Somebody else leads, and remembers nothing."""
        self.memory = replace(LeaderMemory(), generation=-1)

    def round(self) -> Plan:
        self.generation += 1
        seen = Round(
            self.configured,
            dict(self.running),
            self.generation - 1,
            self.generation,
            self.now,
            self.max_delay,
        )
        self.memory, plan = assign(self.memory, seen)
        for name, held in self.running.items():
            assert not plan.assigned[name] & held
            assert plan.revoked[name] == plan.revoked[name] & held
            self.stopped |= plan.revoked[name]
        before = self.running
        self.running = {
            name: (held - plan.revoked[name]) | plan.assigned[name] for name, held in before.items()
        }
        # What one gets, no other may still be stopping: revoke first, give in the next round
        for name in self.running:
            for other, held in before.items():
                assert name == other or not plan.assigned[name] & held
        self.wake_at = self.now + plan.delay if plan.delay else None
        return plan

    def settle(self) -> int:
        """Play rounds until none is asked for; returns how many."""
        for rounds in range(1, 50):
            plan = self.round()
            if not any(plan.revoked.values()):
                return rounds
        raise AssertionError("the group does not settle")

    def wait(self) -> None:
        """Let time pass until no delay is pending, and settle each time."""
        for _ in range(50):
            if self.wake_at is None:
                return
            self.now = self.wake_at
            self.settle()
        raise AssertionError("the group is never done waiting")

    def owners(self) -> list[ConnectorsAndTasks]:
        return list(self.running.values())

    def assert_nothing_twice(self) -> None:
        seen = NOTHING
        for held in self.running.values():
            assert not seen & held
            seen |= held

    def assert_complete_and_balanced(self) -> None:
        self.assert_nothing_twice()
        everything = NOTHING
        for held in self.running.values():
            everything |= held
        assert everything == self.configured
        for sizes in (
            [len(held.connectors) for held in self.running.values()],
            [len(held.tasks) for held in self.running.values()],
        ):
            assert max(sizes) - min(sizes) <= 1
