"""MockSource and MockSink: connectors that do nothing, or fail when they are told to.

With `mock_mode=task-failure` every task raises once `delay_ms` are over; with `connector-failure` the
connector itself raises when it starts. Imports the api, and tidelock.runtime for its clock.

Source: Kafka `org.apache.kafka.connect.tools.{MockConnector, MockSourceTask, MockSinkTask}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import (
    ConnectError,
    Connector,
    ConnectorContext,
    RecordBatch,
    SinkConnector,
    SinkTask,
    SinkTaskContext,
    SourceConnector,
    SourceRecord,
    SourceTask,
    SourceTaskContext,
)
from tidelock.runtime import SystemClock

CONNECTOR_FAILURE, TASK_FAILURE = "connector-failure", "task-failure"
LOW = Importance.LOW


class MockSettings(Settings):
    """Keys of both."""

    mock_mode: str = key(
        default="",
        name="mock_mode",
        choices=("", CONNECTOR_FAILURE, TASK_FAILURE),
        importance=LOW,
        doc="What fails; empty: nothing.",
    )
    delay_ms: int = key(
        default=15_000, name="delay_ms", at_least=0, importance=LOW, doc="Milliseconds until a task fails."
    )


class _Fuse:
    """Raises once a task's time is over."""

    def __init__(self, props: Mapping[str, str]) -> None:
        settings = MockSettings.parse(props, strict=False)
        self._clock = SystemClock()
        delay = settings.delay_ms / 1000 if settings.mock_mode == TASK_FAILURE else float("inf")
        self._end = self._clock.monotonic() + delay

    def check(self) -> None:
        if self._clock.monotonic() >= self._end:
            raise ConnectError("the task fails, as mock_mode=task-failure says")


class MockSourceTask(SourceTask):
    """Returns nothing."""

    def start(self, context: SourceTaskContext, props: Mapping[str, str]) -> None:
        """See SourceTask."""
        self._fuse = _Fuse(props)

    def poll(self) -> Sequence[SourceRecord] | None:
        """See SourceTask."""
        self._fuse.check()
        return None


class MockSinkTask(SinkTask):
    """Takes everything and keeps nothing."""

    def start(self, context: SinkTaskContext, props: Mapping[str, str]) -> None:
        """See SinkTask."""
        self._fuse = _Fuse(props)

    def put(self, batch: RecordBatch) -> None:
        """See SinkTask."""
        self._fuse.check()


class _MockConnector(Connector):
    def start(self, context: ConnectorContext, props: Mapping[str, str]) -> None:
        """See Connector."""
        super().start(context, props)
        if MockSettings.parse(props, strict=False).mock_mode == CONNECTOR_FAILURE:
            raise ConnectError("the connector fails, as mock_mode=connector-failure says")


class MockSourceConnector(_MockConnector, SourceConnector):
    """A source without records."""

    settings = MockSettings
    task_class = MockSourceTask


class MockSinkConnector(_MockConnector, SinkConnector):
    """A sink that keeps nothing."""

    settings = MockSettings
    task_class = MockSinkTask
