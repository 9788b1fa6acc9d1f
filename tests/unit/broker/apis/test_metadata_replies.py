"""Metadata replies given again: the same as made anew, and gone when the cluster has changed."""

from __future__ import annotations

import pytest

from tests.support.node import MemoryBroker
from tidelock.broker.apis import metadata, metadata_replies
from tidelock.broker.changes import at_once
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per reply that was made, not found."""
    calls: list[int] = []
    original = metadata.handle

    def counted(state: object, request: object, call: object) -> object:
        calls.append(call.version)  # type: ignore[attr-defined]  # a Call
        return original(state, request, call)  # type: ignore[arg-type]  # see above

    monkeypatch.setattr(metadata, "handle", counted)
    return calls


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 3)
    return found


def asking(*names: str, create: bool = True) -> MetadataRequest:
    topics = [MetadataRequestTopic(name=name) for name in names]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=create)


def test_what_was_asked_before_is_answered_alike(broker: MemoryBroker, made: list[int]) -> None:
    for version in (1, 9, 13, 1, 9, 13):
        response = broker.send(asking("t"), version)
        assert [one.partition_index for one in response.topics[0].partitions] == [0, 1, 2]
    assert made == [1, 9, 13]


def test_a_changed_cluster_is_told(broker: MemoryBroker, made: list[int]) -> None:
    everything = MetadataRequest(topics=None)
    assert len(broker.send(everything, 9).topics) == 1
    broker.create("u")
    assert len(broker.send(everything, 9).topics) == 2
    at_once(broker.state.add_partitions("t", 5, broker.now()))
    assert len(broker.send(asking("t"), 9).topics[0].partitions) == 5
    broker.delete("t")
    assert [one.name for one in broker.send(everything, 9).topics] == ["u"]
    assert len(made) == 4


def test_an_offline_partition_has_no_leader_from_then_on(broker: MemoryBroker, made: list[int]) -> None:
    broker.send(asking("t"), 9)
    broker.produce("t", b"x", partition=1)
    broker.files.fail("append", short=4)
    broker.files.fail("truncate")
    broker.produce("t", b"x", partition=1)
    for _ in range(2):
        partitions = broker.send(asking("t"), 9).topics[0].partitions
        assert [one.error_code for one in partitions] == [0, E.LEADER_NOT_AVAILABLE, 0]
    assert len(made) == 3


def test_a_topic_that_is_missing_is_created_when_somebody_wants_it(broker: MemoryBroker) -> None:
    for _ in range(2):
        assert (
            broker.send(asking("new", create=False), 9).topics[0].error_code == E.UNKNOWN_TOPIC_OR_PARTITION
        )
    assert broker.send(asking("new"), 9).topics[0].error_code == 0
    assert broker.send(asking("new", create=False), 9).topics[0].error_code == 0


def test_little_is_kept(broker: MemoryBroker, made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_replies, "MOST_REPLIES", 2)
    for number in (9, 10, 11, 9):
        broker.send(asking("t"), number)
    assert made == [9, 10, 11, 9]
    monkeypatch.setattr(metadata_replies, "MOST_BYTES", 10)
    for _ in range(2):
        broker.send(asking("t"), 12)
    assert made[4:] == [12]
