from typing import Any

import pytest

from tidelock.connect.api import TopicPartition
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.sink_offsets import group_of, kept_beside, parse_offsets, settled, shown_offsets
from tidelock.protocol.error_codes import CoordinatorLoadInProgress, NotCoordinator

P0, P1 = TopicPartition("주문", 0), TopicPartition("주문", 1)


def place(topic: Any = "주문", partition: Any = 0) -> dict[str, Any]:
    return {"kafka_topic": topic, "kafka_partition": partition}


def test_numbers_may_be_texts_and_null_forgets() -> None:
    given = [(place(), {"kafka_offset": "3"}), (place(partition="1"), None)]
    assert parse_offsets(given) == {P0: 3, P1: None}


def test_what_is_shown_can_be_sent_back() -> None:
    offsets = {P1: 7, P0: 5}
    shown = shown_offsets(offsets)
    assert [one["offset"]["kafka_offset"] for one in shown] == [5, 7]
    assert parse_offsets([(one["partition"], one["offset"]) for one in shown]) == offsets


@pytest.mark.parametrize(
    ("partition", "offset"),
    [
        (place(), {"kafka_offset": -1}),
        (place(), {"kafka_offset": 1 << 63}),
        (place(), {"kafka_offset": True}),
        (place(), {"kafka_offset": 1.0}),
        (place(), {"kafka_offset": "1e3"}),
        (place(), {"kafka_offset": ""}),
        (place(partition=-1), {"kafka_offset": 1}),
        (place(partition=1 << 31), {"kafka_offset": 1}),
        (place(partition=None), {"kafka_offset": 1}),
        (place(topic=None), {"kafka_offset": 1}),
        ({}, {"kafka_offset": 1}),
        (None, {"kafka_offset": 1}),
        (place(), {}),
    ],
)
def test_what_is_no_place_or_number_is_refused(partition: Any, offset: Any) -> None:
    with pytest.raises(InvalidConfig):
        parse_offsets([(partition, offset)])


def test_what_nobody_named_is_kept_beside_what_is_forgotten() -> None:
    assert kept_beside({P0: 5, P1: 7}, {P1: None}) == {P0: 5}
    assert kept_beside({P0: 5}, {P0: 1, P1: 2}) == {P0: 1, P1: 2}


def test_a_consumer_group_may_be_named() -> None:
    assert group_of({}, "orders", {}) == "connect-orders"
    assert group_of({"consumer.group.id": "all"}, "orders", {}) == "all"
    assert group_of({}, "orders", {"consumer.override.group.id": "own"}) == "own"


def test_a_coordinator_that_settles_is_asked_again() -> None:
    answers: list[Any] = [NotCoordinator("not here"), CoordinatorLoadInProgress("not yet"), 5]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    assert settled(ask, 0.0) == 5
