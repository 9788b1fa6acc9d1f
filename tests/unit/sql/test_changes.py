"""The last write per key."""

import pytest

from tidelock.sql.changes import reduce_changes


def test_the_last_write_of_a_key_wins() -> None:
    changes = reduce_changes([(1,), (2,), (1,)], [(1, "a"), (2, "b"), (1, "c")])
    assert changes == ([(1, "c"), (2, "b")], [])


def test_a_delete_undoes_earlier_writes_and_a_later_write_undoes_the_delete() -> None:
    changes = reduce_changes([(1,), (2,), (1,), (2,), (2,)], [(1, "a"), (2, "b"), None, None, (2, "c")])
    assert changes == ([(2, "c")], [(1,)])


def test_unequal_lengths_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="2 keys for 1 rows"):
        reduce_changes([(1,), (2,)], [(1, "a")])
