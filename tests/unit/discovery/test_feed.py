"""What watchers are told, and when it is everything."""

import pytest

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.codec.fields import DELTA, FULL
from tidelock.discovery.feed import Feed, Position, filter_of
from tidelock.discovery.instance import Action, Status
from tidelock.discovery.registry import Policy, Registry


def a_feed() -> Feed:
    feed = Feed(Registry(Policy(delta_retention=10.0)), "e1")
    feed.registry.register(an_instance("orders", "a"), at(0))
    feed.registry.register(an_instance("users", "b"), at(1))
    return feed


@pytest.mark.parametrize(
    "text", ["", ":", ":1", "e", "e:", "e:-1", "e:1.0", "e:x", "e:\u0662", "e:" + "9" * 40]
)
def test_what_is_no_position_is_none(text: str) -> None:
    assert Position.read(text) is None


def test_a_position_is_read_as_it_is_written() -> None:
    assert Position.read(str(Position("a:b", 7))) == ("a:b", 7)


@pytest.mark.parametrize("since", [None, Position("another", 1), Position("e1", 3)])
def test_who_comes_from_nowhere_is_told_everything(since: Position | None) -> None:
    news = a_feed().news(since)
    assert news is not None
    assert (news.kind, news.position) == (FULL, ("e1", 2))
    assert sorted(news.document.instances) == ["ORDERS", "USERS"]


def test_who_knows_something_is_told_what_changed_since() -> None:
    feed = a_feed()
    news = feed.news(Position("e1", 1))
    assert news is not None
    assert news.kind == DELTA
    assert list(news.document.instances) == ["USERS"]
    assert news.document.hashcode == "UP_2_"
    assert feed.news(Position("e1", 2)) is None


def test_a_change_that_is_forgotten_means_everything() -> None:
    feed = a_feed()
    feed.registry.evict(at(11))  # the change of second 0 is older than 10 s, that of second 1 is not
    first, second = feed.news(Position("e1", 0)), feed.news(Position("e1", 1))
    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == (FULL, DELTA)


def test_a_deletion_is_told() -> None:
    feed = a_feed()
    feed.registry.cancel("orders", "a", at(2))
    news = feed.news(Position("e1", 2))
    assert news is not None
    (gone,) = news.document.instances["ORDERS"]
    assert gone.action is Action.DELETED


def test_a_filter_hides_other_applications_also_from_the_hash() -> None:
    feed = a_feed()
    feed.registry.override("users", "b", Status.DOWN, at(2))
    orders = filter_of("Orders, ,x")
    everything = feed.news(None, orders)
    assert everything is not None
    assert list(everything.document.instances) == ["ORDERS"]
    assert everything.document.hashcode == "UP_1_"
    assert feed.news(Position("e1", 2), orders) is None
    assert feed.nothing(orders).document.hashcode == "UP_1_"
    nobody = feed.news(None, filter_of(""))
    assert nobody is not None
    assert (nobody.document.instances, nobody.document.hashcode) == ({}, "")


def test_all_watchers_at_one_position_get_the_same_bytes() -> None:
    feed = a_feed()
    event = feed.event(Position("e1", 1))
    assert event is not None
    assert event is feed.event(Position("e1", 1))
    assert event.startswith(b'id: e1:2\nevent: delta\ndata: {"applications"')
    assert event.endswith(b"\n\n")
    assert feed.event(Position("other", 1)) is feed.event(None)
    feed.registry.cancel("orders", "a", at(2))
    assert feed.event(Position("e1", 1)) is not event
