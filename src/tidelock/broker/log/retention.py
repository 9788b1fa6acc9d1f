"""Which segments are too old or too many. Decides; the partition deletes.

Pure. Whole segments only, oldest first, and never one that holds an offset the log start has not passed
unless a limit says so.

Source: Kafka `UnifiedLog.deletableSegments`, `deleteRetentionSizeBreachedSegments`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tidelock.broker.log.settings import NO_LIMIT, LogSettings


class SegmentFacts(NamedTuple):
    """What retention needs to know of a segment; `end_offset` is exclusive."""

    end_offset: int
    size: int
    max_timestamp: int


def overdue(facts: Sequence[SegmentFacts], settings: LogSettings, log_start_offset: int, now_ms: int) -> int:
    """Return how many of the oldest segments must go.

    Args:
        facts: oldest first; the last one is being written to.
        settings: retention.ms and retention.bytes; both apply only where cleanup.policy has `delete`.
        log_start_offset: segments wholly below it go whatever the policy.
        now_ms: the broker's wall clock. A segment without timestamps never becomes too old.
    """
    count = 0
    excess = _excess_bytes(facts, settings)
    for number, segment in enumerate(facts):
        is_last = number == len(facts) - 1
        if is_last and not segment.size:
            break
        below = segment.end_offset <= log_start_offset and not is_last
        # Compaction may leave a segment without a batch; it must not stand before those that are too old.
        below = below or (settings.deletes and not segment.size)
        if not (below or _too_old(segment, settings, now_ms) or 0 < segment.size <= excess):
            break
        excess -= segment.size
        count += 1
    return count


def _too_old(segment: SegmentFacts, settings: LogSettings, now_ms: int) -> bool:
    if not settings.deletes or settings.retention_ms == NO_LIMIT or segment.max_timestamp < 0:
        return False
    return now_ms - segment.max_timestamp > settings.retention_ms


def _excess_bytes(facts: Sequence[SegmentFacts], settings: LogSettings) -> int:
    if not settings.deletes or settings.retention_bytes == NO_LIMIT:
        return 0
    return sum(segment.size for segment in facts) - settings.retention_bytes
