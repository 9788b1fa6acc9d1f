"""A producer's last batches, found again in the newest part of the log."""

from tests.support.batches import batch
from tidelock.broker.log import LogSettings, MemoryFiles, Partition
from tidelock.broker.log.lookup import recent_batches
from tidelock.protocol.records import Producer

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
    assert partition.segment_count > 2
    found = recent_batches(partition._segments, 1, 0)
    assert [one.base_offset for one in found] == [4, 8, 12, 16, 20]
    assert [one.first_sequence for one in found] == [2, 4, 6, 8, 10]


def test_only_batches_of_the_epoch_count() -> None:
    partition = filled()
    assert [one.base_offset for one in recent_batches(partition._segments, 2, 1)] == [24]
    assert recent_batches(partition._segments, 9, 0) == []
