"""The report: one self-contained, well-formed page whose chart and tables show the run."""

import re
from html.parser import HTMLParser

from tidelock.cli.demo.record import ActResult, RunRecord, Sample
from tidelock.cli.demo.report import render

SAMPLES = [Sample(0.0, 0, 0, 2), Sample(1.0, 100, 60, 3), Sample(2.0, 100, 100, 4)]


def record(*, ok: bool = True) -> RunRecord:
    acts = [ActResult(number, f"act <{number}>", ok=ok, lines=["a & b"]) for number in range(1, 6)]
    acts[-1].figures = {"in_database": 1234, "missing": 0, "checksums_equal": True}
    return RunRecord("made & up", 100, 500, samples=SAMPLES, acts=acts, peak_memory={"broker": 50 * 2**20})


def test_the_page_is_self_contained_and_escaped() -> None:
    page = render(record(), title="The order story", written="today")
    assert "act &lt;1&gt;" in page
    assert "made &amp; up" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert "<script" not in page
    HTMLParser().feed(page)


def test_the_verdict_is_in_words() -> None:
    assert ">PASS<" in render(record(), title="t", written="w")
    assert ">FAIL<" in render(record(ok=False), title="t", written="w")


def test_figures_of_the_proof_and_memory_are_shown() -> None:
    page = render(record(), title="t", written="w")
    assert "1,234" in page
    assert "checksums equal" in page
    assert "50 MB" in page


def test_rows_that_differ_are_listed() -> None:
    run = record(ok=False)
    run.differences = [{"key": "<536365>"}]
    assert "&lt;536365&gt;" in render(run, title="t", written="w")
