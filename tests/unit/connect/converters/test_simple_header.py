from decimal import Decimal

import pytest

from tidelock.connect.converters.simple_header import SimpleHeaderConverter


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"text", "text"),
        (b"", ""),
        (b"5", 5),
        (b"-17", -17),
        (b"1.5", 1.5),
        (b"1e3", 1000),
        (b"12345678901234567890123", Decimal(12345678901234567890123)),
        (b"true", True),
        (b"null", None),
        (b'"quoted"', '"quoted"'),
        (b"[1,2]", [1, 2]),
        (b'{"a":1}', {"a": 1}),
        (b"{broken", "{broken"),
        (b"\xff\x00", b"\xff\x00"),
        ("서울".encode(), "서울"),
    ],
)
def test_values_are_told_by_their_form(payload: bytes, value: object) -> None:
    runs = SimpleHeaderConverter().decode("t", [payload, None])
    assert [list(run.values) for run in runs] == [[value], [None]]


def test_values_are_written_as_text() -> None:
    written = SimpleHeaderConverter().encode("t", None, ["x", 5, True, None, [1], b"raw", 1.5])
    assert written == [b"x", b"5", b"true", None, b"[1]", b"cmF3", b"1.5"]
