"""Connectors: they know the configuration and divide the work into tasks.

A connector is described by its Settings class (every key once: parsing, validation, documentation), names its
task class and splits its configuration for the tasks. It moves no records. Imports tidelock.config and the
api.

Source: Kafka `org.apache.kafka.connect.{connector.Connector, source.SourceConnector, sink.SinkConnector}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tidelock.config import Problem, Settings
from tidelock.connect.api.context import ConnectorContext
from tidelock.connect.api.record import TopicPartition
from tidelock.connect.api.task import SinkTask, SourceTask


class Connector:
    """What source and sink connectors have in common.

    Life cycle, in the worker's process, calls never overlap:

    1. `validate` whenever somebody asks or before a configuration is taken; on an instance of its own.
    2. `start` with the configuration.
    3. `task_configs`, and again after `context.request_reconfiguration()`.
    4. `stop`.

    Attributes:
        settings: describes the connector's own keys; those that all connectors share are the worker's.
        version: shown by `GET /connector-plugins`.
    """

    settings: ClassVar[type[Settings]]
    version: ClassVar[str] = ""

    def __init__(self) -> None:
        self.props: Mapping[str, str] = {}

    def validate(self, props: Mapping[str, str]) -> list[Problem]:
        """Return what is wrong beyond single keys: combinations, a target that refuses the password."""
        return []

    def start(self, context: ConnectorContext, props: Mapping[str, str]) -> None:
        """Get ready.

        Raises:
            ConnectError: it cannot work with this configuration.
        """
        self.props = props

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return one configuration per task, at most `max_tasks`; the same one for each unless overridden."""
        return [dict(self.props) for _ in range(max_tasks)]

    def stop(self) -> None:
        """Release everything; safe to call after a failed start."""


class SinkConnector(Connector):
    """Kafka to somewhere: by default as many equal tasks as `tasks.max` allows share the partitions."""

    task_class: ClassVar[type[SinkTask]]

    def alter_offsets(
        self, props: Mapping[str, str], offsets: Mapping[TopicPartition, int | None] | None
    ) -> bool:
        """Look at offsets that somebody wants the stopped connector to go on at; the worker has the group's.

        Args:
            props: the configuration.
            offsets: of the next record, per partition; None forgets the partition's. None: forget all.

        Returns:
            Whether the group's offsets and what this call did are all that matters: False where the target
            keeps others, or nobody knows.

        Raises:
            ConnectError: the tasks could not go on from them.
        """
        return False


class SourceConnector(Connector):
    """Somewhere to Kafka."""

    task_class: ClassVar[type[SourceTask]]

    def exactly_once_support(self, props: Mapping[str, str]) -> bool | None:
        """Say whether a restart with the stored offsets repeats and leaves out nothing; None: nobody knows.

        Args:
            props: the configuration.
        """
        return None

    def can_define_transaction_boundaries(self, props: Mapping[str, str]) -> bool:
        """Say whether the tasks use `context.transaction`, for transaction.boundary=connector."""
        return False

    def alter_offsets(
        self,
        props: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Look at offsets that somebody wants to store in place of what the tasks stored.

        Args:
            props: the configuration.
            offsets: partition and offset; None forgets the partition's.

        Returns:
            Whether they are all that matters: False where the source keeps others elsewhere, or nobody knows.

        Raises:
            ConnectError: the tasks could not go on from them.
        """
        return False
