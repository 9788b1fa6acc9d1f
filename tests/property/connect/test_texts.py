"""Readers of text from outside: whatever comes, they answer or raise the declared error."""

import contextlib
import datetime as dt

from hypothesis import example, given
from hypothesis import strategies as st

from tidelock.connect.api import DataError, date_format, float32, float_text, parse_text, to_text
from tidelock.connect.transforms.javaregex import compile_java
from tidelock.connect.transforms.paths import parse_path

TEXT = st.one_of(st.text(), st.text('{}[]:,"\\ 0123456789.-+eEtrufalsn', max_size=60))
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
INSTANTS = st.integers(-(10**13), 10**14).map(lambda ms: EPOCH + dt.timedelta(milliseconds=ms))
PATTERNS = st.text("GyYMLwWDdFEuaHkKhmsSzZX -:'./T", max_size=20)


@given(TEXT)
@example("[" * 5000)
@example("1e999999999")
@example("9" * 5000)
@example("²")
def test_any_text_is_some_value_and_can_be_written(text: str) -> None:
    schema, value = parse_text(text)
    assert isinstance(to_text(schema, value), str)


@given(st.one_of(st.integers(-(2**70), 2**70), st.booleans(), st.text("abc가 ", min_size=1)))
def test_what_is_written_is_read_again(value: object) -> None:
    assert parse_text(to_text(None, value))[1] == value


@given(st.floats(allow_nan=False))
def test_floats_are_written_so_that_they_read_back(value: float) -> None:
    assert float(float_text(value)) == value


@given(st.floats(width=32, allow_nan=False))
def test_floats_of_32_bits_too(value: float) -> None:
    assert float32(float(float_text(value, single=True))) == value


@given(PATTERNS, INSTANTS, st.text("0123456789 -:APMTZ+Janurmo", max_size=30))
def test_any_date_pattern_is_used_or_refused(pattern: str, instant: dt.datetime, text: str) -> None:
    try:
        made = date_format(pattern)
    except ValueError:
        return
    assert isinstance(made.format(instant), str)
    with contextlib.suppress(DataError):
        assert made.parse(text).tzinfo is dt.UTC


@given(INSTANTS)
def test_a_full_date_pattern_reads_what_it_writes(instant: dt.datetime) -> None:
    exact = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    for pattern in ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "yyyyMMddHHmmssSSS", "dd MMMM yyyy hh:mm:ss.SSS a Z"):
        made = date_format(pattern)
        assert made.parse(made.format(exact)) == exact


@given(st.text(r"abc[]()\\QEpLkxz{}?<>=!*+&^$.|", max_size=25))
def test_any_regular_expression_is_used_or_refused(pattern: str) -> None:
    with contextlib.suppress(ValueError):
        compile_java(pattern).fullmatch("abc")


@given(st.text("ab.`\\", max_size=15))
def test_any_path_has_steps_or_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_path(text, "V2") or not text
