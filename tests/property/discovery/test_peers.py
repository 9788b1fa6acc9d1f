"""Peers agree in the end, whatever order things arrive in and however often a batch fails."""

import contextlib
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.codec import batch
from tidelock.discovery.codec.batch import Kind, Result, Task, read_results, read_tasks
from tidelock.discovery.codec.fields import BadDocumentError
from tidelock.discovery.instance import Status
from tidelock.discovery.registry import Policy, Registry, Renewal
from tidelock.discovery.replication import Failure, PeerQueue, receive, repair

COUNT = 3
STEPS = ["register", "again", "renew", "cancel", "override", "remove", "deliver", "deliver"]
OVERRIDES = [Status.OUT_OF_SERVICE, Status.DOWN, Status.UP]


class Node:
    """One registry and its queues to the others."""

    def __init__(self) -> None:
        self.registry = Registry(Policy(replicates=True))
        self.queues: dict[int, PeerQueue] = {}

    def tell(self, task: Task, now: float) -> None:
        for queue in self.queues.values():
            queue.add(task, now)


class World:
    """Peers, the instances that use them, and a network."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nodes = [Node() for _ in range(COUNT)]
        for number, node in enumerate(self.nodes):
            node.queues = {other: PeerQueue() for other in range(COUNT) if other != number}
        self.now = 0.0
        self.dirty = dict.fromkeys("abcd", 0)
        self.batches = 0
        self.base = self.rng.choice([1000, at(0).ms, at(3600).ms])  # clocks of instances may be wrong

    def step(self) -> None:
        self.now += self.rng.choice([0.0, 0.01, 0.2])
        name = self.rng.choice("abcd")
        node = self.rng.choice(self.nodes)
        match self.rng.choice(
            ["register", "again", "renew", "cancel", "override", "remove", "deliver", "deliver"]
        ):
            case "register":
                self.dirty[name] = int(self.now * 1000) + self.base
                self.register(node, name)
            case "again" if self.dirty[name]:
                self.register(node, name)
            case "renew":
                self.renew(node, name)
            case "cancel":
                self.dirty[name] = 0
                gone = node.registry.cancel("a", name, at(self.now))
                version = gone.last_dirty_timestamp if gone else at(self.now).ms
                node.tell(Task(Kind.CANCEL, "A", name, version), self.now)
            case "override":
                status = self.rng.choice(OVERRIDES)
                changed = node.registry.override("a", name, status, at(self.now))
                if changed is not None:
                    node.tell(Task.of(Kind.OVERRIDE, changed, status), self.now)
            case "remove":
                had_one = name in node.registry.overrides()
                changed = node.registry.remove_override("a", name, Status.UNKNOWN, at(self.now))
                if changed is not None and had_one:
                    node.tell(Task.of(Kind.REMOVE_OVERRIDE, changed, Status.UNKNOWN), self.now)
            case "deliver":
                self.deliver(*self.rng.sample(range(COUNT), 2))

    def register(self, node: Node, name: str) -> None:
        instance = an_instance("a", name, last_dirty_timestamp=self.dirty[name], duration=1e6)
        listed = node.registry.register(instance, at(self.now))
        node.tell(Task.of(Kind.REGISTER, listed), self.now)

    def renew(self, node: Node, name: str) -> None:
        """As a client does: who is not known registers."""
        if not self.dirty[name]:
            return
        renewal = node.registry.renew("a", name, at(self.now), dirty=self.dirty[name])
        held = node.registry.instance("a", name, at(self.now))
        if renewal is Renewal.RENEWED and held is not None:
            node.tell(Task.of(Kind.HEARTBEAT, held), self.now)
        else:
            self.register(node, name)

    def deliver(self, sender: int, receiver: int, *, may_fail: bool = True) -> bool:
        node, queue = self.nodes[sender], self.nodes[sender].queues[receiver]
        tasks = queue.batch(self.now)
        if not tasks:
            return False
        self.batches += 1
        fate = self.rng.choice(["ok", "ok", "ok", "lost", "answer lost"]) if may_fail else "ok"
        if fate != "lost":
            sent = read_tasks(batch.write_tasks(tasks))
            results = [receive(self.nodes[receiver].registry, task, at(self.now)).result for task in sent]
        if fate != "ok":
            queue.failed(Failure.BROKEN, self.now)
            return True
        for task, result in queue.answered(read_results(batch.write_results(results))):
            outcome = repair(node.registry, task, result, at(self.now))
            if isinstance(outcome, Task):
                queue.add(outcome, self.now)
        return True

    def settle(self) -> None:
        for _ in range(50):
            pairs = [(one, other) for one in range(COUNT) for other in range(COUNT) if one != other]
            delivered = [self.deliver(*pair, may_fail=False) for pair in pairs]
            if not any(delivered):
                return
        raise AssertionError("the peers do not come to rest")

    def seen(self, node: Node) -> set[tuple[str, Status, Status, int]]:
        return {
            (one.instance_id, one.status, one.overridden, one.last_dirty_timestamp)
            for one in node.registry.application("a")
        }


@settings(max_examples=300)
@given(seed=st.integers(0, 1 << 32), steps=st.integers(0, 120))
def test_peers_agree_after_every_instance_s_next_heartbeats(seed: int, steps: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    for _ in range(3):  # an override's removal makes an instance register at its heartbeat
        for name in world.dirty:
            world.renew(world.rng.choice(world.nodes), name)
        world.settle()
    alive = {name for name, dirty in world.dirty.items() if dirty}
    first, *rest = [world.seen(node) for node in world.nodes]
    if world.base > at(60).ms:  # who left with a clock far ahead may stay somewhere until its lease ends
        first, *rest = [{one for one in seen if one[0] in alive} for seen in (first, *rest)]
    assert rest == [first] * (COUNT - 1)
    assert alive <= {name for name, *_ in first}
    quiet = world.batches
    world.settle()
    assert world.batches == quiet


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_a_bad_document(data: bytes) -> None:
    for body in (data, b'{"replicationList":[%s]}' % data, b'{"responseList":[%s]}' % data):
        for read in (read_tasks, read_results):
            with contextlib.suppress(BadDocumentError):
                read(body)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "appName",
                    "id",
                    "action",
                    "instanceInfo",
                    "status",
                    "app",
                    "statusCode",
                    "lastDirtyTimestamp",
                ]
            ),
            inner | st.sampled_from(["Register", "Cancel"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(tree=TREES)
def test_any_tree_is_a_batch_or_a_bad_document(tree: object) -> None:
    for name, read in (("replicationList", read_tasks), ("responseList", read_results)):
        with contextlib.suppress(BadDocumentError):
            read(msgspec.json.encode({name: [tree]}))


@given(code=st.integers(0, 999))
def test_results_come_back_as_they_were(code: int) -> None:
    results = [Result(code), Result(409, an_instance())]
    assert read_results(batch.write_results(results)) == results
