"""Whoever applies what is pushed holds what the registry holds; every reader of bytes survives anything."""

import contextlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.codec import json
from tidelock.discovery.codec.fields import FULL
from tidelock.discovery.events import EventReader, StreamResponse
from tidelock.discovery.feed import Feed, Position
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.registry import Policy, Registry
from tidelock.discovery.replica import Replica
from tidelock.discovery.transport import RegistryProtocolError

STEPS = st.tuples(
    st.sampled_from(["register", "cancel", "override", "time", "look", "look"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([Status.UP, Status.DOWN, Status.OUT_OF_SERVICE]),
)


def seen(instances: list[Instance]) -> set[tuple[str, Status]]:
    return {(one.instance_id, one.status) for one in instances}


@given(steps=st.lists(STEPS, max_size=40))
def test_a_watcher_that_looks_at_random_holds_what_the_registry_holds(
    steps: list[tuple[str, str, Status]],
) -> None:
    registry = Registry(Policy(delta_retention=5.0))
    feed, replica, reader = Feed(registry, "e"), Replica(only_up=False), EventReader()
    since: Position | None = None
    now = 0.0

    def look() -> None:
        nonlocal since
        for event in reader.feed(feed.event(since) or b""):
            document = json.read_applications(event.data)
            if event.kind == FULL:
                replica.replace(document)
            else:
                assert replica.merge(document)[1]
            since = Position.read(event.id)
        assert seen(list(replica.instances("orders"))) == seen(registry.application("orders"))

    for step, name, status in steps:
        match step:
            case "register":
                registry.register(an_instance(instance_id=name, status=status, duration=1e6), at(now))
            case "cancel":
                registry.cancel("orders", name, at(now))
            case "override":
                registry.override("orders", name, status, at(now))
            case "time":
                now += 3.0
                registry.evict(at(now))
            case _:
                look()
    look()


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_events_or_an_error(data: bytes, cuts: list[int]) -> None:
    whole, pieces = EventReader(limit=64), EventReader(limit=1 << 20)
    with contextlib.suppress(RegistryProtocolError):
        whole.feed(data)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [e for a, b in itertools.pairwise(places) for e in pieces.feed(data[a:b])]
    assert found == EventReader(limit=1 << 20).feed(data)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_response_or_an_error(data: bytes) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        with contextlib.suppress(RegistryProtocolError):
            StreamResponse().feed(head + data)
