"""What a compaction pass may touch, and what it keeps of a batch."""

from __future__ import annotations

from tests.support.batches import batch
from tidelock.broker.log.compaction import (
    Aborted,
    AbortedRanges,
    Bounds,
    Compaction,
    KeyMap,
    LastOfProducer,
    bounds,
    groups,
    urgency,
)
from tidelock.broker.log.retention import SegmentFacts
from tidelock.broker.log.settings import LogSettings
from tidelock.protocol.records import (
    COMMIT,
    Producer,
    Record,
    build_batch,
    build_control_batch,
    check_crc,
    iter_records,
    read_header,
)

COMPACT = LogSettings(cleanup_policy=frozenset({"compact"}))
FACTS = [SegmentFacts(10, 100, 1_000), SegmentFacts(20, 100, 2_000), SegmentFacts(30, 50, 3_000)]
NOBODY = AbortedRanges(())


def passing(
    latest: dict[bytes, int],
    now_ms: int = 10_000,
    producers: dict[int, LastOfProducer] | None = None,
    aborted: AbortedRanges = NOBODY,
) -> Compaction:
    return Compaction(latest, aborted, producers or {}, now_ms, 500)


class TestBounds:
    def test_the_active_segment_is_never_cleaned(self) -> None:
        assert bounds(FACTS, 0, 30, COMPACT, 9_000) == Bounds(2, 0)

    def test_nothing_behind_the_limit(self) -> None:
        assert bounds(FACTS, 0, 19, COMPACT, 9_000) == Bounds(1, 0)

    def test_records_younger_than_the_lag_stay(self) -> None:
        lag = LogSettings(min_compaction_lag_ms=1_500)
        assert bounds(FACTS, 0, 30, lag, 3_000) == Bounds(1, 0)

    def test_what_was_cleaned_before_is_not_dirty(self) -> None:
        assert bounds(FACTS, 10, 30, COMPACT, 9_000) == Bounds(2, 1)


class TestUrgency:
    def test_needs_more_than_the_dirty_share(self) -> None:
        assert urgency(FACTS, Bounds(2, 1), COMPACT, 9_000) == 0.0
        assert urgency(FACTS, Bounds(2, 0), COMPACT, 9_000) == 1.0
        assert urgency(FACTS, Bounds(2, 1), LogSettings(min_cleanable_dirty_ratio=0.4), 9_000) == 0.5

    def test_nothing_dirty(self) -> None:
        assert urgency(FACTS, Bounds(2, 2), LogSettings(min_cleanable_dirty_ratio=0.0), 9_000) == 0.0

    def test_the_longest_lag_makes_it_due(self) -> None:
        assert urgency(FACTS, Bounds(2, 1), LogSettings(max_compaction_lag_ms=100), 9_000) > 1.0


def test_small_neighbours_share_a_segment() -> None:
    sizes = [(0, 40), (10, 40), (20, 40), (30, 200), (40, 10), (50, 0)]
    assert groups(sizes, 100, 1_000) == [[0, 10], [20], [30], [40]]
    assert groups(sizes, 1_000, 25) == [[0, 10], [20, 30], [40]]


class TestBatches:
    def test_an_untouched_batch_is_the_same_object(self) -> None:
        raw = bytes(batch(3))
        assert passing({b"key 0": 0}).cleaned(read_header(raw), raw) is raw

    def test_a_smaller_batch_keeps_its_offsets_and_producer(self) -> None:
        raw = bytes(batch(3, producer=Producer(7, 1, 4), compression=1))
        made = passing({b"key 0": 5, b"key 2": 9}).cleaned(read_header(raw), raw)
        assert made is not None
        old, new = read_header(raw), read_header(made)
        assert [record.offset for record in iter_records(made)] == [1]
        assert (new.base_offset, new.last_offset, new.base_sequence, new.last_sequence) == (0, 2, 4, 6)
        assert (new.producer_id, new.compression, new.base_timestamp) == (7, 1, old.base_timestamp)
        assert new.max_timestamp == 1_001
        assert check_crc(made, 0, new)

    def test_nothing_left(self) -> None:
        raw = bytes(batch(1))
        assert passing({b"key 0": 5}).cleaned(read_header(raw), raw) is None

    def test_the_last_word_of_a_producer_stays_as_a_header(self) -> None:
        raw = bytes(batch(1, producer=Producer(7, 1, 4)))
        made = passing({b"key 0": 5}, producers={7: LastOfProducer(1, 0)}).cleaned(read_header(raw), raw)
        assert made is not None
        assert (read_header(made).count, read_header(made).last_sequence) == (0, 4)
        assert list(iter_records(made)) == []
        assert check_crc(made, 0, read_header(made))

    def test_records_without_a_key_go(self) -> None:
        raw = build_batch([Record(0, 5, None, b"v"), Record(1, 6, b"k", b"v")])
        made = passing({}).cleaned(read_header(raw), raw)
        assert made is not None
        assert [record.key for record in iter_records(made)] == [b"k"]

    def test_a_tombstone_gets_a_horizon_and_goes_after_it(self) -> None:
        raw = build_batch([Record(0, 5, b"k", None), Record(1, 6, b"l", b"v")])
        first = passing({}, 10_000).cleaned(read_header(raw), raw)
        assert first is not None
        header = read_header(first)
        assert header.has_delete_horizon
        assert header.base_timestamp == 10_500
        assert [(one.key, one.timestamp) for one in iter_records(first)] == [(b"k", 5), (b"l", 6)]
        assert passing({}, 10_499).cleaned(header, first) is first
        later = passing({}, 10_500).cleaned(header, first)
        assert later is not None
        assert [(one.key, one.timestamp) for one in iter_records(later)] == [(b"l", 6)]

    def test_aborted_records_are_dropped_and_do_not_count(self) -> None:
        raw = bytes(batch(2, producer=Producer(7, 1, 0), transactional=True))
        aborted = AbortedRanges([Aborted(7, 0, 9)])
        assert aborted.have(read_header(raw))
        assert passing({}, aborted=aborted).cleaned(read_header(raw), raw) is None

    def test_a_marker_stays_while_its_data_does_and_a_time_longer(self) -> None:
        data = bytes(batch(1, producer=Producer(7, 1, 0), transactional=True))
        marker = build_control_batch(COMMIT, Producer(7, 1), coordinator_epoch=0, timestamp=5, base_offset=1)
        header = read_header(marker)
        both = passing({})
        assert both.cleaned(read_header(data), data) is data
        assert both.cleaned(header, marker) is marker
        alone = passing({}, 10_000).cleaned(header, marker)
        assert alone is not None
        horizon = read_header(alone)
        assert horizon.has_delete_horizon
        assert horizon.is_control
        assert [one.value for one in iter_records(alone)] == [one.value for one in iter_records(marker)]
        assert passing({}, 10_499).cleaned(horizon, alone) is alone
        assert passing({}, 10_500).cleaned(horizon, alone) is None
        assert passing({}, 10_500, {7: LastOfProducer(1, 0)}).cleaned(horizon, alone) is alone


def test_the_map_says_when_it_is_full() -> None:
    keys = KeyMap(most_bytes=300)
    keys.add(batch(2))
    assert not keys.is_full
    keys.add(batch(3))
    assert keys.is_full
    assert keys.latest == {b"key 0": 0, b"key 1": 1, b"key 2": 2}
