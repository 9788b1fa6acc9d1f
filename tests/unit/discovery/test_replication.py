"""What a peer is told, when, and what is made of what it answers."""

import pytest

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery import replication
from tidelock.discovery.codec.batch import Kind, Result, Task
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.registry import Policy, Registry
from tidelock.discovery.replication import Failure, PeerQueue, receive, repair

ID = "h:orders:80"


def a_task(kind: Kind = Kind.REGISTER, instance_id: str = ID, dirty: int = 5) -> Task:
    return Task.of(kind, an_instance(instance_id=instance_id, last_dirty_timestamp=dirty))


def a_registry(*instances: Instance) -> Registry:
    registry = Registry(Policy(replicates=True))
    for instance in instances:
        registry.register(instance, at(0), is_replica=True)
    return registry


def one(**changes: object) -> Instance:
    return an_instance(**{"last_dirty_timestamp": 5, **changes})


# sending


def test_changes_wait_for_company_for_a_moment_and_heartbeats_longer() -> None:
    queue = PeerQueue()
    assert queue.wake_at() is None
    queue.add(a_task(Kind.HEARTBEAT), 1.0)
    assert queue.wake_at() == 1.0 + replication.HEARTBEAT_DELAY
    queue.add(a_task(Kind.REGISTER), 1.0)
    assert queue.wake_at() == 1.0 + replication.DELAY


def test_a_heartbeat_that_replaces_another_does_not_put_it_off() -> None:
    queue = PeerQueue()
    for tenth in range(5):
        queue.add(a_task(Kind.HEARTBEAT, dirty=tenth), 1.0 + tenth / 10)
    assert queue.wake_at() == 1.0 + replication.HEARTBEAT_DELAY
    assert [task.dirty for task in queue.batch(1.5)] == [4]


def test_the_newest_of_a_kind_counts_and_stands_last() -> None:
    queue = PeerQueue()
    for task in (a_task(dirty=1), a_task(Kind.OVERRIDE), a_task(Kind.CANCEL, dirty=2), a_task(dirty=3)):
        queue.add(task, 0.0)
    assert [(task.kind, task.dirty) for task in queue.batch(1.0)] == [(Kind.OVERRIDE, 5), (Kind.REGISTER, 3)]


def test_a_batch_has_a_size_and_a_queue_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "LIMIT", 300)
    queue = PeerQueue()
    for number in range(301):
        queue.add(a_task(instance_id=str(number)), 0.0)
    assert (len(queue), queue.dropped) == (300, 1)
    assert len(queue.batch(1.0)) == replication.BATCH
    queue.answered([])
    assert len(queue.batch(1.0)) == 50


@pytest.mark.parametrize(
    ("why", "pause"), [(Failure.BROKEN, replication.RETRY), (Failure.CONGESTED, replication.CONGESTION)]
)
def test_a_batch_that_failed_is_sent_again_after_a_pause(why: Failure, pause: float) -> None:
    queue = PeerQueue()
    queue.add(a_task(), 0.0)
    sent = queue.batch(1.0)
    queue.failed(why, 1.0)
    assert queue.wake_at() == 1.0 + pause
    assert queue.batch(2.0) == sent


def test_what_is_newer_replaces_what_failed() -> None:
    queue = PeerQueue()
    queue.add(a_task(dirty=1), 0.0)
    queue.batch(1.0)
    queue.add(a_task(dirty=2), 1.0)
    queue.failed(Failure.BROKEN, 1.0)
    assert [task.dirty for task in queue.batch(2.0)] == [2]


def test_a_refused_batch_is_dropped() -> None:
    queue = PeerQueue()
    queue.add(a_task(), 0.0)
    queue.batch(1.0)
    queue.failed(Failure.REFUSED, 1.0)
    assert (len(queue), queue.dropped) == (0, 1)


def test_what_cannot_be_delivered_in_time_is_given_up() -> None:
    queue = PeerQueue()
    queue.add(a_task(Kind.HEARTBEAT), 0.0)
    queue.add(a_task(), 0.0)
    assert {task.kind for task in queue.batch(6.0)} == {Kind.REGISTER, Kind.HEARTBEAT}
    queue.failed(Failure.BROKEN, 6.0)
    assert queue.batch(replication.EXPIRY + 1) == ()
    assert queue.dropped == 2


