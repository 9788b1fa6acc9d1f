"""The topic testifies: events there once, gapless per source, each key in order and in one partition."""

from tidelock.cli.demo.proof import check_topic
from tidelock.cli.demo.topic import TopicEvent


def event(sequence: int, key: bytes = b"k", *, partition: int = 0, source: str = "a") -> TopicEvent:
    return TopicEvent(partition, key, source, sequence)


def test_a_clean_topic_has_nothing_against_it() -> None:
    check = check_topic([event(1), event(2, b"other", partition=1), event(3), event(1, b"x", source="b")])
    assert (check.events, check.duplicates, check.out_of_order, check.gaps) == (4, 0, 0, 0)


def test_an_event_that_is_there_twice_is_counted() -> None:
    check = check_topic([event(1), event(1), event(2)])
    assert (check.duplicates, check.gaps) == (1, 0)
    assert [found["sequence"] for found in check.against] == [1]


def test_a_key_whose_events_are_swapped_is_out_of_order() -> None:
    assert check_topic([event(2), event(1)]).out_of_order == 1


def test_a_key_in_two_partitions_is_out_of_order() -> None:
    assert check_topic([event(1), event(2, partition=1)]).out_of_order == 1


def test_sources_are_not_ordered_against_each_other() -> None:
    assert check_topic([event(5, source="a"), event(1, source="b"), event(6, source="a")]).out_of_order == 0


def test_a_missing_event_leaves_a_gap() -> None:
    assert check_topic([event(1), event(3)]).gaps == 1
