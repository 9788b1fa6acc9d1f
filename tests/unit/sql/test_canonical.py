"""Canonical texts: equal exactly when the values are."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.sql.canonical import NULL, Rule, agree, column_texts, decimal_text, timestamp_text
from tidelock.sql.checksum import Compared, Hasher
from tidelock.sql.types import Column, ColumnType, Kind, Table, TableName

UTC = datetime.UTC


def text(kind: Kind, value: Any, **own: Any) -> str:
    return column_texts(Rule(kind), ColumnType(kind, **own))([value])[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("10.10"), "10.1"),
        ("10.100", "10.1"),
        (10.1, "10.1"),
        (Decimal("-0.00"), "0"),
        (100, "100"),
        (Decimal("1E+3"), "1000"),
        ("12345678901234567890.10", "12345678901234567890.1"),
        (True, "1"),
        ("NaN", "NaN"),
        ("n/a", "3:n/a"),
    ],
)
def test_decimals(value: Any, expected: str) -> None:
    assert decimal_text(value) == expected


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        (ColumnType(Kind.DECIMAL, precision=12, scale=2), [1.004, 1.00, 1.0, "1.004", 0.1 + 0.2, 0.3]),
        (ColumnType(Kind.DATE), ["2011-01-04 10:00:00", "2011-01-04 23:59:59", "2011-01-04", "2011-01-05"]),
        (ColumnType(Kind.TIMESTAMP, scale=3), ["2011-01-04 10:00:00.1234", "2011-01-04 10:00:00.123"]),
        (ColumnType(Kind.BYTES), [3, b"\0\0\0"]),
    ],
)
def test_what_a_column_keeps_beyond_its_declaration_is_not_cut(
    declared: ColumnType, values: list[Any]
) -> None:
    """SQLite keeps whatever it is given."""
    texts = column_texts(agree([declared, declared]), declared)(values)
    same = [(1.0, 1.00), (1.004, "1.004")]
    for one, text in zip(values, texts, strict=True):
        for other, second in zip(values, texts, strict=True):
            assert (text == second) == (one == other or (one, other) in same or (other, one) in same)


def test_a_day_is_a_day_however_it_is_kept() -> None:
    day = column_texts(Rule(Kind.DATE), ColumnType(Kind.DATE))
    values = ["2011-01-04", "2011-01-04 00:00:00", datetime.date(2011, 1, 4), "soon"]
    assert day(values) == ["2011-01-04"] * 3 + ["4:soon"]


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (datetime.datetime(2011, 1, 4, 10, 0, tzinfo=UTC).replace(tzinfo=None), 6, "2011-01-04 10:00:00"),
        (datetime.datetime(2011, 1, 4, 10, 0, 0, 250_000, UTC), 6, "2011-01-04 10:00:00.25"),
        ("2011-01-04 10:00:00.250000", 6, "2011-01-04 10:00:00.25"),
        ("2011-01-04T19:00:00.25+09:00", 6, "2011-01-04 10:00:00.25"),
        ("2011-01-04T10:00Z", 6, "2011-01-04 10:00:00"),
        ("2011-01-04", 6, "2011-01-04 00:00:00"),
        (datetime.date(2011, 1, 4), 6, "2011-01-04 00:00:00"),
        ("2011-01-04 10:00:00.9996", 3, "2011-01-04 10:00:01"),
        ("2011-01-04 10:00:00.0005", 3, "2011-01-04 10:00:00.001"),
        ("not a time", 3, "10:not a time"),
        ("2011-13-44T10:00:00", 3, "19:2011-13-44T10:00:00"),
    ],
)
def test_timestamps(value: Any, scale: int, expected: str) -> None:
    assert timestamp_text(value, scale) == expected


@pytest.mark.parametrize(
    ("kind", "same"),
    [
        (Kind.INTEGER, [1, True, "1", 1.0, b"\x01"]),
        (
            Kind.TIME,
            [datetime.time(10, 0, 0, 500_000), datetime.timedelta(hours=10, seconds=0.5), "10:00:00.5"],
        ),
        (Kind.FLOAT, [0.1, "0.1", Decimal("0.1")]),
        (Kind.BYTES, [b"\xff", bytearray(b"\xff"), memoryview(b"\xff")]),
        (Kind.UUID, [uuid.UUID(int=255), str(uuid.UUID(int=255)).upper()]),
        (
            Kind.JSON,
            [{"b": [1, "가"], "a": None}, '{"a": null, "b": [1, "가"]}', b'{"b":[1,"\\uac00"],"a":null}'],
        ),
        (Kind.DATE, [datetime.date(2011, 1, 4), "2011-01-04", "2011-01-04 00:00:00"]),
    ],
)
def test_the_same_value_has_one_text_however_a_driver_gives_it(kind: Kind, same: list[Any]) -> None:
    assert len({text(kind, value) for value in same}) == 1


def test_null_is_not_empty_and_blanks_count() -> None:
    texts = [text(Kind.TEXT, value) for value in (None, "", " ", "a", "a ", "A", NULL, "1:a", "é", "e\u0301")]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("integer integer", Kind.INTEGER),
        ("boolean boolean", Kind.INTEGER),
        ("boolean integer", Kind.INTEGER),
        ("integer decimal", Kind.DECIMAL),
        ("decimal float", Kind.FLOAT),
        ("text decimal", Kind.DECIMAL),
        ("text integer", Kind.DECIMAL),
        ("text timestamp text", Kind.TIMESTAMP),
        ("date timestamp", Kind.TIMESTAMP),
        ("text uuid", Kind.UUID),
        ("text json", Kind.JSON),
        ("bytes timestamp", Kind.OTHER),
        ("other other", Kind.OTHER),
    ],
)
def test_kinds_agree(kinds: str, expected: Kind) -> None:
    assert agree([ColumnType(Kind(kind)) for kind in kinds.split()]).kind is expected


def test_timestamps_agree_on_the_coarser_precision() -> None:
    types = [ColumnType(Kind.TIMESTAMP, scale=scale) for scale in (6, 3)]
    assert agree(types) == Rule(Kind.TIMESTAMP, 3)


VALUES = st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["~", "|", "1:", "", "2:||"]))


@given(st.lists(VALUES, min_size=3, max_size=3), st.lists(VALUES, min_size=3, max_size=3))
def test_two_rows_have_one_hash_only_when_they_are_equal(one: list[Any], other: list[Any]) -> None:
    columns = tuple(Column(name, ColumnType(Kind.TEXT)) for name in "kab")
    rules = (Rule(Kind.TEXT),) * 3
    hasher = Hasher(Compared(Table(TableName("t"), columns), columns, rules, 1))
    digests = [next(iter(hasher.leaves([row]).values())).digest for row in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)
