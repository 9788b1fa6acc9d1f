import pytest

from tidelock.protocol import primitives
from tidelock.protocol.primitives import MalformedMessage, Struct


class Pair(Struct):
    __slots__ = ("left", "right")

    def __init__(self, left: int, right: int) -> None:
        self.left = left
        self.right = right


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (0x7FFFFFFF, b"\xff\xff\xff\xff\x07"),
    ],
)
def test_an_unsigned_varint_has_seven_bits_a_byte_low_ones_first(value: int, wire: bytes) -> None:
    out = bytearray(b"?")
    primitives.write_uvarint(out, value)
    assert out == b"?" + wire
    assert primitives.read_uvarint(b"?" + wire + b"!", 1) == (value, 1 + len(wire))


@pytest.mark.parametrize("wire", [b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x01"])
def test_a_varint_that_is_too_large_or_too_long_is_malformed(wire: bytes) -> None:
    with pytest.raises(MalformedMessage, match="varint"):
        primitives.read_uvarint(wire, 0)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 40])
def test_int_arrays_keep_their_values(count: int) -> None:
    values = list(range(-count, count, 2))
    for read, write, size in [
        (primitives.read_int8s, primitives.write_int8s, 1),
        (primitives.read_int32s, primitives.write_int32s, 4),
        (primitives.read_int64s, primitives.write_int64s, 8),
    ]:
        out = bytearray()
        write(out, values)
        assert len(out) == size * count
        assert read(bytes(out), 0, count) == values


def test_unknown_tagged_fields_are_skipped_by_their_size() -> None:
    out = bytearray(b"\x02")
    out += primitives.tag(3, bytearray(b"abc"))
    out += primitives.tag(300, bytearray(200))
    assert primitives.skip_tags(bytes(out) + b"rest", 0) == len(out)


def test_structs_are_equal_by_value_and_print_their_fields() -> None:
    assert Pair(1, 2) == Pair(1, 2)
    assert Pair(1, 2) != Pair(1, 3)
    assert Pair(1, 2) != (1, 2)
    assert repr(Pair(1, 2)) == "Pair(left=1, right=2)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Pair(1, 2))
