"""Fetch sessions: what is kept, what is refused, who must go."""

from __future__ import annotations

import itertools

import pytest

from tidelock.broker.fetch_sessions import EVICTABLE_AFTER, LAST_EPOCH, FetchSessions, Topics, Wanted
from tidelock.protocol import error_codes as errors


def wanting(*indexes: int, topic: str = "t") -> Topics:
    return [(topic, [Wanted(index, -1, 0, -1, 1000) for index in indexes])]


@pytest.fixture
def sessions() -> FetchSessions:
    numbers = itertools.count(0)
    return FetchSessions(2, lambda size: next(numbers).to_bytes(size, "big"))


def test_a_session_keeps_what_was_asked_and_forgets_what_it_is_told(sessions: FetchSessions) -> None:
    session = sessions.create(wanting(0, 1), by_id=False, now=0.0)
    assert session is not None
    assert session.id > 0
    again = sessions.resume(session.id, 1, wanting(2), [("t", 0)], by_id=False, now=1.0)
    assert again is session
    assert [*session.entries] == [("t", 1), ("t", 2)]
    assert session.epoch == 2


def test_what_is_refused(sessions: FetchSessions) -> None:
    session = sessions.create(wanting(0), by_id=True, now=0.0)
    assert session is not None
    with pytest.raises(errors.FetchSessionIdNotFound):
        sessions.resume(session.id + 1, 1, [], [], by_id=True, now=0.0)
    with pytest.raises(errors.InvalidFetchSessionEpoch):
        sessions.resume(session.id, 2, [], [], by_id=True, now=0.0)
    with pytest.raises(errors.FetchSessionTopicIdError):
        sessions.resume(session.id, 1, [], [], by_id=False, now=0.0)
    assert sessions.is_open(session)


def test_the_epoch_wraps_past_the_one_that_means_new(sessions: FetchSessions) -> None:
    session = sessions.create(wanting(0), by_id=False, now=0.0)
    assert session is not None
    session.epoch = LAST_EPOCH
    assert sessions.resume(session.id, LAST_EPOCH, [], [], by_id=False, now=0.0).epoch == 1


def test_an_idle_session_makes_room_and_a_busy_one_does_not(sessions: FetchSessions) -> None:
    first = sessions.create(wanting(0), by_id=False, now=0.0)
    second = sessions.create(wanting(0), by_id=False, now=0.0)
    assert first is not None
    assert second is not None
    sessions.resume(first.id, 1, [], [], by_id=False, now=EVICTABLE_AFTER)
    assert sessions.create(wanting(0), by_id=False, now=EVICTABLE_AFTER - 1) is None
    assert sessions.create(wanting(0), by_id=False, now=EVICTABLE_AFTER) is not None
    assert sessions.is_open(first)
    assert not sessions.is_open(second)


def test_a_session_without_partitions_is_closed(sessions: FetchSessions) -> None:
    session = sessions.create(wanting(0), by_id=False, now=0.0)
    assert session is not None
    sessions.resume(session.id, 1, [], [("t", 0)], by_id=False, now=0.0)
    assert not sessions.is_open(session)
    assert len(sessions) == 0


def test_without_slots_there_are_none() -> None:
    assert FetchSessions(0, bytes).create(wanting(0), by_id=False, now=0.0) is None
