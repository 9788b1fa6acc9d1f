"""A producer's last batches, found again in the newest part of the log."""

import pytest
from crc32c import crc32c

from tests.support.batches import batch
from tidelock.broker.log import LogSettings, MemoryFiles, Opening, Partition
from tidelock.broker.log.lookup import OPENED_RECORDS, recent_batches
from tidelock.protocol.error_codes import MessageTooLarge
from tidelock.protocol.records import HEADER, Producer, Record, build_batch

NOW = 1_000_000


def filled() -> Partition:
    settings = LogSettings(segment_bytes=500, index_interval_bytes=100)
    partition = Partition.open(MemoryFiles(), "orders-0", settings, NOW)
    for number in range(12):
        partition.append(batch(2, producer=Producer(1 + number % 2, 0, number // 2 * 2)), NOW)
    partition.append(batch(2, producer=Producer(2, 1, 0)), NOW)
    return partition


def test_the_last_five_batches_come_back_across_segments_in_order() -> None:
    partition = filled()
    assert len(partition._segments) > 2
    found = recent_batches(partition._segments, 1, 0)
    assert [one.base_offset for one in found] == [4, 8, 12, 16, 20]
    assert [one.first_sequence for one in found] == [2, 4, 6, 8, 10]


def test_only_batches_of_the_epoch_count() -> None:
    partition = filled()
    assert [one.base_offset for one in recent_batches(partition._segments, 2, 1)] == [24]
    assert recent_batches(partition._segments, 9, 0) == []


def claiming(newest: int, *timestamps: int, count: int | None = None) -> memoryview:
    """A batch whose header says what its records do not."""
    made = build_batch([Record(i, at, b"k", b"v") for i, at in enumerate(timestamps)])
    fields = list(HEADER.unpack_from(made))
    fields[8] = newest
    if count is not None:
        fields[6], fields[12] = count - 1, count
    HEADER.pack_into(made, 0, *fields)
    made[17:21] = crc32c(memoryview(made)[21:]).to_bytes(4, "big")
    return memoryview(made)


def opened_once(*batches: memoryview) -> Partition:
    partition = Partition.open(MemoryFiles(), "orders-0", LogSettings(), NOW)
    for one in batches:
        partition.append(one, NOW)
    return partition


def test_a_batch_that_is_older_than_it_says_counts_as_a_whole() -> None:
    partition = opened_once(claiming(500, 1, 2), claiming(500, 1, 2), claiming(900, 900))
    opening = Opening()
    assert partition.offset_for_timestamp(400, opening) == (500, 0)
    assert opening.records == OPENED_RECORDS - 2


def test_what_may_not_be_opened_counts_as_a_whole() -> None:
    partition = opened_once(claiming(20, 10, 20))
    opening = Opening(records=3)
    assert [partition.offset_for_timestamp(20, opening) for _ in range(2)] == [(20, 1), (20, 0)]
    assert [partition.max_timestamp(one) for one in (Opening(), Opening(1))] == [(20, 1), (20, 0)]


def test_the_newest_record_may_be_below_the_log_start() -> None:
    partition = opened_once(claiming(20, 20, 10), claiming(15, 15))
    partition.delete_records_before(1)
    assert partition.offset_for_timestamp(12) == (15, 2)


def test_a_compacted_topic_takes_no_more_records_than_can_be_looked_at() -> None:
    settings = LogSettings(cleanup_policy=frozenset({"compact"}))
    partition = Partition.open(MemoryFiles(), "orders-0", settings, NOW)
    with pytest.raises(MessageTooLarge):
        partition.append(claiming(1, 1, count=OPENED_RECORDS + 1), NOW)
    partition.append(claiming(1, 1), NOW)
