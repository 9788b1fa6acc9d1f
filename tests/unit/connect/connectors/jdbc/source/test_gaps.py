"""No row is left behind, whatever order transactions commit in."""

import random

import pytest

from tidelock.connect.connectors.jdbc.source.gaps import PREPARED, Settling, passable

NOBODY: frozenset[str] = frozenset()


def test_rows_without_a_gap_pass_and_those_behind_one_wait() -> None:
    assert passable(4, [5, 6, 8, 9], Settling()) == 2
    assert passable(None, [5, 6], Settling()) == 0
    settling: Settling[int] = Settling()
    settling.saw(8, NOBODY, 0.0)
    assert passable(4, [5, 6, 8, 9, 11], settling) == 4


def test_what_was_writing_has_to_end_and_what_came_later_has_not() -> None:
    settling: Settling[int] = Settling()
    settling.saw(8, frozenset({"a", "b"}), 0.0)
    settling.saw(20, frozenset({"b", "c"}), 1.0)
    assert not settling.covers(8)
    settling.saw(30, frozenset({"c", "d"}), 2.0)
    assert settling.settled == 8
    settling.saw(31, frozenset({"d"}), 3.0)
    assert settling.settled == 8  # d was there when 30 was seen
    settling.saw(32, NOBODY, 4.0)
    assert settling.settled == 32


def test_the_wait_counts_from_the_observation() -> None:
    settling: Settling[int] = Settling(wait=0.5)
    settling.saw(8, NOBODY, 10.0)
    settling.saw(9, NOBODY, 10.4)
    assert settling.settled is None
    settling.saw(9, NOBODY, 10.5)
    assert settling.settled == 8


def test_a_prepared_transaction_may_be_anybody() -> None:
    settling: Settling[int] = Settling()
    settling.saw(8, frozenset({"a"}), 0.0)
    settling.saw(9, frozenset({PREPARED}), 1.0)  # a, under another name
    assert settling.settled is None
    settling.saw(9, NOBODY, 2.0)
    assert settling.covers(8)


@pytest.mark.parametrize("seed", range(20))
def test_every_committed_row_is_delivered_once_in_order(seed: int) -> None:
    """Writers take ids and commit, or not, in any order; the reader looks at any time."""
    draw = random.Random(seed)
    settling: Settling[int] = Settling()
    open_ids: dict[str, list[int]] = {}
    visible: set[int] = set()
    delivered: list[int] = []
    next_id, last = 1, None
    for step in range(400):
        act = draw.choice(["take", "take", "end", "read"])
        if act == "take":
            name = draw.choice([*open_ids, f"t{step}"])
            open_ids.setdefault(name, []).append(next_id)
            next_id += 1
        elif act == "end" and open_ids:
            ids = open_ids.pop(draw.choice(list(open_ids)))
            if draw.random() < 0.8:
                visible.update(ids)
        else:
            high = max(visible, default=0)
            settling.saw(high, frozenset(open_ids), step)
            rows = sorted(one for one in visible if last is None or one > last)[:7]
            rows = rows[: passable(last, rows, settling)]
            delivered += rows
            last = rows[-1] if rows else last
    for ids in open_ids.values():
        visible.update(ids)
    for step in range(400, 520):
        settling.saw(max(visible), NOBODY, step)
        rows = sorted(one for one in visible if last is None or one > last)[:7]
        rows = rows[: passable(last, rows, settling)]
        delivered += rows
        last = rows[-1] if rows else last
    assert delivered == sorted(visible)
