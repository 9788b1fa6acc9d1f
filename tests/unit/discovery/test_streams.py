"""Who listens, how far, and what hangs on whom."""

from tidelock.discovery.feed import Position
from tidelock.discovery.streams import Streams

KEY = ("ORDERS", "a")


def test_a_nameless_watcher_knows_what_it_was_sent() -> None:
    streams = Streams()
    stream = streams.open()
    assert streams.acknowledged(3) == 0
    streams.told(stream, Position("e", 3), is_silent=False)
    assert streams.acknowledged(3) == len(streams) == 1
    assert streams.acknowledged(4) == 0


def test_a_named_watcher_knows_what_it_acknowledges() -> None:
    streams = Streams()
    stream = streams.open(watcher="w")
    streams.want(3)
    assert streams.asks(stream)
    streams.told(stream, Position("e", 3), is_silent=False)
    assert streams.acknowledged(3) == 0
    assert streams.acknowledge("w", 3)
    assert not streams.acknowledge("v", 3)
    assert streams.acknowledged(3) == 1
    assert not streams.asks(stream)
    assert streams.acknowledge("w", 1)
    assert streams.acknowledged(3) == 1


def test_what_a_filter_hides_needs_no_acknowledgement() -> None:
    streams = Streams()
    streams.told(streams.open(watcher="w"), Position("e", 3), is_silent=True)
    assert streams.acknowledged(3) == 1


def test_closing_a_stream_makes_its_instances_suspect_once() -> None:
    streams = Streams()
    stream = streams.open(watcher="w", instances=[KEY])
    assert streams.bind("w", ("ORDERS", "b"))
    assert not streams.bind("v", ("ORDERS", "c"))
    assert sorted(streams.close(stream, 1.0)) == [KEY, ("ORDERS", "b")]
    assert streams.close(stream, 2.0) == ()
    assert len(streams) == 0


def test_who_left_is_not_suspect() -> None:
    streams = Streams()
    stream = streams.open(instances=[KEY])
    streams.release(KEY)
    assert streams.close(stream, 1.0) == ()
