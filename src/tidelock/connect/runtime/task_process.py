"""What runs inside a task's process, after the fork: one task, its clients, and the wire to the worker.

The loop has the main thread; a second thread reads the worker's wishes. The process ends with the task: by
itself after an error, whose text it sends first, or when the worker wants it, or when the worker is gone. It
ignores SIGINT and SIGTERM, which terminals and service managers send to everybody: the worker decides.
Imports the runtime's loops.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from tidelock.connect.api import SinkTaskContext, SourceTaskContext
from tidelock.connect.runtime import kafka
from tidelock.connect.runtime.batching import Batcher, merged_properties
from tidelock.connect.runtime.calm import sign_of_life
from tidelock.connect.runtime.chain import build_chain
from tidelock.connect.runtime.channel import Control, WorkerRefused
from tidelock.connect.runtime.config_providers import Providers
from tidelock.connect.runtime.errors import trace_of
from tidelock.connect.runtime.exactly_once import ExactlyOnceRunner
from tidelock.connect.runtime.exactly_once_task import Holder, exactly_once_of
from tidelock.connect.runtime.failures import Attempts
from tidelock.connect.runtime.loggers import apply_level
from tidelock.connect.runtime.plugins import Plugins, new_converter
from tidelock.connect.runtime.reporting import Reporter, ReportOptions
from tidelock.connect.runtime.settings import (
    SinkConnectorSettings,
    SourceConnectorSettings,
    StandaloneSettings,
)
from tidelock.connect.runtime.sink_offsets import member_of
from tidelock.connect.runtime.sink_task import MAX_RECORDS, SinkOptions, SinkRunner
from tidelock.connect.runtime.source_task import SourceConverters, SourceOptions, SourceRunner
from tidelock.connect.runtime.topic_creation import NewTopic, topic_creation
from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import ProducerFenced
from tidelock.runtime import SystemClock

log = logging.getLogger(__name__)

EXIT_FAILED = 1
PLUGINS = Plugins()  # shared by all tasks, as the fork server made it; a task looks for entry points itself
BROKER_WAIT = 0.3


class TaskSwitch:
    """The loops' view of the wire."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @property
    def is_paused(self) -> bool:
        """See source_task.Switch."""
        return self._control.is_paused

    def is_stopping(self) -> bool:
        """See source_task.Switch."""
        return self._control.stopping.is_set()

    def wait(self, timeout: float) -> None:
        """See source_task.Switch."""
        self._control.stopping.wait(timeout)

    def wait_for_broker(self) -> bool:
        """Wait a moment; False when it is time to stop."""
        return not self._control.stopping.wait(BROKER_WAIT)

    def tell(self, event: str, **details: object) -> None:
        """See source_task.Switch."""
        self._control.tell(event, **details)

    def store_offsets(self, offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """See source_task.Switch."""
        self._control.ask("store_offsets", offsets=[[dict(one), dict(other)] for one, other in offsets])

    def read_offsets(self, partitions: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any] | None]:
        """Return the stored offsets of source partitions."""
        found: list[dict[str, Any] | None] = self._control.ask(
            "read_offsets", partitions=[dict(one) for one in partitions]
        )
        return found

    def ask_leave(self, step: str) -> None:
        """Wait for the worker's leave to take an exactly-once task's transactional id, or to go on with it.

        Raises:
            WorkerRefused: the task is not this worker's any more.
        """
        self._control.ask(step)


