"""What a poll brought, sorted: good records first, the error behind them at the next call, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tidelock.client.errors import DamagedRecords
from tidelock.client.incoming import Incoming
from tidelock.client.model import TopicPartition
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import TopicAuthorizationFailed, UnknownTopicOrPartition

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


@dataclass
class Failure:
    number: int
    word: str
    is_fatal: bool = False

    def code(self) -> int:
        return self.number

    def name(self) -> str:
        return self.word

    def str(self) -> str:
        return self.word.lower()

    def fatal(self) -> bool:
        return self.is_fatal


END = Failure(-191, "_PARTITION_EOF")
BAD_CRC = Failure(-199, "_BAD_MSG")
REFUSED = Failure(29, "TOPIC_AUTHORIZATION_FAILED")
UNKNOWN = Failure(-188, "_UNKNOWN_TOPIC")
FENCED = Failure(82, "FENCED_INSTANCE_ID")
AWAY = Failure(-195, "_TRANSPORT")


@dataclass
class Came:
    place: TopicPartition | None
    at: int
    failure: Failure | None = field(default=None)

    def topic(self) -> str | None:
        return self.place.topic if self.place else None

    def partition(self) -> int:
        return self.place.partition if self.place else -1

    def offset(self) -> int:
        return self.at

    def error(self) -> Failure | None:
        return self.failure


def offsets(incoming: Incoming, *messages: Came, is_subscribed: bool = False) -> list[tuple[int, int]]:
    incoming.raise_untold()
    return [(one.partition(), one.offset()) for one in incoming.sort(messages, is_subscribed=is_subscribed)]


@pytest.fixture
def incoming() -> Incoming:
    return Incoming("broker:9092", "g")


def test_records_before_a_damaged_batch_are_handed_out_and_none_behind_it(incoming: Incoming) -> None:
    first = [Came(T0, 5), Came(T0, 6, BAD_CRC), Came(T0, 7), Came(T1, 1), Came(T0, 8, END), Came(T1, 2, END)]
    assert offsets(incoming, *first) == [(0, 5), (1, 1)]
    assert incoming.at_end == {T1}
    with pytest.raises(DamagedRecords, match="offset 6 on are damaged") as told:
        offsets(incoming)
    assert told.value.where == "t-0"
    assert offsets(incoming, Came(T0, 9), Came(T1, 2)) == [(1, 2)]
    with pytest.raises(DamagedRecords, match="offset 6"):
        offsets(incoming, Came(T0, 10))


def test_damage_is_told_at_once_when_nothing_came_before_it(incoming: Incoming) -> None:
    with pytest.raises(DamagedRecords):
        offsets(incoming, Came(T0, 6, BAD_CRC), Came(T0, 7))


def test_who_reads_elsewhere_reads_on(incoming: Incoming) -> None:
    offsets(incoming, Came(T0, 5), Came(T0, 6, BAD_CRC))
    incoming.forget([T1])
    with pytest.raises(DamagedRecords):
        offsets(incoming)
    incoming.forget([T0])
    assert offsets(incoming, Came(T0, 7)) == [(0, 7)]
    offsets(incoming, Came(T0, 8), Came(T0, 9, BAD_CRC))
    incoming.forget_all()
    assert offsets(incoming, Came(T0, 10)) == [(0, 10)]


@pytest.mark.parametrize(
    ("failure", "expected"), [(REFUSED, TopicAuthorizationFailed), (UNKNOWN, UnknownTopicOrPartition)]
)
def test_an_error_that_ends_the_reading_comes_behind_the_records(
    incoming: Incoming, failure: Failure, expected: type[TidelockError]
) -> None:
    assert offsets(incoming, Came(T0, 5), Came(T1, 0, failure), Came(T0, 6)) == [(0, 5), (0, 6)]
    with pytest.raises(expected):
        offsets(incoming)
    assert offsets(incoming) == []
    offsets(incoming, Came(T0, 7), Came(T1, 0, failure))
    incoming.forget([T1])
    assert offsets(incoming) == []


def test_an_assignment_does_not_hide_an_error_that_is_no_topics(incoming: Incoming) -> None:
    offsets(incoming, Came(T0, 5), Came(None, 0, FENCED))
    incoming.forget_all()
    with pytest.raises(TidelockError) as told:
        offsets(incoming)
    assert told.value.where == "broker:9092"


def test_what_mends_itself_is_noted_until_records_come(incoming: Incoming) -> None:
    assert offsets(incoming, Came(T0, 0, AWAY), Came(T1, 0, UNKNOWN), is_subscribed=True) == []
    assert incoming.trouble == "_unknown_topic"
    assert offsets(incoming, Came(T0, 0)) == [(0, 0)]
    assert incoming.trouble is None


def test_an_end_counts_until_the_next_record(incoming: Incoming) -> None:
    assert offsets(incoming, Came(T0, 0), Came(T0, 1, END)) == [(0, 0)]
    assert incoming.at_end == {T0}
    assert offsets(incoming, Came(T0, 1), Came(T0, 0, AWAY)) == [(0, 1)]
    assert incoming.at_end == set()