def test_only_answers_that_need_a_repair_come_back() -> None:
    queue = PeerQueue()
    for number in range(4):
        queue.add(a_task(Kind.HEARTBEAT, str(number)), 0.0)
    queue.batch(1.0)
    found = queue.answered([Result(200), Result(404), Result(409, one()), Result(500)])
    assert [(task.instance_id, result.status) for task, result in found] == [("1", 404), ("2", 409)]


def test_repairs() -> None:
    registry = a_registry(one())
    heartbeat = a_task(Kind.HEARTBEAT)
    told = repair(registry, heartbeat, Result(404), at(1))
    assert isinstance(told, Task)
    assert (told.kind, told.instance and told.instance.instance_id) == (Kind.REGISTER, ID)
    taken = repair(registry, heartbeat, Result(409, one(last_dirty_timestamp=9, port=1)), at(1))
    assert isinstance(taken, Instance)
    assert registry.application("orders")[0].port == 1
    assert repair(registry, heartbeat, Result(409, one(instance_id="other")), at(1)) is None
    assert repair(registry, a_task(Kind.CANCEL), Result(404), at(1)) is None
    assert repair(registry, heartbeat, Result(replication.GONE, one(last_dirty_timestamp=9)), at(1))
    assert len(registry) == 0
    assert repair(registry, heartbeat, Result(404), at(1)) is None


# receiving


def status(registry: Registry, task: Task) -> int:
    return receive(registry, task, at(1)).result.status


def test_a_heartbeat_is_answered_by_who_knows_more() -> None:
    assert status(a_registry(), a_task(Kind.HEARTBEAT)) == 404
    assert status(a_registry(one()), a_task(Kind.HEARTBEAT)) == 200
    assert status(a_registry(one()), a_task(Kind.HEARTBEAT, dirty=6)) == 404
    answer = receive(a_registry(one()), a_task(Kind.HEARTBEAT, dirty=4), at(1)).result
    assert (answer.status, answer.instance and answer.instance.last_dirty_timestamp) == (409, 5)


def test_of_two_overrides_of_one_version_the_more_careful_counts() -> None:
    out = one(overridden=Status.OUT_OF_SERVICE)
    theirs = Task(Kind.HEARTBEAT, "ORDERS", ID, 5, Status.OUT_OF_SERVICE, Status.OUT_OF_SERVICE)
    assert status(a_registry(one()), theirs) == 404
    assert status(a_registry(out), a_task(Kind.HEARTBEAT)) == 409
    assert status(a_registry(out), theirs) == 200


def test_a_younger_registration_survives_an_older_cancel() -> None:
    registry = a_registry(one(last_dirty_timestamp=9))
    assert status(registry, a_task(Kind.CANCEL, dirty=8)) == 200
    assert len(registry) == 1
    assert status(registry, a_task(Kind.CANCEL, dirty=9)) == 200
    assert len(registry) == 0
    assert status(registry, a_task(Kind.CANCEL, dirty=9)) == 404


def test_an_older_registration_does_not_undo_a_cancel() -> None:
    registry = a_registry(one())
    status(registry, a_task(Kind.CANCEL, dirty=7))
    answer = receive(registry, a_task(dirty=7), at(1)).result
    assert (answer.status, answer.instance and answer.instance.last_dirty_timestamp) == (410, 7)
    assert len(registry) == 0
    assert status(registry, a_task(dirty=8)) == 200
    assert len(registry) == 1


def test_an_instance_s_own_word_is_younger_than_what_was_cancelled() -> None:
    registry = a_registry(one())
    registry.cancel("orders", ID, at(1))
    listed = registry.register(one(), at(2))
    assert listed.last_dirty_timestamp == at(1).ms + 1


def test_an_older_override_does_not_replace_a_younger() -> None:
    registry = a_registry(one())
    assert registry.override("orders", ID, Status.DOWN, at(1))
    late = Task(Kind.OVERRIDE, "ORDERS", ID, 5, Status.OUT_OF_SERVICE)
    assert status(registry, late) == 200
    assert registry.overrides() == {ID: Status.DOWN}
    younger = Task(Kind.REMOVE_OVERRIDE, "ORDERS", ID, 7, Status.UP)
    assert status(registry, younger) == 200
    assert registry.overrides() == {}
    assert status(a_registry(), late) == 404


def test_leases_from_before_a_restart_that_a_peer_does_not_have_are_given_up() -> None:
    registry = Registry(Policy(replicates=True))
    registry.restore([one(instance_id=name) for name in "abc"], at(0))
    registry.renew("orders", "b", at(1))
    registry.drop_restored({("ORDERS", "c")}, at(1))
    assert [found.instance_id for found in registry.application("orders")] == ["b", "c"]
