"""Batches of records to send: columns of one length, and what they come to."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from tidelock.client import Outgoing, OutgoingBatch


def test_annotations_can_be_read() -> None:
    assert set(typing.get_type_hints(OutgoingBatch)) == {
        "values",
        "keys",
        "partition",
        "timestamps",
        "headers",
    }


@pytest.mark.parametrize("column", ["keys", "timestamps", "headers"])
@pytest.mark.parametrize("wrong", [[], [None], [None] * 3])
def test_a_column_of_another_length_is_refused(column: str, wrong: list[None]) -> None:
    extra: dict[str, Any] = {column: wrong}
    with pytest.raises(ValueError, match=f"{len(wrong)} {column} for 2 values"):
        OutgoingBatch([b"a", b"b"], **extra)


def test_records_and_size() -> None:
    batch = OutgoingBatch([b"a", None], [None, b"key"], 3, [5, None], [[], [("h", b"1")]])
    assert list(batch) == [
        Outgoing(None, b"a", [], 3, 5),
        Outgoing(b"key", None, [("h", b"1")], 3, None),
    ]
    assert batch.size_bytes() == 4
    assert OutgoingBatch([b"ab"]).size_bytes() == 2
    assert list(OutgoingBatch([], [], None, [], [])) == []
