"""Broker and topic settings under Kafka's own keys.

Defaults are Kafka's unless an embedded broker needs others.
`BrokerSettings` is what the process starts with; `TopicSettings` is what one topic may override. The table
`BROKER_SYNONYMS` says which broker key a topic key falls back to, and feeds DescribeConfigs. Keys that
Kafka has and this broker does not act on yet are still known, validated, stored and described: clients read
them. Imports tidelock.config and the rules of listeners. Departures from Kafka's defaults: num.partitions 4,
log.segment.bytes 64 MiB (fast recovery), group.initial.rebalance.delay.ms 0, offsets.topic.num.partitions 1.

Source: Kafka `AbstractKafkaConfig`, `TopicConfig`, `LogConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidelock.broker import listeners as rules
from tidelock.config import Importance, Problem, Settings, key

HIGH, LOW = Importance.HIGH, Importance.LOW
LONG_MAX = (1 << 63) - 1
INT_MAX = (1 << 31) - 1
DAY_MS = 86_400_000
CODECS = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")
TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
CLEANUP = ("compact", "delete")
_REPLICA = re.compile(r"\d+:\d+")


def _unit_interval(value: float) -> str | None:
    return None if 0.0 <= value <= 1.0 else f"{value!r} is not between 0 and 1"


def _throttled(value: tuple[str, ...]) -> str | None:
    """Source: Kafka `ThrottledReplicaListValidator`."""
    if value == ("*",) or all(_REPLICA.fullmatch(one) for one in value):
        return None
    return f"{','.join(value)!r} is neither * nor a list of PARTITION:BROKER"


def _gzip_level(value: int) -> str | None:
    return None if value == -1 or 1 <= value <= 9 else f"{value} is neither -1 nor 1 to 9"


def _one_folder(value: str) -> str | None:
    if not value:
        return "names no folder"
    return f"{value!r} are several folders: this broker has one" if "," in value else None


class BrokerSettings(Settings):
    """What a broker starts with (`server.properties`)."""

    node_id: int = key(
        default=1, at_least=0, synonym="broker.id", importance=HIGH, doc="The broker's id; also broker.id."
    )
    listeners: str = key(
        default="PLAINTEXT://127.0.0.1:9092", importance=HIGH, doc="Where to listen; port 0 picks a free one."
    )
    advertised_listeners: str | None = key(
        default=None,
        importance=HIGH,
        doc="The address that clients are told; default is the one listened on.",
    )
    listener_security_protocol_map: str = key(
        default=rules.DEFAULT_MAP,
        check=rules.problem_of_map,
        doc="The protocol of each listener's name; PLAINTEXT is the only one here.",
    )
    controller_listener_names: str | None = key(
        default=None, importance=HIGH, doc="Listeners that are not for clients; default is CONTROLLER."
    )
    security_inter_broker_protocol: str = key(
        default=rules.PLAINTEXT, check=rules.problem_of_protocol, doc="PLAINTEXT, nothing else."
    )
    log_dirs: str = key(
        default=".tidelock/broker",
        check=_one_folder,
        synonym="log.dir",
        importance=HIGH,
        doc="The data folder, one; also log.dir.",
    )
    tidelock_flush_policy: str = key(
        default="os",
        choices=("os", "group", "interval"),
        importance=HIGH,
        doc="When records are fsynced: by the operating system, before each acknowledgement (shared between"
        " concurrent requests), or every log.flush.interval.ms.",
    )
    auto_create_topics_enable: bool = key(
        default=True, importance=HIGH, doc="Whether asking for an unknown topic creates it."
    )
    delete_topic_enable: bool = key(default=True, importance=HIGH, doc="Whether topics can be deleted.")
    num_partitions: int = key(default=4, at_least=1, doc="Partitions of a topic created without a count.")
    default_replication_factor: int = key(default=1, at_least=1, at_most=1, doc="Replicas of a new topic.")
    message_max_bytes: int = key(
        default=1_048_588, at_least=0, at_most=INT_MAX, importance=HIGH, doc="Largest record batch accepted."
    )
    socket_request_max_bytes: int = key(
        default=104_857_600, at_least=1, doc="Largest request accepted; a larger one ends its connection."
    )
    max_connections: int = key(default=INT_MAX, at_least=0, doc="Connections served at a time.")
    connections_max_idle_ms: int = key(default=600_000, doc="Idle connections are closed after this time.")
    max_incremental_fetch_session_cache_slots: int = key(
        default=1000, at_least=0, doc="Most incremental fetch sessions kept at a time."
    )
    fetch_max_bytes: int = key(default=57_671_680, at_least=1024, doc="Most bytes one fetch returns.")
    compression_type: str = key(default="producer", choices=CODECS, doc="Codec of stored batches.")
    compression_gzip_level: int = key(default=-1, check=_gzip_level, doc="gzip level; -1 is zlib's own.")
    compression_lz4_level: int = key(default=9, at_least=1, at_most=17, doc="lz4 level; one only is used.")
    compression_zstd_level: int = key(default=3, at_least=-131_072, at_most=22, doc="zstd level.")
    min_insync_replicas: int = key(default=1, at_least=1, doc="Replicas an acks=all write needs.")
    unclean_leader_election_enable: bool = key(default=False, doc="Whether a stale replica may lead.")

    log_segment_bytes: int = key(
        default=64 << 20, at_least=14, at_most=INT_MAX, doc="Largest size of one segment file."
    )
    log_roll_ms: int | None = key(
        default=None, at_least=1, doc="A segment older than this is rolled; unset: log.roll.hours."
    )
    log_roll_hours: int = key(default=168, at_least=1, doc="The same in hours.")
    log_roll_jitter_ms: int | None = key(
        default=None, at_least=0, doc="Random earliness of a roll; unset: log.roll.jitter.hours."
    )
    log_roll_jitter_hours: int = key(default=0, at_least=0, doc="The same in hours.")
    log_retention_ms: int | None = key(
        default=None,
        at_least=-1,
        importance=HIGH,
        doc="Age at which segments are deleted; -1 never; unset: log.retention.minutes.",
    )
    log_retention_minutes: int | None = key(
        default=None, at_least=-1, importance=HIGH, doc="The same in minutes; unset: log.retention.hours."
    )
    log_retention_hours: int = key(
        default=168, at_least=-1, importance=HIGH, doc="The same in hours; -1 never."
    )
    log_retention_bytes: int = key(
        default=-1, at_least=-1, importance=HIGH, doc="Size of a partition above which segments are deleted."
    )
    log_retention_check_interval_ms: int = key(
        default=300_000, at_least=1, doc="How often retention looks at the segments."
    )
    log_cleanup_policy: tuple[str, ...] = key(
        default=("delete",), choices=CLEANUP, doc="delete, compact or both."
    )
    log_cleaner_enable: bool = key(default=True, doc="Whether compacted topics are compacted.")
    log_cleaner_backoff_ms: int = key(default=15_000, at_least=1, doc="How often the cleaner looks for work.")
    log_cleaner_dedupe_buffer_size: int = key(
        default=134_217_728, at_least=1024, doc="Memory, in bytes, for the keys of one compaction."
    )
    log_cleaner_delete_retention_ms: int = key(default=DAY_MS, at_least=0, doc="How long tombstones stay.")
    log_cleaner_min_compaction_lag_ms: int = key(default=0, at_least=0, doc="Youngest age compacted.")
    log_cleaner_max_compaction_lag_ms: int = key(default=LONG_MAX, at_least=1, doc="Oldest uncompacted age.")
    log_cleaner_min_cleanable_ratio: float = key(
        default=0.5, check=_unit_interval, doc="Share of dirty bytes that starts a compaction."
    )
    log_index_interval_bytes: int = key(default=4096, at_least=0, doc="Bytes between two index entries.")
    log_index_size_max_bytes: int = key(default=10_485_760, at_least=4, doc="Largest index file.")
    log_preallocate: bool = key(default=False, doc="Whether segment files are allocated in advance.")
    log_message_timestamp_type: str = key(
        default="CreateTime", choices=TIMESTAMP_TYPES, doc="Whose clock stamps records."
    )
    log_message_timestamp_before_max_ms: int = key(
        default=LONG_MAX, at_least=0, doc="How far a record's timestamp may lie in the past."
    )
    log_message_timestamp_after_max_ms: int = key(
        default=3_600_000, at_least=0, doc="How far a record's timestamp may lie in the future."
    )
    log_segment_delete_delay_ms: int = key(default=60_000, at_least=0, doc="Delay of a file's removal.")
    log_local_retention_bytes: int = key(default=-2, at_least=-2, doc="Local size under tiered storage.")
    log_local_retention_ms: int = key(default=-2, at_least=-2, doc="Local age under tiered storage.")
    log_flush_interval_ms: int = key(
        default=1000, at_least=1, doc="Time between two flushes under the policy `interval`."
    )
    log_flush_interval_messages: int = key(default=LONG_MAX, at_least=1, doc="Records between two flushes.")

    group_initial_rebalance_delay_ms: int = key(
        default=0, at_least=0, doc="How long a new group waits for more members before its first generation."
    )
    group_min_session_timeout_ms: int = key(
        default=6_000, doc="Smallest session timeout a member may ask for."
    )
    group_max_session_timeout_ms: int = key(
        default=1_800_000, doc="Largest session timeout a member may ask for."
    )
    group_max_size: int = key(default=INT_MAX, at_least=1, doc="Most members of one group.")
    offsets_topic_num_partitions: int = key(
        default=1, at_least=1, at_most=1, doc="Partitions of __consumer_offsets."
    )
    offsets_retention_minutes: int = key(
        default=10_080, at_least=1, importance=HIGH, doc="How long offsets of an empty group are kept."
    )
    offsets_retention_check_interval_ms: int = key(
        default=600_000, at_least=1, doc="How often expired offsets are looked for."
    )
    offset_metadata_max_bytes: int = key(default=4096, at_least=0, doc="Longest metadata of one commit.")
    producer_id_expiration_ms: int = key(
        default=DAY_MS, at_least=1, importance=LOW, doc="Idle time after which a producer id is forgotten."
    )
    transaction_max_timeout_ms: int = key(default=900_000, at_least=1, doc="Longest transaction timeout.")
    transactional_id_expiration_ms: int = key(
        default=7 * DAY_MS, at_least=1, doc="Idle time after which a transactional id is forgotten."
    )
    transaction_remove_expired_transaction_cleanup_interval_ms: int = key(
        default=3_600_000, at_least=1, importance=LOW, doc="How often such ids are looked for."
    )
    transaction_state_log_num_partitions: int = key(
        default=1, at_least=1, at_most=1, doc="Partitions of __transaction_state."
    )

    @classmethod
    def examine(
        cls, given: Mapping[str, object], *, strict: bool = True
    ) -> tuple[dict[str, Any], list[Problem]]:
        """See Settings; keys that have to agree with one another are compared."""
        values, problems = super().examine(given, strict=strict)
        return values, [*problems, *cls._disagreements(given, values)]

    @classmethod
    def _disagreements(cls, given: Mapping[str, object], values: Mapping[str, Any]) -> Iterator[Problem]:
        if "node.id" in given and str(given.get("broker.id", values.get("node_id"))).strip() != str(
            values.get("node_id")
        ):
            yield Problem("broker.id", given["broker.id"], "must be the same as node.id")
        told = values.get("advertised_listeners")
        try:
            served = cls(**values).client_listeners()[0]
        except ValueError as error:
            yield Problem("listeners", values.get("listeners", cls.listeners), str(error))
            return
        try:
            if told:
                rules.told(told, served.name)
        except ValueError as error:
            yield Problem("advertised.listeners", told, str(error))

    def client_listeners(self) -> list[rules.Listener]:
        """Return the listeners for clients; the first is served.

        Raises:
            ValueError: see `listeners.clients`.
        """
        protocols = rules.protocols_of(self.listener_security_protocol_map)
        return rules.clients(self.listeners, protocols, rules.names_of(self.controller_listener_names))

    @classmethod
    def refusal(cls, name: str) -> str | None:
        """See Settings; keys that Kafka has and this broker does not use are taken."""
        from tidelock.broker.unused_keys import what_is_wrong  # most starts have no such key

        return what_is_wrong(name)

    @classmethod
    def without_effect(cls, given: Iterable[str]) -> list[str]:
        """Return the names among `given` that are taken and change nothing, sorted."""
        known = {name for key in cls.describe() for name in (key.name, key.synonym)}
        return sorted(name for name in given if name not in known)


class TopicSettings(Settings):
    """What one topic may override."""

    cleanup_policy: tuple[str, ...] = key(
        default=("delete",), choices=CLEANUP, doc="delete, compact or both."
    )
    compression_type: str = key(default="producer", choices=CODECS, doc="Codec of stored batches.")
    compression_gzip_level: int = key(default=-1, check=_gzip_level, doc="gzip level; -1 is zlib's own.")
    compression_lz4_level: int = key(default=9, at_least=1, at_most=17, doc="lz4 level; one only is used.")
    compression_zstd_level: int = key(default=3, at_least=-131_072, at_most=22, doc="zstd level.")
    delete_retention_ms: int = key(default=DAY_MS, at_least=0, doc="How long tombstones stay.")
    file_delete_delay_ms: int = key(default=60_000, at_least=0, doc="Delay of a file's removal.")
    flush_messages: int = key(default=LONG_MAX, at_least=1, doc="Records between two flushes.")
    flush_ms: int = key(default=LONG_MAX, at_least=0, doc="Time between two flushes.")
    follower_replication_throttled_replicas: tuple[str, ...] = key(
        default=(), check=_throttled, doc="Throttled followers."
    )
    index_interval_bytes: int = key(default=4096, at_least=0, doc="Bytes between two index entries.")
    leader_replication_throttled_replicas: tuple[str, ...] = key(
        default=(), check=_throttled, doc="Throttled leaders."
    )
    local_retention_bytes: int = key(default=-2, at_least=-2, doc="Local size under tiered storage.")
    local_retention_ms: int = key(default=-2, at_least=-2, doc="Local age under tiered storage.")
    max_compaction_lag_ms: int = key(default=LONG_MAX, at_least=1, doc="Oldest uncompacted age.")
    max_message_bytes: int = key(
        default=1_048_588, at_least=0, at_most=INT_MAX, doc="Largest record batch accepted."
    )
    message_timestamp_after_max_ms: int = key(
        default=3_600_000, at_least=0, doc="How far a record's timestamp may lie in the future."
    )
    message_timestamp_before_max_ms: int = key(
        default=LONG_MAX, at_least=0, doc="How far a record's timestamp may lie in the past."
    )
    message_timestamp_type: str = key(
        default="CreateTime", choices=TIMESTAMP_TYPES, doc="Whose clock stamps records."
    )
    min_cleanable_dirty_ratio: float = key(
        default=0.5, check=_unit_interval, doc="Share of dirty bytes that starts a compaction."
    )
    min_compaction_lag_ms: int = key(default=0, at_least=0, doc="Youngest age compacted.")
    min_insync_replicas: int = key(default=1, at_least=1, doc="Replicas an acks=all write needs.")
    preallocate: bool = key(default=False, doc="Whether segment files are allocated in advance.")
    remote_log_copy_disable: bool = key(default=False, doc="Whether tiered copying is paused.")
    remote_log_delete_on_disable: bool = key(default=False, doc="Whether disabling deletes tiered data.")
    remote_storage_enable: bool = key(default=False, doc="Tiered storage; not available.")
    retention_bytes: int = key(
        default=-1, at_least=-1, doc="Size of a partition above which segments are deleted; -1 unlimited."
    )
    retention_ms: int = key(
        default=7 * DAY_MS, at_least=-1, doc="Age at which segments are deleted; -1 never."
    )
    segment_bytes: int = key(
        default=64 << 20, at_least=14, at_most=INT_MAX, doc="Largest size of one segment file."
    )
    segment_index_bytes: int = key(default=10_485_760, at_least=4, doc="Largest index file.")
    segment_jitter_ms: int = key(default=0, at_least=0, doc="Random earliness of a roll.")
    segment_ms: int = key(default=7 * DAY_MS, at_least=1, doc="A segment older than this is rolled.")
    unclean_leader_election_enable: bool = key(default=False, doc="Whether a stale replica may lead.")


BROKER_SYNONYMS = {
    "cleanup.policy": "log.cleanup.policy",
    "compression.gzip.level": "compression.gzip.level",
    "compression.lz4.level": "compression.lz4.level",
    "compression.type": "compression.type",
    "compression.zstd.level": "compression.zstd.level",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "flush.messages": "log.flush.interval.messages",
    "index.interval.bytes": "log.index.interval.bytes",
    "local.retention.bytes": "log.local.retention.bytes",
    "local.retention.ms": "log.local.retention.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "min.insync.replicas": "min.insync.replicas",
    "preallocate": "log.preallocate",
    "retention.bytes": "log.retention.bytes",
    "retention.ms": "log.retention.ms",
    "segment.bytes": "log.segment.bytes",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.jitter.ms": "log.roll.jitter.ms",
    "segment.ms": "log.roll.ms",
    "unclean.leader.election.enable": "unclean.leader.election.enable",
}

# A key whose value another gives, in another unit, where it has none itself.
COARSER = {
    "log.retention.ms": ("log.retention.minutes", 60_000),
    "log.retention.minutes": ("log.retention.hours", 60),
    "log.roll.ms": ("log.roll.hours", 3_600_000),
    "log.roll.jitter.ms": ("log.roll.jitter.hours", 3_600_000),
}

# What IncrementalAlterConfigs may change on a running broker; the others are read once, at the start.
DYNAMIC_BROKER_KEYS = frozenset(BROKER_SYNONYMS.values())
