"""What the relay decides."""

import pytest

from tidelock.sync import rules
from tidelock.sync.rules import TOPIC_SEEN, OutboxRow


def row(number: int, topic: str = "orders", **headers: str) -> OutboxRow:
    return OutboxRow(number, topic, b"k", b"v", headers, 0)


def test_the_ends_of_a_topic_are_stored_before_its_first_record() -> None:
    positions = rules.first_positions("orders", {0: 7, 1: 0})
    assert rules.new_topics([row(1, "orders"), row(2, "bills"), row(3, "bills")], positions) == ["bills"]
    assert rules.seen_topics(positions) == ["orders"]
    assert rules.first_positions("new", {}) == {("new", TOPIC_SEEN): 0}


def test_the_tail_is_read_from_the_stored_ends_and_new_partitions_from_the_start() -> None:
    positions = {("orders", TOPIC_SEEN): 0, ("orders", 0): 7, ("orders", 1): 3}
    starts = rules.tail_starts(positions, {"orders": {0: 9, 1: 3, 2: 4}})
    assert starts == {("orders", 0): 7, ("orders", 2): 4 - 4}


def test_a_record_tells_its_row_only_to_its_own_outbox() -> None:
    headers = rules.headers_of(row(42, event="Paid"), "mine")
    assert ("event", b"Paid") in headers
    assert rules.sequence_of(headers, "mine") == 42
    assert rules.sequence_of(headers, "other") is None
    assert rules.sequence_of(None, "mine") is None
    assert rules.sequence_of([(rules.SOURCE_HEADER, b"mine"), (rules.SEQUENCE_HEADER, b"x")], "mine") is None


@pytest.mark.parametrize(("attempt", "pause"), [(1, 0.1), (2, 0.2), (6, 3.2), (7, 5.0), (10_000, 5.0)])
def test_pauses_double_up_to_the_longest(attempt: int, pause: float) -> None:
    assert rules.pause_before(attempt, first=0.1, longest=5.0) == pytest.approx(pause)
