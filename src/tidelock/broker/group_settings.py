"""What one group may override, under Kafka's keys: types, defaults, bounds.

They belong to members of newer protocols (KIP-848 consumers, share and streams groups), which this broker
does not serve; they are known, validated, stored and described all the same, because tools set them before
they use them. The bounds of Kafka's broker keys (`group.share.max.session.timeout.ms`, ...) stand here at
their defaults. Imports only tidelock.config.

Source: Kafka `GroupConfig`, `GroupCoordinatorConfig`, `ShareGroupConfig` (4.3.1).
"""

from __future__ import annotations

import re

from tidelock.config import Settings, key

INT_MAX = (1 << 31) - 1
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1
LONG_DIGITS = 19
NANOS = 10**9
FROM_NOW = "by_duration:"
# ISO 8601 as java.time.Duration.parse takes it: P, days, then T with hours, minutes, seconds.
_DURATION = re.compile(
    r"([-+]?)P(?=.)(?:([-+]?\d+)D)?(?:T(?=.)(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?",
    re.IGNORECASE | re.ASCII,
)


def _offset_reset(value: str) -> str | None:
    """Source: Kafka `ShareGroupAutoOffsetResetStrategy.Validator`."""
    if value in ("earliest", "latest"):
        return None
    found = _DURATION.fullmatch(value.removeprefix(FROM_NOW)) if value.startswith(FROM_NOW) else None
    if found is not None and _is_span(found):
        return None
    return f"{value!r} is neither earliest, latest nor {FROM_NOW}PnDTnHnMn.nS"


def _is_span(duration: re.Match[str]) -> bool:
    """Whether Java takes the duration (each step must fit into a long), and it does not lie ahead.

    Source: `java.time.Duration.parse`; seconds come first, as there.
    """
    sign, days, hours, minutes, seconds, fraction = (part or "0" for part in duration.groups())
    total = 0
    for count, unit in ((seconds, 1), (minutes, 60), (hours, 3600), (days, 86_400)):
        digits = count.lstrip("+-0")
        if len(digits) > LONG_DIGITS:
            return False
        part = int(digits or "0") * (-unit if count.startswith("-") else unit)
        total += part
        if not (LONG_MIN <= part <= LONG_MAX and LONG_MIN <= total <= LONG_MAX):
            return False
    nanos = int(fraction.ljust(9, "0"))
    exact = total * NANOS + (-nanos if seconds.startswith("-") else nanos)
    return 0 <= (-exact if sign == "-" else exact) < (LONG_MAX + 1) * NANOS


class GroupSettings(Settings):
    """What one group may override."""

    consumer_assignment_interval_ms: int = key(
        default=1000, at_least=0, at_most=15_000, doc="Time between two assignments of a consumer group."
    )
    consumer_heartbeat_interval_ms: int = key(
        default=5000, at_least=5000, at_most=15_000, doc="Heartbeats of a consumer group's members."
    )
    consumer_session_timeout_ms: int = key(
        default=45_000, at_least=45_000, at_most=60_000, doc="Silence that ends a consumer's membership."
    )
    share_assignment_interval_ms: int = key(
        default=1000, at_least=0, at_most=15_000, doc="Time between two assignments of a share group."
    )
    share_auto_offset_reset: str = key(
        default="latest",
        check=_offset_reset,
        doc="Where a share group starts: earliest, latest, or by_duration:DURATION before now (ISO 8601).",
    )
    share_delivery_count_limit: int = key(
        default=5, at_least=2, at_most=10, doc="Most deliveries of one record to a share group."
    )
    share_heartbeat_interval_ms: int = key(
        default=5000, at_least=5000, at_most=15_000, doc="Heartbeats of a share group's members."
    )
    share_isolation_level: str = key(
        default="read_uncommitted",
        choices=("read_committed", "read_uncommitted"),
        doc="Whether a share group is given records of aborted and open transactions.",
    )
    share_partition_max_record_locks: int = key(
        default=2000, at_least=100, at_most=4000, doc="Most records of a partition that are out at a time."
    )
    share_record_lock_duration_ms: int = key(
        default=30_000, at_least=15_000, at_most=60_000, doc="How long a delivered record is locked."
    )
    share_renew_acknowledge_enable: bool = key(
        default=True, doc="Whether a member may renew the lock of a record."
    )
    share_session_timeout_ms: int = key(
        default=45_000, at_least=45_000, at_most=60_000, doc="Silence that ends a share member's membership."
    )
    streams_assignment_interval_ms: int = key(
        default=1000, at_least=0, at_most=15_000, doc="Time between two assignments of a streams group."
    )
    streams_heartbeat_interval_ms: int = key(
        default=5000, at_least=5000, at_most=15_000, doc="Heartbeats of a streams group's members."
    )
    streams_initial_rebalance_delay_ms: int = key(
        default=3000, at_least=0, at_most=INT_MAX, doc="How long a new streams group waits for more members."
    )
    streams_num_standby_replicas: int = key(
        default=0, at_least=0, at_most=2, doc="Standby replicas of each task."
    )
    streams_session_timeout_ms: int = key(
        default=45_000,
        at_least=45_000,
        at_most=60_000,
        doc="Silence that ends a streams member's membership.",
    )


# Keys that no broker key gives a default to; the others fall back to `group.<key>`.
WITHOUT_SYNONYM = frozenset(
    {"share.auto.offset.reset", "share.isolation.level", "share.renew.acknowledge.enable"}
)
