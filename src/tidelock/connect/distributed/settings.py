"""The keys of connect-distributed.properties, with Kafka's names and defaults.

Source: Kafka `org.apache.kafka.connect.runtime.distributed.DistributedConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, key
from tidelock.connect.distributed.group_protocol import COMPATIBLE, EAGER, SESSIONED
from tidelock.connect.distributed.topic_log import TopicSpec
from tidelock.connect.runtime.kafka import security_of
from tidelock.connect.runtime.settings import WorkerSettings

HIGH, LOW = Importance.HIGH, Importance.LOW
VERSIONS = {"eager": EAGER, "compatible": COMPATIBLE, "sessioned": SESSIONED}
STORAGE = ("config.storage.", "offset.storage.", "status.storage.")
OF_OURS = ("topic", "partitions", "replication.factor")
SIGNATURES = ("HmacSHA256", "HmacSHA384", "HmacSHA512")


def _is_named(value: str) -> str | None:
    return None if value.strip() else "must not be empty"


class DistributedSettings(WorkerSettings):
    """What a worker needs to be one of several."""

    group_id: str = key(importance=HIGH, check=_is_named, doc="Names the cluster of workers.")
    config_storage_topic: str = key(
        importance=HIGH, check=_is_named, doc="Topic of the configurations; one partition."
    )
    offset_storage_topic: str = key(
        importance=HIGH, check=_is_named, doc="Topic of the source connectors' offsets."
    )
    status_storage_topic: str = key(importance=HIGH, check=_is_named, doc="Topic of the states.")
    config_storage_replication_factor: int = key(
        default=3, at_least=-1, importance=LOW, doc="Replicas of that topic; -1: the broker's default."
    )
    offset_storage_replication_factor: int = key(
        default=3, at_least=-1, importance=LOW, doc="Replicas of that topic; -1: the broker's default."
    )
    status_storage_replication_factor: int = key(
        default=3, at_least=-1, importance=LOW, doc="Replicas of that topic; -1: the broker's default."
    )
    offset_storage_partitions: int = key(
        default=25, at_least=1, importance=LOW, doc="Partitions of that topic, where it is made."
    )
    status_storage_partitions: int = key(
        default=5, at_least=1, importance=LOW, doc="Partitions of that topic, where it is made."
    )
    session_timeout_ms: int = key(
        default=10_000, at_least=1, doc="A worker that is silent so long has left; it stops its tasks then."
    )
    heartbeat_interval_ms: int = key(default=3_000, at_least=1, doc="How often a worker is heard.")
    rebalance_timeout_ms: int = key(
        default=60_000, at_least=1, doc="How long the others wait for a worker to join again."
    )
    worker_sync_timeout_ms: int = key(
        default=3_000, at_least=1, doc="How long a worker may take to read what the leader has read."
    )
    worker_unsync_backoff_ms: int = key(
        default=300_000,
        at_least=0,
        importance=LOW,
        doc="Accepted; a worker that is behind tries again at once.",
    )
    scheduled_rebalance_max_delay_ms: int = key(
        default=300_000, at_least=0, doc="How long the work of a worker that left waits for it at most."
    )
    connect_protocol: str = key(
        default="sessioned",
        choices=("eager", "compatible", "sessioned"),
        importance=LOW,
        doc="The newest protocol that the worker speaks with the others.",
    )
    inter_worker_key_ttl_ms: int = key(
        default=3_600_000, at_least=0, importance=LOW, doc="How long a session key is used."
    )
    inter_worker_key_generation_algorithm: str = key(
        default="HmacSHA256", choices=SIGNATURES, importance=LOW, doc="What the session key is for."
    )
    inter_worker_signature_algorithm: str = key(
        default="HmacSHA256", choices=SIGNATURES, importance=LOW, doc="How requests are signed."
    )
    inter_worker_verification_algorithms: tuple[str, ...] = key(
        default=("HmacSHA256",), importance=LOW, doc="Signatures that are let in."
    )
    exactly_once_source_support: str = key(
        default="disabled",
        choices=("disabled", "preparing", "enabled"),
        importance=HIGH,
        doc="enabled: sources write their offsets in the transaction of their records. All workers have to "
        "be preparing before the first is enabled.",
    )

    @classmethod
    def examine(
        cls, given: Mapping[str, object], *, strict: bool = True
    ) -> tuple[dict[str, Any], list[Problem]]:
        """See Settings; the topics' own settings are known, security that we do not speak is refused."""
        values, problems = super().examine(given, strict=strict)
        problems = [one for one in problems if one.value is None or not _is_topic_setting(one.key)]
        try:
            security_of(given)
        except ConfigError as error:
            problems += error.problems
        return values, problems

    def topic(self, kind: str) -> TopicSpec:
        """Return how the config, offset or status topic is made."""
        prefix = f"{kind}.storage."
        extra = {
            name.removeprefix(prefix): value
            for name, value in self.originals.items()
            if name.startswith(prefix) and name.removeprefix(prefix) not in OF_OURS
        }
        extra.pop("cleanup.policy", None)
        return TopicSpec(
            getattr(self, f"{kind}_storage_topic"),
            1 if kind == "config" else getattr(self, f"{kind}_storage_partitions"),
            getattr(self, f"{kind}_storage_replication_factor"),
            extra,
        )


def _is_topic_setting(name: str) -> bool:
    return any(name.startswith(prefix) and name.removeprefix(prefix) not in OF_OURS for prefix in STORAGE)
