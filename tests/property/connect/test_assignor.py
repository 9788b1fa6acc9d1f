"""Whatever happens to the workers: nothing runs twice, and calm ends in balance."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.connect.distributed.cluster_model import ModelCluster
from tidelock.connect.distributed.group_protocol import (
    NOTHING,
    decode_assignment,
    decode_metadata,
)
from tidelock.errors import RemoteProtocolError

EVENTS = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 5)),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("bounce"), st.integers(0, 5)),
    st.tuples(st.just("miss"), st.integers(0, 5)),
    st.tuples(st.just("configure"), st.integers(0, 12)),
    st.tuples(st.just("lead"), st.just(0)),
    st.tuples(st.just("pass"), st.integers(1, 400)),
    st.tuples(st.just("round"), st.just(0)),
)


def play(group: ModelCluster, what: str, number: int, serial: int) -> None:
    name = sorted(group.running)[number % len(group.running)]
    if what == "come":
        group.running[f"m{number}-{serial}"] = NOTHING
    elif what == "leave" and len(group.running) > 1:
        del group.running[name]
    elif what == "bounce":
        del group.running[name]
        group.running[f"{name}'"] = NOTHING
    elif what == "miss":
        group.running[name] = NOTHING
    elif what == "configure":
        group.configure(number, 2)
    elif what == "lead":
        group.lead_anew()
    elif what == "pass":
        group.now += number
        if group.wake_at is not None and group.now >= group.wake_at:
            group.round()
    else:
        group.round()


@given(st.lists(EVENTS, max_size=25), st.sampled_from([0.0, 300.0]))
def test_nothing_ever_runs_twice_and_calm_ends_in_balance(
    events: list[tuple[str, int]], max_delay: float
) -> None:
    group = ModelCluster(max_delay)
    group.running = {"m": NOTHING}
    for serial, (what, number) in enumerate(events):
        play(group, what, number, serial)
        group.assert_nothing_twice()
    group.settle()
    group.wait()
    group.assert_complete_and_balanced()


@given(st.binary(max_size=200), st.sampled_from([decode_assignment, decode_metadata]))
def test_no_bytes_do_more_than_be_refused(data: bytes, read: Any) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read(data)
