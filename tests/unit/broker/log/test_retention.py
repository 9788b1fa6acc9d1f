"""Which segments must go, decided on plain numbers."""

from tidelock.broker.log.retention import SegmentFacts, overdue
from tidelock.broker.log.settings import LogSettings

NOW = 100_000
FACTS = [SegmentFacts(10, 500, 1_000), SegmentFacts(20, 500, 2_000), SegmentFacts(30, 300, 3_000)]


def count(facts: list[SegmentFacts] = FACTS, log_start: int = 0, **settings: object) -> int:
    values = {"retention_ms": -1, "retention_bytes": -1, **settings}
    return overdue(facts, LogSettings(**values), log_start, NOW)  # type: ignore[arg-type]  # right types given


def test_without_limits_nothing_goes() -> None:
    assert count() == 0


def test_a_segment_goes_when_its_newest_record_is_too_old() -> None:
    assert count(retention_ms=NOW - 1_000) == 0
    assert count(retention_ms=NOW - 1_001) == 1
    assert count(retention_ms=NOW - 2_001) == 2
    assert count(retention_ms=0) == 3


def test_a_young_segment_protects_the_older_ones_behind_it() -> None:
    assert count([SegmentFacts(10, 500, NOW), SegmentFacts(20, 500, 1)], retention_ms=10) == 0


def test_segments_go_while_what_remains_is_still_large_enough() -> None:
    assert count(retention_bytes=1_300) == 0
    assert count(retention_bytes=800) == 1
    assert count(retention_bytes=799) == 1
    assert count(retention_bytes=300) == 2
    assert count(retention_bytes=0) == 3


def test_what_lies_below_the_log_start_goes_whatever_the_policy() -> None:
    assert count(log_start=19, cleanup_policy=frozenset({"compact"})) == 1
    assert count(log_start=30, cleanup_policy=frozenset({"compact"})) == 2


def test_compact_alone_has_no_limits_and_compact_with_delete_has() -> None:
    assert count(retention_ms=0, retention_bytes=0, cleanup_policy=frozenset({"compact"})) == 0
    assert count(retention_ms=0, cleanup_policy=frozenset({"compact", "delete"})) == 3


def test_the_empty_active_segment_stays() -> None:
    assert count([SegmentFacts(10, 0, -1)], retention_ms=0, retention_bytes=0) == 0


def test_records_without_timestamps_never_become_too_old() -> None:
    assert count([SegmentFacts(10, 500, -1)], retention_ms=0) == 0
