"""The broker dies before its n-th write while it ends a transaction: one outcome everywhere, or none yet.

Afterwards the client asks again, as clients do, and gets what it wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.support.node import MemoryBroker
from tests.support.transactions import TransactionalClient, committed_view, position
from tidelock.protocol.error_codes import ErrorCode as E

A, B = ("t", 0), ("t", 1)
GROUP = "g"


class Dead(BaseException):
    """The process is gone."""


def dying(broker: MemoryBroker, writes: int, act: Callable[[], int]) -> bool:
    """Let the broker die before one of its writes, start it again; False if it did not come to that."""
    trip = broker.files.trip
    left = itertools.count(writes, -1)

    def counted(kind: str, path: str) -> int | None:
        if kind == "append" and next(left) <= 0:
            raise Dead
        return trip(kind, path)

    broker.files.fail("nothing")  # so that faults are looked for at all
    broker.files.trip = counted  # type: ignore[method-assign]  # death at a moment of our choice
    try:
        act()
    except Dead:
        return True
    finally:
        broker.files.trip = trip  # type: ignore[method-assign]  # alive again
        broker.kill()
    return False


def opened(version: int) -> tuple[MemoryBroker, TransactionalClient]:
    broker = MemoryBroker()
    broker.create("t", 2)
    client = TransactionalClient(broker, "mine", version)
    assert client.init() == 0
    for key in (A, B):
        if version == 1:
            assert client.add(key) == 0
        assert client.write(key, b"x") == 0
    if version == 1:
        assert client.add_offsets(GROUP) == 0
    assert client.commit_offset(GROUP, A, 7) == 0
    return broker, client


def seen(broker: MemoryBroker) -> set[object]:
    """What readers make of it: True, False or None for undecided, of both partitions and the position."""
    found: set[object] = set()
    for key in (A, B):
        view, end = committed_view(broker, key)
        found.add(None if end == 0 else [value for _, value in view] == [b"x"])
    code, offset = position(broker, GROUP, A)
    found.add(None if code == E.UNSTABLE_OFFSET_COMMIT else offset == 7)
    return found


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("commit", [True, False])
def test_dying_while_a_transaction_is_ended(version: int, commit: bool) -> None:
    for writes in itertools.count():
        broker, client = opened(version)
        died = dying(broker, writes, lambda client=client: client.end(commit=commit))
        decided = writes > 0
        assert seen(broker) == {commit if decided else None}
        assert client.end(commit=commit) in ((0, E.INVALID_TXN_STATE) if not died else (0,))
        assert seen(broker) == {commit}
        if not died:
            break
    assert writes == 5  # the decision, three markers, the completion


@pytest.mark.parametrize("version", [1, 2])
def test_dying_while_a_transaction_times_out(version: int) -> None:
    for writes in itertools.count():
        broker, _ = opened(version)
        died = dying(broker, writes, lambda broker=broker: broker.advance(61) or 0)
        broker.advance(61)
        assert seen(broker) == {False}
        if not died:
            break
    assert writes == 5


@pytest.mark.parametrize("version", [1, 2])
def test_dying_while_a_client_is_fenced(version: int) -> None:
    for writes in itertools.count():
        broker, old = opened(version)
        new = TransactionalClient(broker, "mine", version)
        died = dying(broker, writes, new.init)
        assert seen(broker) == {False if writes else None}
        while new.init() == E.CONCURRENT_TRANSACTIONS:
            pass
        assert seen(broker) == {False}
        assert old.end(commit=True) == E.PRODUCER_FENCED
        if not died:
            break
    assert writes == 5
