"""The records of `__consumer_offsets`."""

import pytest

from tidelock.broker.groups.records import (
    LONGEST_TEXT_BYTES,
    CorruptGroupRecord,
    GroupChanged,
    GroupForgotten,
    MemberImage,
    OffsetCommitted,
    OffsetForgotten,
    decode,
    encode,
)
from tidelock.protocol.error_codes import InvalidRequest

MEMBER = MemberImage("m-1", None, "client", "/127.0.0.1", 30_000, 10_000, b"sub", b"assignment")
STATIC = MemberImage("m-2", "instance", "client", "/::1", 60_000, 45_000, b"", b"")
RECORDS = [
    OffsetCommitted("g", "orders", 3, 42, 7, "why not", 1_700_000_000_000),
    OffsetForgotten("g", "orders", 3),
    GroupChanged("g", "consumer", 5, "range", "m-1", 1_700_000_000_000, (MEMBER, STATIC)),
    GroupChanged("그룹", "connect", 6, None, None, -1, ()),
    GroupForgotten("g"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_is_read_back_as_it_was_written(record: object) -> None:
    assert decode(*encode(record)) == record  # type: ignore[arg-type]  # one of the four


def test_an_offset_is_written_as_kafka_writes_it() -> None:
    key, value = encode(RECORDS[0])  # type: ignore[arg-type]  # one of the four
    assert key == b"\x00\x01\x00\x01g\x00\x06orders\x00\x00\x00\x03"
    assert value == bytes.fromhex("0003 000000000000002a 00000007 0007") + b"why not" + (
        1_700_000_000_000
    ).to_bytes(8, "big")


def test_an_old_offset_has_no_leader_epoch() -> None:
    key, _ = encode(RECORDS[0])  # type: ignore[arg-type]  # one of the four
    value = bytes.fromhex("0001 000000000000002a 0000 000000000000000a 0000000000000014")
    assert decode(key, value) == OffsetCommitted("g", "orders", 3, 42, -1, "", 10)


def test_an_old_group_has_no_rebalance_timeout() -> None:
    value = bytes.fromhex(
        "0000 0001 63 00000001 ffff ffff 00000001 0001 6d 0000 0000 00002710 00000000 00000000"
    )
    found = decode(b"\x00\x02\x00\x01g", value)
    assert isinstance(found, GroupChanged)
    assert found.members == (MemberImage("m", None, "", "", 10_000, 10_000, b"", b""),)


def test_records_of_other_kinds_are_skipped() -> None:
    assert decode(b"\x00\x05\x00\x01g", b"\x00\x00") is None


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_cut_record_is_refused(cut: int) -> None:
    key, value = encode(RECORDS[2])  # type: ignore[arg-type]  # one of the four
    assert value is not None
    with pytest.raises(CorruptGroupRecord):
        decode(key, value[:-cut])


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        encode(OffsetForgotten("g" * (LONGEST_TEXT_BYTES + 1), "t", 0))
    encode(OffsetForgotten("g" * LONGEST_TEXT_BYTES, "t", 0))