def run_task(spec: Mapping[str, Any], sock: socket.socket) -> int:
    """Run the task of a specification to its end; returns the process's exit code.

    Args:
        spec: `connector`, `task`, `kind` (sink or source), `path` (of the connector's class), `props` (the
        task's
            configuration), `member_id`, `config` (the connector's), `worker` (the worker's keys as given),
            `paused`, `log_levels` (by logger, as set over REST).
        sock: this process's end of the wire.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # not SIG_IGN: a plugin's children inherit that
    for name, level in spec.get("log_levels", {}).items():
        apply_level(name, level)
    control = Control(sock, _end_now, is_paused=spec["paused"])
    switch = TaskSwitch(control)
    try:
        spec = _resolved(spec)
        (_run_sink if spec["kind"] == "sink" else _run_source)(spec, switch)
    except TidelockError as error:
        if isinstance(error, WorkerRefused) and switch.is_stopping():
            return 0  # it waited for leave to begin, and is not wanted any more
        log.error("connector %s, task %s failed: %s", spec["connector"], spec["task"], error)
        control.tell("failed", trace=trace_of(error), fenced=isinstance(error, ProducerFenced))
        return EXIT_FAILED
    except Exception as error:  # a plugin may raise anything; this is the process's supervisor
        log.exception("connector %s, task %s failed", spec["connector"], spec["task"])
        control.tell("failed", trace=trace_of(error))
        return EXIT_FAILED
    return 0


def _resolved(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification with values for references; they stay in this process."""
    providers = Providers.of(spec["worker"])
    return {**spec, **{part: providers.resolved(spec[part]) for part in ("worker", "props", "config")}}


def _end_now() -> None:
    """End an orphaned task where it stands, as its worker was: its successor may run already.

    What it had not committed comes again, as after any kill.
    """
    os._exit(EXIT_FAILED)


def _run_sink(spec: Mapping[str, Any], switch: TaskSwitch) -> None:
    plugins, config, worker = PLUGINS, spec["config"], spec["worker"]
    settings = SinkConnectorSettings.parse(config, strict=False)
    name, number = spec["connector"], spec["task"]
    reporter = _reporter(settings, spec, switch)
    batcher = Batcher(
        key=_converter(plugins, worker, config, "key"),
        value=_converter(plugins, worker, config, "value"),
        header=_converter(plugins, worker, config, "header"),
        reporter=reporter,
        chain=build_chain(plugins, config),
        attempts=Attempts(
            settings.errors_retry_timeout / 1000,
            settings.errors_retry_delay_max_ms / 1000,
            switch.wait,
            switch.is_stopping,
            SystemClock(),
        ),
    )
    properties = kafka.client_properties(worker, config, "consumer")
    group = properties.pop("group.id", f"connect-{name}")
    properties.setdefault("group.instance.id", member_of(spec["member_id"], name, number))
    options = _sink_options(settings, worker, config)
    task = plugins.connector(spec["path"]).load().task_class()
    client = f"connector-consumer-{name}-{number}"
    consumer = kafka.patiently(lambda: kafka.SinkConsumer(properties, group, client), switch.wait_for_broker)
    runner = SinkRunner(task, consumer, batcher, options=options, switch=switch, clock=SystemClock())
    with contextlib.closing(batcher.chain):
        context = SinkTaskContext(
            name, number, topic_id=kafka.TopicIds(properties, switch.wait_for_broker, client)
        )
        runner.run(context, spec["props"])


def _sink_options(
    settings: SinkConnectorSettings, worker: Mapping[str, str], config: Mapping[str, str]
) -> SinkOptions:
    return SinkOptions(
        topics=settings.topics or (f"^{settings.topics_regex}$",),
        max_records=max_poll_records(worker, config),
        commit_interval=_worker(worker).offset_flush_interval_ms / 1000,
        retry_delay_max=settings.errors_retry_delay_max_ms / 1000,
        sign_of_life=sign_of_life(settings.errors_stall_report_ms, settings.errors_stall_kill_ms),
    )


def _source_options(settings: SourceConnectorSettings, worker: StandaloneSettings) -> SourceOptions:
    return SourceOptions(
        commit_interval=worker.offset_flush_interval_ms / 1000,
        flush_timeout=worker.offset_flush_timeout_ms / 1000,
        retry_delay_max=settings.errors_retry_delay_max_ms / 1000,
        retry_timeout=settings.errors_retry_timeout / 1000,
        tolerant=settings.errors_tolerance == "all",
        log_skipped=settings.errors_log_enable,
        sign_of_life=sign_of_life(settings.errors_stall_report_ms, settings.errors_stall_kill_ms),
    )


