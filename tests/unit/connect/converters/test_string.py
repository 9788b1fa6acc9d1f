import pytest

from tidelock.config import ConfigError
from tidelock.connect.api import DataError, Schema
from tidelock.connect.converters.string import StringConverter


def test_text_is_text_both_ways() -> None:
    converter = StringConverter()
    [run] = converter.decode("t", ["서울".encode(), None, b""])
    assert run.schema == Schema.string(optional=True)
    assert list(run.values) == ["서울", None, ""]
    assert converter.encode("t", None, ["서울", None, 5, True, b"raw"]) == [
        "서울".encode(),
        None,
        b"5",
        b"true",
        b"raw",
    ]


def test_another_encoding_can_be_chosen_and_must_exist() -> None:
    converter = StringConverter()
    converter.configure({"converter.encoding": "EUC-KR"}, is_key=False)
    assert converter.encode("t", None, ["서울"]) == ["서울".encode("euc-kr")]
    with pytest.raises(ConfigError, match="not a known character encoding"):
        converter.configure({"converter.encoding": "EUC-XX"}, is_key=False)


def test_bytes_that_are_no_text_are_refused_not_replaced() -> None:
    with pytest.raises(DataError) as caught:
        StringConverter().decode("t", [b"ok", b"\xff"])
    assert caught.value.index == 1
