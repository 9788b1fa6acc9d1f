"""The blocking driver's races: what ends a wait, played on a pipe that never speaks."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.http.test_flow import GET, service
from tidelock.http.blocking_racing import BlockingRacers
from tidelock.http.exchange import Failure, Reason
from tidelock.http.flow import Finished, Race, Send
from tidelock.http.wire.blocking import BlockingConnection, BlockingPools


class Silent(BlockingConnection):
    """Sends into the void; no answer ever comes."""

    interest = select.POLLIN

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def begin(self, request: Any) -> None:
        return None

    def advance(self) -> None:
        return None

    def give_up(self, reason: Reason, detail: str) -> Failure:
        return Failure(reason, detail, True, 0.0)

    def close(self) -> None:
        return None

    def fileno(self) -> int:
        return self._descriptor


class Pool(BlockingPools):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self, address: Any, deadline: float, connect_timeout: float) -> BlockingConnection:
        return Silent(self._descriptor)

    def give_back(self, address: Any, connection: BlockingConnection) -> None:
        return None


@pytest.fixture
def silence() -> Iterator[int]:
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


def race(silence: int, until: float, deadline: float, *times: float) -> Finished | float:
    """Run a race whose clock shows `times` one after the other, then the last for ever."""
    state = service(1)
    state.peers.update(state.instances(), 0.0)
    (peer,) = state.peers
    clock = iter(times)
    send = Send(GET, peer, deadline, 0.0, 1)
    return BlockingRacers(Pool(silence)).run(Race(send, until), lambda: next(clock, times[-1]))


def test_an_attempt_ends_at_its_deadline_even_when_it_passes_between_two_looks(silence: int) -> None:
    ended = race(silence, 1.0, 1.0, 0.999, 1.001)
    assert isinstance(ended, Finished)
    assert isinstance(ended.outcome, Failure)
    assert ended.outcome.reason is Reason.TIMEOUT


def test_a_patience_before_the_deadline_ends_the_wait_with_the_time(silence: int) -> None:
    assert race(silence, 0.5, 1.0, 0.499, 0.501) == 0.501
