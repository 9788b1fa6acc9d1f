"""What `verify` shows: the verdict in a line, a row per differing column, texts that cannot be confused."""

from typing import Any

from tidelock.cli.comparison import differing, key_text, notes, shown, verdict

EQUAL: dict[str, Any] = {
    "table": "orders",
    "equal": True,
    "source_rows": 2012,
    "target_rows": 2012,
    "missing": 0,
    "extra": 0,
    "different": 0,
    "conflict": 0,
    "duplicates": 0,
    "differences": [],
    "sources": [{"url": "sqlite:///a.db", "rows": 2012, "only_here": []}],
    "target": {"url": "sqlite:///b.db", "rows": 2012, "only_here": []},
    "notes": [],
    "seconds": 0.1234,
}
DIFFERENT: dict[str, Any] = {
    **EQUAL,
    "equal": False,
    "missing": 1,
    "different": 1,
    "conflict": 40,
    "duplicates": 3,
    "differences": [
        {"finding": "missing", "key": {"id": "7"}, "columns": {}, "sources": ["a.db"]},
        {
            "finding": "different",
            "key": {"id": "8", "part": "x"},
            "columns": {
                "total": {"source": "1.00", "target": None},
                "note": {"source": "", "target": "NULL"},
            },
            "sources": ["a.db"],
        },
    ],
    "notes": ["column extra is only in the target"],
}


def test_the_verdict_is_one_line() -> None:
    assert verdict(EQUAL) == (
        "orders: source rows 2,012 · target rows 2,012 · missing 0 · extra 0 · different 0 · conflict 0"
        "   EQUAL (0.12 s)"
    )
    assert "missing 1" in verdict(DIFFERENT)
    assert "equal in several sources 3   DIFFERENT" in verdict(DIFFERENT)


def test_a_column_that_one_side_lacks_is_named() -> None:
    lacking = {**EQUAL, "equal": False, "target": {**EQUAL["target"], "only_here": ["extra"]}}
    assert "columns not on all sides 1   DIFFERENT" in verdict(lacking)
    assert list(notes(lacking, 0)) == [
        "column extra of sqlite:///b.db is not on all sides; --ignore extra compares without it"
    ]


def test_each_differing_column_is_a_row() -> None:
    assert [tuple(row.values()) for row in differing(DIFFERENT)] == [
        ("missing", "7", None, "a.db", None),
        ("different", "id=8, part=x", "total", "1.00", "NULL"),
        ("different", "id=8, part=x", "note", "''", "'NULL'"),
    ]


def test_what_is_not_shown_is_said() -> None:
    assert list(notes(DIFFERENT, 2)) == [
        "2 of 42 differences are shown",
        "column extra is only in the target",
    ]
    assert list(notes(EQUAL, 0)) == []


def test_values_that_look_alike_are_told_apart() -> None:
    assert [shown(value) for value in (None, "NULL", "", "a ", "a")] == ["NULL", "'NULL'", "''", "'a '", "a"]


def test_a_key_is_its_value_or_named_values() -> None:
    assert key_text({"id": "7"}) == "7"
    assert key_text({"a": "1", "b": "2"}) == "a=1, b=2"
