"""What has to be shut out before a connector's tasks may write, as the config topic says it."""

from __future__ import annotations

import pytest

from tidelock.connect.distributed.config_state import (
    ConfigState,
    Keyed,
    SessionKey,
    connector_record,
    fencing_record,
    session_key_record,
    target_record,
    task_records,
)
from tidelock.connect.distributed.leading import FencingRound, fencing_round


def state(*records: Keyed) -> ConfigState:
    made = ConfigState()
    for key, value in [connector_record("c", {"name": "c"}), *records]:
        made.apply(made.offset, key, value)
    return made


def tasks(count: int) -> list[Keyed]:
    return task_records("c", [{"task": str(number)} for number in range(count)])


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], None),
        (tasks(3), FencingRound(0, 3)),
        ([*tasks(3), fencing_record("c", 3)], None),
        ([*tasks(3), fencing_record("c", 3), *tasks(2)], FencingRound(3, 2)),
        ([*tasks(1), fencing_record("c", 1), *tasks(1)], FencingRound(0, 1)),
        ([*tasks(1), fencing_record("c", 1), *tasks(2)], FencingRound(1, 2)),
        ([*tasks(2), fencing_record("c", 2), *tasks(0)], FencingRound(2, 0)),
        ([*tasks(2), fencing_record("c", 2), *tasks(2)[:1]], None),
    ],
    ids=["no tasks", "first", "done", "fewer", "one by itself", "more", "stopped", "half a set"],
)
def test_tasks_of_former_sets_are_shut_out_by_their_number(
    records: list[Keyed], expected: FencingRound | None
) -> None:
    assert fencing_round(state(*records), "c") == expected


def test_a_connector_made_anew_shuts_out_the_tasks_of_the_one_that_was_deleted() -> None:
    known = state(*tasks(3), fencing_record("c", 3), connector_record("c", None))
    for key, value in [connector_record("c", {"name": "c"}), *tasks(1)]:
        known.apply(known.offset, key, value)
    assert fencing_round(known, "c") == FencingRound(3, 1)


def test_the_record_is_kafka_s() -> None:
    assert fencing_record("c", 2) == (b"tasks-fencing-c", b'{"task-count":2}')


def test_each_task_set_is_another_generation() -> None:
    known = state(*tasks(2))
    assert known.generations == {"c": 1}
    for key, value in [*tasks(1), connector_record("c", {"name": "c", "a": "b"}), fencing_record("c", 1)]:
        known.apply(known.offset, key, value)
    assert known.generations == {"c": 2}


def test_only_what_changes_the_division_of_work_makes_an_assignment_old() -> None:
    known = state(*tasks(1))
    divided = known.divided_at
    assert divided == known.offset
    calm = [
        fencing_record("c", 1),
        session_key_record(SessionKey(b"k", "HmacSHA256", 1)),
        target_record("c", "PAUSED"),
        connector_record("c", {"name": "c", "a": "b"}),
    ]
    for key, value in calm:
        known.apply(known.offset, key, value)
    assert known.divided_at == divided < known.offset
    key, value = connector_record("c", None)
    known.apply(known.offset, key, value)
    assert known.divided_at == known.offset
