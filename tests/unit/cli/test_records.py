"""Lines to records and back: separators, JSON, offsets to start at, timestamps, order across partitions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.cli.records import (
    BadLineError,
    Outgoing,
    Shape,
    merged,
    outgoing,
    pairs,
    starts,
    text,
    timestamp,
)
from tidelock.errors import UsageError


def test_a_line_is_a_value() -> None:
    assert list(outgoing([b"a\n", b"b\r\n", b""], Shape())) == [
        Outgoing(None, b"a"),
        Outgoing(None, b"b"),
        Outgoing(None, b""),
    ]


def test_key_headers_and_partition_hold_for_every_line() -> None:
    shape = Shape(key="k", headers={"h": "x"}, partition=3)
    assert list(outgoing([b"v\n"], shape)) == [Outgoing(b"k", b"v", (("h", b"x"),), 3)]


def test_a_separator_cuts_once() -> None:
    assert list(outgoing([b"k:v:w\n"], Shape(separator=":"))) == [Outgoing(b"k", b"v:w")]
    with pytest.raises(BadLineError, match="line 2 has no ':'"):
        list(outgoing([b"k:v\n", b"kv\n"], Shape(separator=":")))


def test_json_lines_carry_everything() -> None:
    line = json.dumps({"key": "k", "value": {"n": 1}, "headers": {"h": "x"}, "partition": 1}).encode()
    assert list(outgoing([line], Shape(is_json=True, headers={"all": "y"}))) == [
        Outgoing(b"k", b'{"n": 1}', (("all", b"y"), ("h", b"x")), 1)
    ]
    assert list(outgoing([b'{"key": "k", "value": null}'], Shape(is_json=True))) == [Outgoing(b"k", None)]


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b'{"key": 1}', b'{"value": 1, "headers": 2}', b'{"value": 1, "partition": "x"}'],
)
def test_json_that_is_no_record_names_the_line(line: bytes) -> None:
    with pytest.raises(BadLineError, match="line 1"):
        list(outgoing([line], Shape(is_json=True)))


@given(st.binary().filter(lambda data: b"\n" not in data))
def test_whatever_a_json_line_is_it_is_a_record_or_a_bad_line(data: bytes) -> None:
    try:
        list(outgoing([data], Shape(is_json=True)))
    except BadLineError:
        return


BEGINNING, END = {0: 5, 1: 0, 2: 7}, {0: 20, 1: 3, 2: 7}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("beginning", BEGINNING),
        ("end", END),
        ("-10", {0: 10, 1: 0, 2: 7}),
        ("6", {0: 6, 1: 3, 2: 7}),
        ("0", {0: 5, 1: 0, 2: 7}),
    ],
)
def test_where_to_start(start: str, expected: dict[int, int]) -> None:
    assert starts(start, BEGINNING, END) == expected


def test_a_start_that_is_none() -> None:
    with pytest.raises(UsageError, match="is not beginning, end, -N or an offset"):
        starts("yesterday", BEGINNING, END)


def test_bytes_are_shown_as_text() -> None:
    assert text("é".encode()) == "é"
    assert text(b"a\xff") == "a\\xff"
    assert text(None) is None


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (-1, None),
        (0, "1970-01-01T00:00:00.000Z"),
        (1 << 62, None),
    ],
)
def test_timestamps(milliseconds: int, shown: str | None) -> None:
    assert timestamp(milliseconds) == shown


def test_records_of_several_partitions_are_in_order_of_time() -> None:
    def row(partition: int, offset: int, at: str | None) -> dict[str, Any]:
        return {"partition": partition, "offset": offset, "timestamp": at}

    rows = [row(0, 0, "b"), row(0, 1, "d"), row(1, 0, "a"), row(1, 1, "b")]
    assert [(one["partition"], one["offset"]) for one in merged(rows, None)] == [
        (1, 0),
        (0, 0),
        (1, 1),
        (0, 1),
    ]
    assert [(one["partition"], one["offset"]) for one in merged(rows, 2)] == [(1, 1), (0, 1)]
    assert merged(rows, 0) == []


def test_pairs() -> None:
    assert pairs(["a=b=c", "d="], "-c") == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError, match="-c 'x' is not NAME=VALUE"):
        pairs(["x"], "-c")
