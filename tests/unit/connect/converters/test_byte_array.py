import pytest

from tidelock.connect.api import DataError, Schema
from tidelock.connect.converters.byte_array import ByteArrayConverter


def test_bytes_pass_untouched() -> None:
    converter = ByteArrayConverter()
    [run] = converter.decode("t", [b"\x00\xff", None])
    assert list(run.values) == [b"\x00\xff", None]
    assert converter.encode("t", run.schema, [b"\x00", bytearray(b"a"), None]) == [b"\x00", b"a", None]


def test_anything_else_is_refused() -> None:
    with pytest.raises(DataError, match="STRING"):
        ByteArrayConverter().encode("t", Schema.string(), ["a"])
    with pytest.raises(DataError, match="cannot write str") as caught:
        ByteArrayConverter().encode("t", None, [b"", "a"])
    assert caught.value.index == 1
