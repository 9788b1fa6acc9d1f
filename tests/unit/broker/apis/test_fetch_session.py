"""Incremental fetches (KIP-227) through the node, as the Java client sends them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.node import MemoryBroker
from tidelock.broker.purgatory import Parked
from tidelock.protocol.error_codes import ErrorCode as E
from tidelock.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic

VERSIONS = (7, 11, 12, 13, 18)


class Client:
    """One client with one session."""

    def __init__(self, broker: MemoryBroker, version: int) -> None:
        self.broker = broker
        self.version = version
        self.id = self.epoch = 0

    def topic(self, kind: Any, name: str, partitions: list[Any]) -> Any:
        if self.version >= 13:
            return kind(topic_id=self.broker.state.image.topics[name].topic_id, partitions=partitions)
        return kind(topic=name, partitions=partitions)

    def request(
        self, wanted: dict[int, int], forget: list[int] | None = None, max_wait_ms: int = 0
    ) -> FetchRequest:
        partitions = [
            FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1000)
            for index, offset in wanted.items()
        ]
        return FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=10_000,
            session_id=self.id,
            session_epoch=self.epoch,
            topics=[self.topic(FetchTopic, "t", partitions)] if partitions else [],
            forgotten_topics_data=[self.topic(ForgottenTopic, "t", forget)] if forget else [],
        )

    def fetch(self, wanted: dict[int, int], forget: list[int] | None = None) -> Any:
        response = self.broker.send(self.request(wanted, forget), self.version)
        self.id, self.epoch = response.session_id, self.epoch + 1
        return response


def told(response: Any) -> dict[int, tuple[int, bool]]:
    """Partition -> (high watermark, whether there are records)."""
    return {
        one.partition_index: (one.high_watermark, bool(one.records))
        for topic in response.responses
        for one in topic.partitions
    }


@pytest.fixture
def broker() -> MemoryBroker:
    found = MemoryBroker()
    found.create("t", 3)
    found.produce("t", b"one", partition=1)
    return found


@pytest.fixture(params=VERSIONS)
def client(broker: MemoryBroker, request: pytest.FixtureRequest) -> Client:
    return Client(broker, request.param)


def test_first_everything_then_what_changed(broker: MemoryBroker, client: Client) -> None:
    assert told(client.fetch({0: 0, 1: 0, 2: 0})) == {0: (0, False), 1: (1, True), 2: (0, False)}
    assert client.id > 0
    assert told(client.fetch({1: 1})) == {}
    broker.produce("t", b"two", partition=2)
    assert told(client.fetch({})) == {2: (1, True)}
    assert told(client.fetch({})) == {2: (1, True)}  # not fetched further: told again
    assert told(client.fetch({2: 1})) == {}


def test_the_log_start_is_told_without_records(broker: MemoryBroker, client: Client) -> None:
    client.fetch({0: 0, 1: 1})
    broker.state.partition("t", 1).delete_records_before(1)
    assert told(client.fetch({})) == {1: (1, False)}
    assert told(client.fetch({})) == {}


def test_forgotten_partitions_are_not_told(broker: MemoryBroker, client: Client) -> None:
    client.fetch({0: 0, 1: 1})
    broker.produce("t", b"two", partition=1)
    assert told(client.fetch({}, forget=[1])) == {}
    assert client.id > 0


def test_a_session_waits_for_all_its_partitions(broker: MemoryBroker, client: Client) -> None:
    client.fetch({0: 0, 1: 1})
    waiting = broker.send(client.request({}, max_wait_ms=1000), client.version)
    assert isinstance(waiting, Parked)
    broker.produce("t", b"two", partition=1)
    assert told(broker.finished()[waiting]) == {1: (2, True)}


def test_errors_are_told_every_time(broker: MemoryBroker, client: Client) -> None:
    for _ in range(2):
        response = client.fetch({0: 0, 7: 0} if not client.id else {})
        codes = {one.partition_index: one.error_code for one in response.responses[0].partitions}
        assert codes[7] == E.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("change", ["id", "epoch"])
def test_a_session_that_is_not_there(client: Client, change: str) -> None:
    client.fetch({0: 0})
    setattr(client, change, getattr(client, change) + 5)
    response = client.broker.send(client.request({}), client.version)
    wanted = E.FETCH_SESSION_ID_NOT_FOUND if change == "id" else E.INVALID_FETCH_SESSION_EPOCH
    assert (response.error_code, response.session_id, response.responses) == (wanted, 0, [])


def test_the_last_epoch_closes_it(client: Client) -> None:
    client.fetch({0: 0, 1: 0})
    old, client.epoch = client.id, -1
    response = client.fetch({1: 0})
    assert (response.session_id, told(response)) == (0, {1: (1, True)})
    client.id, client.epoch = old, 1
    assert client.broker.send(client.request({}), client.version).error_code == E.FETCH_SESSION_ID_NOT_FOUND


def test_what_was_served_comes_last(broker: MemoryBroker, client: Client) -> None:
    for index in (0, 2):
        broker.produce("t", b"x" * 600, partition=index)
    client.fetch({0: 0, 1: 0, 2: 0})
    broker.produce("t", b"y", partition=0)
    request = client.request({})
    request.max_bytes = 300  # room for the first one only
    first = broker.send(request, client.version)
    assert [(index, records) for index, (_, records) in told(first).items()] == [
        (0, True),
        (1, False),
        (2, False),
    ]
    client.epoch += 1
    assert [*told(client.fetch({}))] == [1, 2, 0]
