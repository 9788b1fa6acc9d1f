"""What the relay decides."""

import pytest

from tidelock.sync import rules
from tidelock.sync.rules import NO_TOPIC, TOPIC_SEEN, OutboxRow, TopicEnds


def row(number: int, topic: str = "orders", **headers: str) -> OutboxRow:
    return OutboxRow(number, topic, b"k", b"v", headers, 0)


def test_the_ends_of_a_topic_are_stored_before_its_first_record() -> None:
    positions = rules.positions_of("orders", TopicEnds(5, {0: 7, 1: 0}))
    assert rules.new_topics([row(1, "orders"), row(2, "bills"), row(3, "bills")], positions) == ["bills"]
    assert rules.seen_topics(positions) == ["orders"]
    assert rules.positions_of("new", NO_TOPIC) == {("new", TOPIC_SEEN): rules.UNKNOWN}
    assert rules.nameless_topics({**positions, ("new", TOPIC_SEEN): rules.UNKNOWN}) == ["new"]


def test_the_tail_is_read_from_the_stored_ends_and_new_partitions_from_the_start() -> None:
    positions = {("orders", TOPIC_SEEN): 5, ("orders", 0): 7, ("orders", 1): 3}
    starts = rules.tail_starts(positions, {"orders": TopicEnds(5, {0: 9, 1: 3, 2: 4})})
    assert starts == {("orders", 0): 7, ("orders", 2): 4 - 4}


def test_a_topic_that_was_made_anew_is_read_from_its_start() -> None:
    positions = {("orders", TOPIC_SEEN): 5, ("orders", 0): 7, ("orders", 1): 3, ("orders", 2): 4}
    grown = {"orders": TopicEnds(6, {0: 9, 1: 3, 2: 1})}
    assert rules.is_made_anew(positions, "orders", grown["orders"])
    assert rules.tail_starts(positions, grown) == {("orders", 0): 0, ("orders", 1): 0, ("orders", 2): 0}
    assert rules.tail_starts(positions, {"orders": NO_TOPIC}) == {}
    assert not rules.is_made_anew(positions, "orders", NO_TOPIC)


@pytest.mark.parametrize("stored", [rules.UNKNOWN, 5])
def test_a_partition_that_ends_before_its_stored_end_is_read_from_its_start(stored: int) -> None:
    positions = {("orders", TOPIC_SEEN): stored, ("orders", 0): 7, ("orders", 1): 3}
    starts = rules.tail_starts(positions, {"orders": TopicEnds(5, {0: 6, 1: 9})})
    assert starts == {("orders", 0): 0, ("orders", 1): 3}


def test_an_incarnation_fits_into_an_offset_and_is_never_unknown() -> None:
    found = {rules.incarnation_of(f"id-{number}") for number in range(1000)}
    assert len(found) == 1000
    assert all(0 < one < 1 << 63 for one in found)


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
