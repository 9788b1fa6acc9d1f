"""Formats: what a table, JSON, JSON lines, YAML and names look like, on a terminal and in a pipe."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.cli.output import Output, colour_wanted, yaml_lines

ROWS = [
    {"name": "orders", "partitions": 4, "configs": {"cleanup.policy": "compact"}, "internal": False},
    {"name": "a", "partitions": 12, "configs": {}, "internal": True},
]
COLUMNS = ("name", "partitions", "internal")


def printed(capsys: pytest.CaptureFixture[str], form: str, **how: bool) -> str:
    Output(form, **how).rows(ROWS, columns=COLUMNS, key="name")
    return capsys.readouterr().out


def test_a_table_is_aligned_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table", terminal=True).splitlines() == [
        "NAME    PARTITIONS  INTERNAL",
        "orders  4           no",
        "a       12          yes",
    ]


def test_a_table_is_tab_separated_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "table") == "NAME\tPARTITIONS\tINTERNAL\norders\t4\tno\na\t12\tyes\n"


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "json")) == ROWS
    assert [json.loads(line) for line in printed(capsys, "jsonl").splitlines()] == ROWS


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "name") == "orders\na\n"


def test_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "yaml").splitlines() == [
        "- name: orders",
        "  partitions: 4",
        "  configs:",
        "    cleanup.policy: compact",
        "  internal: false",
        "- name: a",
        "  partitions: 12",
        "  configs: {}",
        "  internal: true",
    ]


def test_yaml_quotes_what_could_be_read_as_something_else() -> None:
    texts = [
        "yes",
        "null",
        "12",
        "1e3",
        "a: b",
        "# no",
        " lead",
        "",
        "x\ny",
        "2026-11-24",
        "-",
        "on",
        "trail ",
    ]
    assert list(yaml_lines(texts)) == [f"- {json.dumps(text)}" for text in texts]


@given(st.text())
def test_a_plain_yaml_text_is_one_line_of_harmless_characters(text: str) -> None:
    (line,) = yaml_lines(text)
    assert line == text or json.loads(line) == text
    assert "\n" not in line


def test_what_is_not_json_is_printed_as_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    record = {"name": "x", "total": Decimal("9.90"), "at": datetime(2026, 11, 24, tzinfo=UTC)}
    Output("json").record(record, key="name")
    assert json.loads(capsys.readouterr().out) == {
        "name": "x",
        "total": "9.90",
        "at": "2026-11-24 00:00:00+00:00",
    }


def test_a_record_shows_its_lists_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = {"name": "orders", "none": None, "partitions": [{"id": 0, "end": 7}]}
    Output(terminal=True).record(record, key="name")
    assert capsys.readouterr().out.splitlines() == [
        "name:  orders",
        "none:  -",
        "",
        "partitions:",
        "ID  END",
        "0   7",
    ]


def test_a_stream_of_json_is_a_whole_array_even_when_it_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    def cut() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        yield {"n": 2}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Output("json").stream(cut(), columns=("n",), key="n")
    assert json.loads(capsys.readouterr().out) == [{"n": 1}, {"n": 2}]
    Output("json").stream([], columns=("n",), key="n")
    assert json.loads(capsys.readouterr().out) == []


def test_colour_marks_words_only_when_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"state": "FAILED"}]
    Output(terminal=True, colour=True).rows(rows, columns=("state",), key="state")
    assert "\x1b[31mFAILED" in capsys.readouterr().out
    Output(terminal=True).rows(rows, columns=("state",), key="state")
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choice", "variables", "terminal", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_rules(choice: str, variables: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert colour_wanted(choice, variables, terminal=terminal) is wanted
