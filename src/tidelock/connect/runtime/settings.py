"""The worker's configuration, and the keys that every connector has.

`StandaloneSettings` reads what Kafka's connect-standalone.properties holds. Keys with a client's or
converter's prefix pass through; a key that nobody knows is a warning with the nearest known one, as Kafka
warns. Imports tidelock.config and the configuration providers.

Source: Kafka `org.apache.kafka.connect.runtime.{WorkerConfig, ConnectorConfig, SinkConnectorConfig}`,
`standalone.StandaloneConfig`, `rest.RestServerConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from tidelock.config import Importance, Problem, Settings, key, nearest
from tidelock.connect.runtime.config_providers import Providers

HIGH, LOW = Importance.HIGH, Importance.LOW
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
HEADER_CONVERTER = "org.apache.kafka.connect.storage.SimpleHeaderConverter"

PASS_THROUGH = (
    "producer.",
    "consumer.",
    "admin.",
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "config.providers.",
    "listeners.https.",
    "metrics.",
    "security.",
    "sasl.",
    "ssl.",
)


class WorkerSettings(Settings):
    """What every worker has."""

    bootstrap_servers: str = key(
        default="localhost:9092", importance=HIGH, doc="Addresses of brokers, host:port, by comma."
    )
    client_id: str = key(default="", importance=LOW, doc="Name of the worker in the broker's logs.")
    key_converter: str = key(
        default=JSON_CONVERTER,
        importance=HIGH,
        doc="Converter class of keys, unless a connector says another.",
    )
    value_converter: str = key(
        default=JSON_CONVERTER,
        importance=HIGH,
        doc="Converter class of values, unless a connector says another.",
    )
    header_converter: str = key(default=HEADER_CONVERTER, importance=LOW, doc="Converter class of headers.")
    offset_flush_interval_ms: int = key(
        default=10_000, at_least=1, importance=LOW, doc="How often offsets are committed while records flow."
    )
    offset_flush_timeout_ms: int = key(
        default=5_000, at_least=0, importance=LOW, doc="How long a commit waits for records on their way."
    )
    task_shutdown_graceful_timeout_ms: int = key(
        default=5_000,
        at_least=0,
        importance=LOW,
        doc="How long tasks may take to stop before they are killed.",
    )
    listeners: tuple[str, ...] = key(
        default=("http://127.0.0.1:8083",), importance=LOW, doc="Where the REST interface listens."
    )
    rest_advertised_host_name: str | None = key(
        default=None, importance=LOW, doc="Host of this worker's id, host:port, in status answers."
    )
    rest_advertised_port: int | None = key(
        default=None, importance=LOW, doc="Port of this worker's id, host:port, in status answers."
    )
    rest_advertised_listener: str | None = key(default=None, importance=LOW, doc="Accepted; there is one.")
    plugin_path: tuple[str, ...] = key(
        default=(), importance=LOW, doc="Accepted; connectors are Python packages with entry points."
    )
    plugin_discovery: str = key(default="hybrid_warn", importance=LOW, doc="Accepted, without effect.")
    topic_tracking_enable: bool = key(
        default=True, importance=LOW, doc="Whether the topics that a connector used are remembered."
    )
    topic_tracking_allow_reset: bool = key(
        default=True, importance=LOW, doc="Whether that memory may be emptied over REST."
    )
    topic_creation_enable: bool = key(
        default=True,
        importance=LOW,
        doc="Whether topics are made as a source connector's topic.creation.* says; else by the broker.",
    )
    config_providers: tuple[str, ...] = key(
        default=(),
        importance=LOW,
        doc="Names of what ${NAME:path:key} reads; config.providers.NAME.class and .param.* say how.",
    )
    connector_client_config_override_policy: str = key(
        default="All",
        choices=("All", "None"),
        importance=LOW,
        doc="Whether connectors may override client keys.",
    )

    @classmethod
    def parse(cls, given: Mapping[str, object], *, where: str | None = None, strict: bool = False) -> Self:
        """See Settings; unknown keys are no problem here, `warnings` has them.

        References to the file's own `config.providers` are read now, as in Kafka; `originals` keeps them.
        """
        texts = {name: value for name, value in given.items() if isinstance(value, str)}
        made = super().parse({**given, **Providers.of(texts).resolved(texts)}, where=where, strict=strict)
        object.__setattr__(made, "_originals", {name: str(value) for name, value in given.items()})
        return made

    @classmethod
    def examine(
        cls, given: Mapping[str, object], *, strict: bool = True
    ) -> tuple[dict[str, Any], list[Problem]]:
        """See Settings; keys that pass through to clients and converters are known."""
        values, problems = super().examine(given, strict=strict)
        return values, [one for one in problems if not one.key.startswith(PASS_THROUGH)]

    @property
    def originals(self) -> Mapping[str, str]:
        """Every key as it was given, also those that pass through."""
        found: Mapping[str, str] = getattr(self, "_originals", {})
        return found

    def warnings(self) -> list[Problem]:
        """Return the keys that nobody knows, each with the nearest that somebody does."""
        known = tuple(item.name for item in type(self).describe())
        return [
            Problem(name, value, "is not a known key", nearest(name, known))
            for name, value in self.originals.items()
            if name not in known and not name.startswith(PASS_THROUGH)
        ]


class StandaloneSettings(WorkerSettings):
    """Keys of connect-standalone.properties."""

    offset_storage_file_filename: str = key(
        default="", importance=HIGH, doc="File of the source connectors' offsets; a data folder has its own."
    )
    exactly_once_source_support: str = key(
        default="disabled",
        choices=("disabled", "preparing", "enabled"),
        importance=HIGH,
        doc="enabled: sources write their offsets to a topic, in the transaction of their records.",
    )


def _is_name(value: str) -> str | None:
    if not value:
        return "String may not be empty"
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        return "must not contain control characters"
    return None


class ConnectorSettings(Settings):
    """Keys of every connector."""

    name: str = key(
        importance=HIGH, group="Common", check=_is_name, doc="Name of the connector, unique here."
    )
    connector_class: str = key(
        importance=HIGH,
        group="Common",
        doc="The connector: a Java class name, a simple name, or module:Class.",
    )
    tasks_max: int = key(
        default=1, at_least=1, importance=HIGH, group="Common", doc="How many tasks may share the work."
    )
    key_converter: str | None = key(
        default=None, importance=LOW, group="Common", doc="Converter class of keys; the worker's otherwise."
    )
    value_converter: str | None = key(
        default=None, importance=LOW, group="Common", doc="Converter class of values; the worker's otherwise."
    )
    header_converter: str | None = key(
        default=None,
        importance=LOW,
        group="Common",
        doc="Converter class of headers; the worker's otherwise.",
    )
    config_action_reload: str = key(
        default="restart",
        choices=("none", "restart"),
        importance=LOW,
        group="Common",
        doc="Accepted; there are no configuration providers that could change.",
    )
    transforms: tuple[str, ...] = key(
        default=(), importance=LOW, group="Transforms", doc="Transformations of records, in this order."
    )
    predicates: tuple[str, ...] = key(
        default=(), importance=LOW, group="Predicates", doc="Conditions that transformations can ask for."
    )
    errors_retry_timeout: int = key(
        default=0,
        at_least=-1,
        group="Error Handling",
        doc="Milliseconds for which a conversion or transform is tried again that says it may help; "
        "-1: for ever.",
    )
    errors_retry_delay_max_ms: int = key(
        default=60_000, at_least=1, group="Error Handling", doc="Longest pause before a batch is tried again."
    )
    errors_tolerance: str = key(
        default="none",
        choices=("none", "all"),
        group="Error Handling",
        doc="none: a record that cannot be converted, transformed or written fails the task. all: it is "
        "left out.",
    )
    errors_log_enable: bool = key(
        default=False, group="Error Handling", doc="Whether each record that is left out is logged."
    )
    errors_log_include_messages: bool = key(
        default=False, group="Error Handling", doc="Whether such a log line names the record's place."
    )
    errors_restart_policy: str = key(
        default="crash",
        choices=("never", "crash", "always"),
        group="Error Handling",
        doc="When a task is started again by itself: after its process died (crash), also after an error "
        "(always), or never.",
    )
    errors_restart_delay_ms: int = key(
        default=200, at_least=1, importance=LOW, group="Error Handling", doc="Pause before the first restart."
    )
    errors_restart_delay_max_ms: int = key(
        default=60_000,
        at_least=1,
        importance=LOW,
        group="Error Handling",
        doc="Longest pause between restarts.",
    )
    errors_restart_max_attempts: int = key(
        default=-1,
        at_least=-1,
        importance=LOW,
        group="Error Handling",
        doc="Restarts in a row; -1: no limit.",
    )
    errors_restart_reset_ms: int = key(
        default=60_000,
        at_least=1,
        importance=LOW,
        group="Error Handling",
        doc="A task that ran so long starts anew.",
    )
    errors_stall_report_ms: int = key(
        default=90_000,  # longer than any pause before something is tried again
        at_least=0,
        importance=LOW,
        group="Error Handling",
        doc="Milliseconds without a sign of life until the status says where the task is stuck; 0: never.",
    )
    errors_stall_kill_ms: int = key(
        default=0,
        at_least=0,
        importance=LOW,
        group="Error Handling",
        doc="Milliseconds without a sign of life until the task is killed, and so restarted; 0: never.",
    )
    task_memory_max_bytes: int = key(
        default=1 << 30,
        at_least=0,
        importance=LOW,
        group="Common",
        doc="Memory of its own that a task may hold before it is killed, and so restarted; 0: any.",
    )


def _is_regex(value: str) -> str | None:
    try:
        re.compile(value)
    except re.error as error:
        return f"{value!r} is no regular expression: {error}"
    return None


class SinkConnectorSettings(ConnectorSettings):
    """Keys of every sink connector."""

    topics: tuple[str, ...] = key(
        default=(), importance=HIGH, group="Common", doc="Topics to read, by comma."
    )
    topics_regex: str = key(
        default="", importance=HIGH, group="Common", check=_is_regex, doc="Read every topic that matches."
    )
    errors_deadletterqueue_topic_name: str = key(
        default="",
        group="Error Handling",
        doc="Topic for records that are left out (errors.tolerance=all); empty: none.",
    )
    errors_deadletterqueue_topic_replication_factor: int = key(
        default=3,
        at_least=1,
        group="Error Handling",
        doc="Replicas of that topic where the worker makes it; fewer if there are not as many brokers.",
    )
    errors_deadletterqueue_context_headers_enable: bool = key(
        default=False,
        group="Error Handling",
        doc="Whether such records get headers that say where they were and what went wrong.",
    )


class SourceConnectorSettings(ConnectorSettings):
    """Keys of every source connector."""

    topic_creation_groups: tuple[str, ...] = key(
        default=(), importance=LOW, group="Topic Creation", doc="Rules for topics that the worker creates."
    )
    exactly_once_support: str = key(
        default="requested",
        choices=("requested", "required"),
        group="Exactly Once Support",
        doc="required: refuse the configuration unless the worker and the connector are exactly once.",
    )
    transaction_boundary: str = key(
        default="poll",
        choices=("poll", "interval", "connector"),
        group="Exactly Once Support",
        doc="Where transactions end: after each poll, at an interval, or where the connector says.",
    )
    transaction_boundary_interval_ms: int | None = key(
        default=None,
        at_least=1,
        importance=LOW,
        group="Exactly Once Support",
        doc="That interval; the worker's offset.flush.interval.ms without it.",
    )
    offsets_storage_topic: str | None = key(
        default=None,
        importance=LOW,
        group="Offsets Topic",
        doc="Topic of the connector's own offsets, where the worker is exactly once.",
    )
