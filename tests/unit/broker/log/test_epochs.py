"""Leader epochs: which epoch ended where, as OffsetForLeaderEpoch is answered."""

import pytest

from tidelock.broker.log.epochs import LeaderEpochs


def epochs(*pairs: tuple[int, int]) -> LeaderEpochs:
    found = LeaderEpochs()
    for epoch, start in pairs:
        found.assign(epoch, start)
    return found


def test_the_latest_epoch_ends_at_the_log_end() -> None:
    assert epochs((0, 0), (2, 50)).end_offset(2, 80) == (2, 80)


def test_an_older_epoch_ends_where_the_next_began() -> None:
    assert epochs((0, 0), (2, 50), (5, 70)).end_offset(2, 80) == (2, 70)


def test_an_epoch_that_wrote_nothing_answers_with_the_one_before() -> None:
    assert epochs((0, 0), (2, 50), (5, 70)).end_offset(4, 80) == (2, 70)


def test_an_epoch_before_the_first_known_ends_where_that_began() -> None:
    assert epochs((3, 10), (4, 20)).end_offset(1, 80) == (1, 10)


@pytest.mark.parametrize("asked", [-1, 9])
def test_an_unknown_epoch_is_undefined(asked: int) -> None:
    assert epochs((0, 0), (2, 50)).end_offset(asked, 80) == (-1, -1)
    assert LeaderEpochs().end_offset(0, 80) == (-1, -1)


def test_an_epoch_in_which_nothing_was_written_leaves_no_trace() -> None:
    found = epochs((0, 0), (1, 50), (2, 50), (3, 50))
    assert found.to_bytes() == b"0\n2\n0 0\n3 50\n"


def test_a_start_below_known_epochs_replaces_them() -> None:
    found = epochs((0, 0), (1, 50), (2, 90))
    found.assign(3, 40)
    assert found.to_bytes() == b"0\n2\n0 0\n3 40\n"


def test_assigning_the_present_epoch_again_says_nothing_new() -> None:
    found = epochs((0, 0), (1, 50))
    assert not found.assign(1, 60)


def test_truncating_the_start_moves_the_epoch_that_spans_it() -> None:
    found = epochs((0, 0), (1, 50), (2, 90))
    found.truncate_start(60)
    assert found.to_bytes() == b"0\n2\n1 60\n2 90\n"


def test_epoch_at_says_who_wrote_an_offset() -> None:
    found = epochs((1, 10), (4, 20))
    assert [found.epoch_at(offset) for offset in (9, 10, 19, 20, 99)] == [-1, 1, 1, 4, 4]


@pytest.mark.parametrize("text", ["1 5\n0 9", "0 5\n1 5", "0 -1", "x 1", "1"])
def test_a_checkpoint_out_of_order_is_refused(text: str) -> None:
    count = text.count("\n") + 1
    assert LeaderEpochs.from_bytes(f"0\n{count}\n{text}\n".encode()) is None


def test_a_checkpoint_survives_its_file() -> None:
    found = LeaderEpochs.from_bytes(epochs((0, 0), (7, 50)).to_bytes())
    assert found is not None
    assert found.latest == 7