def _reporter(settings: SinkConnectorSettings, spec: Mapping[str, Any], switch: TaskSwitch) -> Reporter:
    """Return the reporter of failures; with a dead letter queue, its topic is there afterwards."""
    name, number = spec["connector"], spec["task"]
    topic = settings.errors_deadletterqueue_topic_name
    options = ReportOptions(
        connector=name,
        task=number,
        tolerant=settings.errors_tolerance == "all",
        logs=settings.errors_log_enable,
        names_place=settings.errors_log_include_messages,
        topic=topic,
        with_context=settings.errors_deadletterqueue_context_headers_enable,
    )
    if not topic or not options.tolerant:
        return Reporter(options)
    properties = kafka.client_properties(spec["worker"], spec["config"], "producer")
    client = f"connector-dlq-producer-{name}-{number}"
    how = NewTopic(1, settings.errors_deadletterqueue_topic_replication_factor)
    kafka.patiently(
        lambda: kafka.ensure_topic(properties, topic, how, client, may_shrink=True), switch.wait_for_broker
    )
    producer = kafka.patiently(
        lambda: kafka.SourceProducer(properties, client, switch.is_stopping), switch.wait_for_broker
    )
    return Reporter(options, producer)


def _run_source(spec: Mapping[str, Any], switch: TaskSwitch) -> None:
    plugins, config, worker = PLUGINS, spec["config"], spec["worker"]
    settings = SourceConnectorSettings.parse(config, strict=False)
    name, number = spec["connector"], spec["task"]
    converters = SourceConverters(
        key=_converter(plugins, worker, config, "key"),
        value=_converter(plugins, worker, config, "value"),
        header=_converter(plugins, worker, config, "header"),
        chain=build_chain(plugins, config),
    )
    worker_settings = _worker(worker)
    options = _source_options(settings, worker_settings)
    task = plugins.connector(spec["path"]).load().task_class()
    properties = kafka.client_properties(worker, config, "producer")
    client = f"connector-producer-{name}-{number}"
    once = exactly_once_of(worker, config, name, number)
    if once is None:
        producer = kafka.patiently(
            lambda: kafka.SourceProducer(properties, client, switch.is_stopping), switch.wait_for_broker
        )
    else:
        switch.ask_leave("admit")
        holder = Holder(once, properties, client, switch)
        switch.ask_leave("confirm")
        producer = holder.producer
    creation = topic_creation(config) if worker_settings.topic_creation_enable else None
    if creation is not None:
        groups = creation

        def create(topic: str) -> None:
            kafka.patiently(
                lambda: kafka.ensure_topic(properties, topic, groups.topic(topic), f"{client}-admin"),
                switch.wait_for_broker,
            )

        producer = kafka.CreatingProducer(producer, create)
    kind = SourceRunner if once is None else ExactlyOnceRunner
    runner = kind(task, producer, converters, options=options, switch=switch, clock=SystemClock())
    context = SourceTaskContext(name, number, switch.read_offsets)
    if once is not None:
        holder.prepare(runner, context)
    with contextlib.closing(converters.chain):
        runner.run(context, spec["props"])


def max_poll_records(worker: Mapping[str, str], config: Mapping[str, str]) -> int:
    """Return how many records one poll may bring: Java's key, with a default that fills batches."""
    given = config.get("consumer.override.max.poll.records") or worker.get("consumer.max.poll.records")
    return int(given) if given else MAX_RECORDS


def _worker(worker: Mapping[str, str]) -> StandaloneSettings:
    return StandaloneSettings.parse(worker, strict=False)


def _converter(plugins: Plugins, worker: Mapping[str, str], config: Mapping[str, str], part: str) -> Any:
    prefix = f"{part}.converter"
    name = config.get(prefix) or getattr(_worker(worker), f"{part}_converter")
    return new_converter(plugins, name, merged_properties(worker, config, prefix), is_key=part == "key")
