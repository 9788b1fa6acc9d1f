"""What the log obeys, one frozen object per topic; the node fills it from topic and broker configuration.

Pure data. Names are Kafka's topic-level keys with dots as underscores; sizes in bytes, times in milliseconds,
-1 = no limit where Kafka says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NO_LIMIT = -1
WEEK_MS = 7 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
MAX_LONG = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Settings of one topic's partitions.

    `segment_bytes` defaults to 64 MB where Kafka has 1 GB: recovery after a crash reads at least the segment
    that was being written, so smaller segments mean a faster start.
    `segment_ms` counts from a segment's first append on the broker's clock, not from record timestamps.
    `compression_codec`: batches in another codec are recompressed to it, at `compression_level` (None =
    Kafka's default); None leaves every batch as its producer sent it.
    `commits_when_durable`: records are committed, and can be read, once they are flushed, not before.
    """

    segment_bytes: int = 64 * 1024 * 1024
    segment_ms: int = WEEK_MS
    index_interval_bytes: int = 4096
    retention_ms: int = WEEK_MS
    retention_bytes: int = NO_LIMIT
    max_message_bytes: int = 1024 * 1024 + 12
    message_timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    message_timestamp_after_max_ms: int = MAX_LONG
    cleanup_policy: frozenset[str] = frozenset({"delete"})
    delete_retention_ms: int = DAY_MS
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = MAX_LONG
    min_cleanable_dirty_ratio: float = 0.5
    producer_id_expiration_ms: int = DAY_MS
    commits_when_durable: bool = False
    compression_codec: int | None = None
    compression_level: int | None = None

    @property
    def deletes(self) -> bool:
        """Whether whole old segments go (cleanup.policy has `delete`)."""
        return "delete" in self.cleanup_policy

    @property
    def compacts(self) -> bool:
        """Whether the topic keeps the last value per key (cleanup.policy has `compact`)."""
        return "compact" in self.cleanup_policy
