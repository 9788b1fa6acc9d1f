"""Changes in steps: their order, who waits, and that nothing is applied or answered before it is durable."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.support.node import MemoryBroker
from tidelock.broker.changes import Changes, Pause, Steps, at_once, in_order
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.frame import encode_request
from tidelock.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidelock.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)


def change(log: list[str], name: str, jobs: int = 1) -> Steps[str]:
    for number in range(jobs):
        log.append(f"{name}{number}")
        yield Pause()
    log.append(f"{name}!")
    return name


@pytest.fixture
def log() -> list[str]:
    return []


def test_the_next_change_begins_when_the_one_before_has_ended(log: list[str]) -> None:
    changes, answers = Changes(), list[str]()
    changes.add(change(log, "a", 2), answers.append)
    changes.add(change(log, "b"), answers.append)
    first = changes.begin()
    assert first is not None
    assert changes.begin() is None  # it is out
    changes.end(Pause())  # not that one
    assert (log, answers) == (["a0"], [])
    changes.end(first)
    while (job := changes.begin()) is not None:
        changes.end(job)
    assert (log, answers) == (["a0", "a1", "a!", "b0", "b!"], ["a", "b"])


def test_settling_finishes_the_change_at_hand_only(log: list[str]) -> None:
    changes, answers, awaited = Changes(), list[str](), []
    changes.wait_for = awaited.append
    changes.add(change(log, "a", 2), answers.append)
    changes.add(change(log, "b"), answers.append)
    job = changes.begin()
    assert job is not None
    changes.settle()
    assert (log, answers, awaited) == (["a0", "a1", "a!", "b0"], ["a"], [job])
    changes.end(job)  # its thread is done, too late
    assert answers == ["a"]


def test_a_change_may_settle_what_is_at_hand_itself(log: list[str]) -> None:
    def settling() -> Steps[str]:
        yield Pause()
        changes.settle()
        return "done"

    changes, answers = Changes(), list[str]()
    changes.add(settling(), answers.append)
    changes.settle()
    assert answers == ["done"]


def test_a_change_that_breaks_off_holds_up_no_other(log: list[str]) -> None:
    def broken() -> Steps[str]:
        yield Pause()
        raise ValueError("a mistake")

    changes, answers = Changes(), list[object]()
    changes.add(broken(), answers.append)
    changes.add(change(log, "b"), answers.append)
    job = changes.begin()
    assert job is not None
    with pytest.raises(ValueError, match="a mistake"):
        changes.end(job)
    changes.add(change(log, "c", 0), answers.append)
    changes.settle()
    assert answers == [None, "b", "c"]


def test_several_as_one_and_at_once(log: list[str]) -> None:
    assert at_once(in_order(change(log, name) for name in "ab")) == ["a", "b"]
    assert log == ["a0", "a!", "b0", "b!"]


def create(broker: MemoryBroker, *names: str) -> object:
    topics: Iterable[CreatableTopic] = (
        CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names
    )
    frame = encode_request(CreateTopicsRequest(topics=list(topics), timeout_ms=1000), 5, 1)
    return broker.node.handle(memoryview(frame)[4:], "/127.0.0.1", broker.now())


def test_a_topic_is_seen_and_answered_when_its_record_is_durable() -> None:
    broker = MemoryBroker()
    first, second = create(broker, "t"), create(broker, "t")
    assert isinstance(first, Parked)
    assert isinstance(second, Parked)
    job = broker.node.changes.begin()
    assert job is not None
    assert (broker.state.finished, "t" in broker.state.image.topics) == ([], False)
    job.run()
    assert "t" not in broker.state.image.topics  # it runs in another thread
    broker.node.end_change(job)
    assert "t" in broker.state.image.topics
    codes = [int.from_bytes(bytes(chunks[0])[16:18], "big") for _, chunks in broker.node.take_finished()]
    assert codes == [0, E.TOPIC_ALREADY_EXISTS]


def test_a_write_that_failed_changes_nothing() -> None:
    broker = MemoryBroker()
    parked = create(broker, "t")
    job = broker.node.changes.begin()
    assert job is not None
    job.fail(RuntimeError("no thread"))
    broker.node.end_change(job)
    ((ended, chunks),) = broker.node.take_finished()
    assert ended is parked
    assert E.KAFKA_STORAGE_ERROR.to_bytes(2, "big") in bytes(chunks[0])
    assert "t" not in broker.state.image.topics


def test_a_commit_that_creates_its_topic_lets_the_change_at_hand_end_first() -> None:
    broker = MemoryBroker(tidelock_flush_policy="group")
    broker.create("t")
    create(broker, "u")
    job = broker.node.changes.begin()
    position = OffsetCommitRequestPartition(partition_index=0, committed_offset=1)
    topic = OffsetCommitRequestTopic(name="t", partitions=[position])
    frame = encode_request(OffsetCommitRequest(group_id="g", topics=[topic]), 8, 1)
    assert isinstance(broker.node.handle(memoryview(frame)[4:], "/127.0.0.1", broker.now()), Parked)
    assert list(broker.state.image.topics) == ["t", "u", "__consumer_offsets"]
    assert job is not None
    broker.node.end_change(job)
    broker.kill()
    assert list(broker.state.image.topics) == ["t", "u", "__consumer_offsets"]
