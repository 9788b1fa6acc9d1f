"""Literals and statement sizes."""

import datetime
from decimal import Decimal

import pytest

from tidelock.sql.errors import TableUnfit
from tidelock.sql.writers.mysql import literal_rows, statements


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (None, "NULL"),
        (True, "1"),
        (-7, "-7"),
        (0.1, "0.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        ("it's \\ a\n\0", r"'it\'s \\ a\n\0'"),
        ("서울 😀", "'서울 😀'"),
        (b"\x00'", "X'0027'"),
        (b"", "X''"),
        (datetime.datetime(2011, 1, 4, 10, 0, 0, 5000, datetime.UTC), "'2011-01-04 10:00:00.005000'"),
        (datetime.date(2011, 1, 4), "'2011-01-04'"),
        (datetime.time(10, 0), "'10:00:00'"),
        ({"a": [1]}, """'{"a":[1]}'"""),
    ],
)
def test_values_become_literals(value: object, literal: str) -> None:
    assert literal_rows([(value,)]) == [f"({literal})".encode()]
    beside = [(1, value), (None, value), (2, "it's")]
    assert literal_rows(beside) == [
        f"({one})".encode() for one in (f"1,{literal}", f"NULL,{literal}", "2,'it\\'s'")
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_mysql_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(TableUnfit):
        literal_rows([(value,)])


def test_statements_stay_below_the_packet_limit_and_keep_every_row() -> None:
    rows = [(number, "x" * 20) for number in range(50)]
    made = list(statements(b"INSERT VALUES ", rows, b" END", 200))
    assert max(map(len, made)) <= 200
    assert len(made) > 5
    inner = b",".join(one.removeprefix(b"INSERT VALUES ").removesuffix(b" END") for one in made)
    assert inner == b",".join(literal_rows(rows))


def test_a_row_beyond_the_limit_goes_alone() -> None:
    rows = [(1,), ("x" * 100,), (2,)]
    assert len(list(statements(b"", rows, b"", 50))) == 3
