"""The line between `up` and its processes: framing of reports, and errors that keep their code."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tidelock.cli.up.control import Inbox, rebuilt
from tidelock.errors import ConflictError, TidelockError


@given(st.lists(st.dictionaries(st.text(), st.text(), min_size=1)), st.data())
def test_reports_arrive_whole_however_they_are_cut(
    reports: list[dict[str, str]], data: st.DataObject
) -> None:
    stream = b"".join(json.dumps(report).encode() + b"\n" for report in reports)
    inbox, found, position = Inbox(), [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        found += inbox.feed(stream[position : position + size])
        position += size
    assert found == reports


@given(st.binary())
def test_whatever_arrives_is_a_report(data: bytes) -> None:
    assert all(isinstance(report, dict) for report in Inbox().feed(data + b"\n"))


def test_a_reported_error_keeps_its_kind_code_and_text() -> None:
    report = {"what": "the folder is taken", "where": "/x", "hint": "wait", "code": "TID-299", "exit_code": 6}
    error = rebuilt("broker", report)
    assert isinstance(error, ConflictError)
    assert (error.code, error.exit_code) == ("TID-299", 6)
    assert str(error) == "broker: the folder is taken\n  at: /x\n  do: wait"


def test_an_unknown_kind_is_a_plain_error() -> None:
    report = {"what": "odd", "where": None, "hint": None, "code": "TID-200", "exit_code": 1}
    assert isinstance(rebuilt("broker", report), TidelockError)
    assert rebuilt("broker", report).exit_code == 1
