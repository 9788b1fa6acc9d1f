"""The sparse indexes: look-ups, Kafka's bytes, and refusing what cannot be an index."""

from tidelock.broker.log.index import OffsetIndex, TimeIndex


def offset_index() -> OffsetIndex:
    index = OffsetIndex(100)
    for last_offset, position in ((109, 5_000), (119, 10_000), (129, 15_000)):
        index.append(last_offset, position)
    return index


def test_offset_below_the_first_entry_starts_at_the_beginning() -> None:
    assert offset_index().position_for(108) == 0


def test_offset_that_ends_an_indexed_batch_starts_at_that_batch() -> None:
    assert offset_index().position_for(119) == 10_000
    assert offset_index().position_for(120) == 10_000


def test_last_position_until_finds_the_nearest_known_batch_start() -> None:
    index = offset_index()
    assert [index.last_position_until(at) for at in (0, 4_999, 5_000, 14_999, 99_999)] == [
        0,
        0,
        5_000,
        10_000,
        15_000,
    ]


def test_offset_index_is_kafkas_two_big_endian_ints_an_entry() -> None:
    index = OffsetIndex(100)
    index.append(102, 258)
    assert index.to_bytes() == bytes([0, 0, 0, 2, 0, 0, 1, 2])


def test_offset_index_survives_its_file() -> None:
    again = OffsetIndex.from_bytes(100, offset_index().to_bytes(), 20_000)
    assert again is not None
    assert again.position_for(125) == 10_000


def test_bytes_that_cannot_be_an_offset_index_are_refused() -> None:
    good = offset_index().to_bytes()
    assert OffsetIndex.from_bytes(100, good[:-1], 20_000) is None
    assert OffsetIndex.from_bytes(100, good + bytes(8), 20_000) is None
    assert OffsetIndex.from_bytes(100, good, 15_000) is None


def test_time_index_leads_behind_the_last_older_entry() -> None:
    index = TimeIndex(100)
    index.append(1_000, 109)
    index.append(2_000, 119)
    assert index.offset_for(999) == 100
    assert index.offset_for(1_000) == 100
    assert index.offset_for(1_001) == 109
    assert index.offset_for(5_000) == 119


def test_time_index_keeps_only_rising_timestamps() -> None:
    index = TimeIndex(0)
    for timestamp, offset in ((-1, 1), (5, 2), (5, 9), (4, 10), (6, 11)):
        index.append(timestamp, offset)
    assert index.to_bytes() == b"\0\0\0\0\0\0\0\x05\0\0\0\x02\0\0\0\0\0\0\0\x06\0\0\0\x0b"
    assert index.last() == (6, 11)


def test_bytes_that_cannot_be_a_time_index_are_refused() -> None:
    index = TimeIndex(0)
    index.append(5, 2)
    good = index.to_bytes()
    assert TimeIndex.from_bytes(0, good) is not None
    assert TimeIndex.from_bytes(0, good[:-1]) is None
    assert TimeIndex.from_bytes(0, good + good) is None
