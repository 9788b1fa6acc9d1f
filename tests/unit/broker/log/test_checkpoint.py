"""Checkpoint text: round trip, and torn or foreign files count as absent."""

import pytest

from tidelock.broker.log.checkpoint import Mark, read_lines, read_marks, write_lines, write_marks


def test_a_checkpoint_has_a_version_a_count_and_its_entries() -> None:
    assert write_lines(["0 0", "3 17"]) == b"0\n2\n0 0\n3 17\n"


def test_marks_survive_their_file() -> None:
    marks = {("orders", 1): Mark(bytes(range(16)), 42), ("a.b-c", 0): Mark(bytes(16), 0)}
    assert read_marks(write_marks(marks)) == marks


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\n2\n1 1\n", b"1\n0\n", b"0\nx\n", b"\xff\xfe", b"0\n1\na\nb\n", b"\0" * 20]
)
def test_a_torn_or_foreign_checkpoint_is_refused(data: bytes) -> None:
    assert read_lines(data) is None


@pytest.mark.parametrize("line", ["a 0 1", "a 0 -1 " + "00" * 16, "a 0 1 00", "a b 1 " + "00" * 16])
def test_a_mark_that_says_nothing_is_refused(line: str) -> None:
    assert read_marks(write_lines([line])) is None
