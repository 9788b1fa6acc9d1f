"""Splitting canonical texts for people, and the report as plain data."""

import json

import pytest

from tidelock.sync.comparison import split_fields
from tidelock.sync.report import ColumnDifference, Difference, Finding, Report, Side


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("6:536365", ["536365"]),
        ("7|1:a|~", ["7", "a", "~"]),
        ("3:a|b|2011-01-04 10:00:00|0:", ["a|b", "2011-01-04 10:00:00", ""]),
        ("2:1:|10:30:00", ["1:", "10:30:00"]),
    ],
)
def test_fields_are_split_by_their_length(text: str, fields: list[str]) -> None:
    assert split_fields(text) == fields


def test_a_report_is_plain_data() -> None:
    side = Side("sqlite:///a.db", 2)
    different = Difference(
        Finding.DIFFERENT, {"id": "1"}, {"total": ColumnDifference("1.1", None)}, ("sqlite:///a.db",)
    )
    counts = {finding: int(finding is Finding.DIFFERENT) for finding in Finding}
    report = Report("orders", ("id",), ("id", "total"), (side,), side, counts, (different,))
    found = json.loads(json.dumps(report.to_dict()))
    assert not report.equal
    assert found["different"] == 1
    assert found["missing"] == 0
    assert found["differences"][0]["columns"] == {"total": {"source": "1.1", "target": None}}
