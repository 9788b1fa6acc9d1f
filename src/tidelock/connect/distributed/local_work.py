"""What one of several workers runs: the connectors and tasks the group gave it, and what it says of them.

Builds on the standalone herder's way of starting connectors, supervising tasks and checking configurations;
here their configurations come from the config topic, offsets go to the offset topic, and every state goes to
the status topic. An entry stays as long as something of it runs here, also when its connector is deleted.

Source: Kafka `runtime.{Worker, AbstractHerder}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tidelock.client.wire import Cluster
from tidelock.connect.distributed.backing import Backing, KafkaOffsetStore
from tidelock.connect.distributed.config_state import Changed, Restart
from tidelock.connect.distributed.group_protocol import NOTHING, ConnectorsAndTasks, TaskId
from tidelock.connect.distributed.settings import DistributedSettings
from tidelock.connect.distributed.status_state import Status, topic_record
from tidelock.connect.runtime.config_providers import restored
from tidelock.connect.runtime.entries import PAUSED, STOPPED, TARGET_STATES, ConnectorEntry
from tidelock.connect.runtime.errors import UnknownConnector, trace_of
from tidelock.connect.runtime.herder import StandaloneHerder
from tidelock.connect.runtime.plugins import Plugins
from tidelock.connect.runtime.settings import ConnectorSettings
from tidelock.connect.runtime.sink_offsets import member_of
from tidelock.connect.runtime.stores import ConfigStore, Stores
from tidelock.connect.runtime.supervision import State, TaskStatus, TaskSupervisor
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

TASK_CLASS = "task.class"
JAVA_TASKS = {"JdbcSinkConnector": "io.confluent.connect.jdbc.sink.JdbcSinkTask"}
"""Where the task's class is not the connector's name with Task at its end."""


class PublishedStatus(TaskStatus):
    """A task's status that says when its state or trace changes."""

    def __init__(self, plain: TaskStatus, publish: Callable[[], object]) -> None:
        object.__setattr__(self, "_publish", None)
        super().__init__(plain.number, plain.props, topics=plain.topics)
        object.__setattr__(self, "_publish", publish)

    def __setattr__(self, name: str, value: Any) -> None:
        has_changed = name in ("state", "trace") and getattr(self, name, None) != value
        super().__setattr__(name, value)
        if has_changed and self._publish is not None:  # type: ignore[attr-defined]
            self._publish()  # type: ignore[attr-defined]


class WatchedTopics(set[str]):
    """The topics of one task; says which is new."""

    def __init__(self, on_new: Callable[[str], None]) -> None:
        super().__init__()
        self._on_new = on_new

    def add(self, topic: str) -> None:
        """Add one."""
        if topic not in self:
            super().add(topic)
            self._on_new(topic)


class LocalWork(StandaloneHerder):
    """The work of this worker; what is to be done is decided in herder.py.

    Args:
        settings: the worker's.
        worker_id: host:port, shown in status answers.
        cluster: the brokers.
        clock: of the machine.
        plugins: what can be named.
    """

    survives_fencing = True

    def __init__(
        self,
        settings: DistributedSettings,
        worker_id: str,
        *,
        cluster: Cluster,
        clock: Clock,
        plugins: Plugins | None = None,
    ) -> None:
        self.backing = Backing(settings, cluster, clock, self._on_change)
        self._store = KafkaOffsetStore(self.backing)
        # Whichever worker runs a sink's task, it is the same member of its group: a zombie is fenced.
        stores = Stores(ConfigStore(None), self._store, settings.group_id)
        super().__init__(settings, worker_id, stores=stores, clock=clock, plugins=plugins)
        self.running = NOTHING
        """What was started here and not stopped since."""
        self._sets: dict[TaskId, int] = {}
        """Which of its connector's task sets each task was started from; see ConfigState.generations."""

    @property
    def generation(self) -> int:
        """Of the group; written with each status."""
        raise NotImplementedError

    async def _submit_tasks(self, name: str, configs: list[dict[str, str]]) -> None:
        raise NotImplementedError

    def _on_change(self, changed: Changed) -> None:
        raise NotImplementedError

    # Starting and stopping

    async def _start_work(self, work: ConnectorsAndTasks) -> None:
        """Start connectors and tasks; what fails to start is FAILED, and counts as running."""
        self.running |= work
        if work.tasks:
            await self.backing.read_offsets()
        await asyncio.gather(*(self._start_task(task) for task in sorted(work.tasks)))
        for name in sorted(work.connectors):
            self._spawn(self._start_connector(name))

    async def _stop_work(self, work: ConnectorsAndTasks) -> None:
        """Stop connectors and tasks, and return when they have ended."""
        self.running -= work
        await asyncio.gather(
            *(self._stop_task(task) for task in work.tasks),
            *(self._stop_connector(name) for name in work.connectors),
        )
        for name in work.connectors | {task.connector for task in work.tasks}:
            entry = self._entries.get(name)
            if entry is not None and name not in self.backing.config.connectors and not entry.tasks:
                self._entries.pop(name)

    async def _start_connector(self, name: str) -> None:
        """Start a connector's instance, or what its target state leaves of it, and submit its tasks."""
        entry = self._mirror(name)
        configs = None
        async with entry.lock:
            if name not in self.running.connectors or name not in self.backing.config.connectors:
                return
            if entry.target == STOPPED:
                await self._stop_instance(entry)
                entry.state, entry.trace = State.STOPPED, None
            else:
                configs = await self._start_instance(entry)
            self._tell_connector(entry)
        if configs is not None:
            await self._submit_tasks(name, self._as_stored(entry, configs))

    async def _stop_connector(self, name: str) -> None:
        entry = self._mirror(name)
        async with entry.lock:
            await self._stop_instance(entry)
            entry.state, entry.trace = State.UNASSIGNED, None
            self._tell_connector(entry, safely=True)

    async def _stop_instance(self, entry: ConnectorEntry) -> None:
        connector, entry.connector = entry.connector, None
        if connector is not None:
            await asyncio.to_thread(connector.stop)

    async def _start_task(self, task: TaskId) -> None:
        entry = self._mirror(task.connector)
        configs = self.backing.config.tasks(task.connector)
        if task.task >= len(configs):
            return
        self._sets[task] = self.backing.config.generations.get(task.connector, 0)
        try:
            await asyncio.to_thread(self._described, entry)
            path = self.plugins.connector(entry.config["connector.class"]).path
            made = self._supervisor(entry, task.task, configs[task.task], path)
        except TidelockError as error:
            log.error("task %s failed to start: %s", task, error)
            self._tell_task(task, State.FAILED, trace_of(error))
            return
        entry.tasks.append(made)
        made.start(paused=entry.target == PAUSED)

    async def _stop_task(self, task: TaskId) -> None:
        entry = self._mirror(task.connector)
        found = [one for one in entry.tasks if one.status.number == task.task]
        entry.tasks = [one for one in entry.tasks if one.status.number != task.task]
        for one in found:
            await one.stop(self._grace)
        if found and entry.kind == "sink":
            member = member_of(self._member_id, task.connector, task.task)
            await self._connector_offsets.forget_members(entry, [member])
        self._tell_task(task, State.UNASSIGNED, None, safely=True)

    async def _change_target(self, name: str) -> None:
        """Bring what runs here to a connector's new target state."""
        entry = self._mirror(name)
        if name in self.running.connectors:
            if entry.target == STOPPED or entry.state is State.STOPPED or entry.connector is None:
                await self._start_connector(name)
            else:
                entry.state = TARGET_STATES[entry.target]
                self._tell_connector(entry)
        for task in entry.tasks:
            task.pause(paused=entry.target == PAUSED)

    async def _restart_here(self, request: Restart) -> None:
        """Restart what of a connector runs here, as far as asked."""
        name = request.connector
        entry = self._mirror(name)
        if name in self.running.connectors and (not request.only_failed or entry.state is State.FAILED):
            await self._start_connector(name)
        if request.include_tasks:
            chosen = [
                one for one in entry.tasks if not request.only_failed or one.status.state is State.FAILED
            ]
            await self._restart_tasks(entry, chosen)

    async def _reconfigure(self, entry: ConnectorEntry) -> None:
        """Ask a connector how its work is divided now, and submit that."""
        async with entry.lock:
            if entry.connector is None or entry.target == STOPPED:
                return
            props = self._providers.resolved(entry.config)
            limit = ConnectorSettings.parse(props, strict=False).tasks_max
            made = await asyncio.to_thread(entry.connector.task_configs, limit)
            configs = [restored(one, entry.config, props) for one in made]
        await self._submit_tasks(entry.name, self._as_stored(entry, configs))

    def _as_stored(self, entry: ConnectorEntry, configs: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return task configurations with what a JVM worker wants to find in them."""
        extra = {TASK_CLASS: java_task_class(entry.config["connector.class"])}
        if entry.kind == "sink":
            extra |= {one: entry.config[one] for one in ("topics", "topics.regex") if entry.config.get(one)}
        return [{**one, **extra} for one in configs]

    # What is known

    def _mirror(self, name: str) -> ConnectorEntry:
        """Return the entry of a connector, as the config topic has it now."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = ConnectorEntry(name, {}, STOPPED)
        known = self.backing.config
        if name in known.connectors:
            if entry.config != known.connectors[name]:
                entry.config, entry.kind = known.connectors[name], "unknown"
            entry.target = known.target(name)
        return entry

    def _entry(self, name: str, text: str = "Connector {} not found") -> ConnectorEntry:
        if name not in self.backing.config.connectors:
            raise UnknownConnector(text.format(name))
        entry = self._mirror(name)
        if entry.kind == "unknown":
            try:
                self._described(entry)
            except TidelockError as error:
                log.debug("connector %s cannot be described here: %s", name, error)
        return entry

    def _supervisor(
        self, entry: ConnectorEntry, number: int, props: Mapping[str, str], path: str
    ) -> TaskSupervisor:
        made = super()._supervisor(entry, number, props, path)
        task = TaskId(entry.name, number)
        status = PublishedStatus(made.status, lambda: self._loop.call_soon(self._tell_supervised, made, task))
        status.topics = WatchedTopics(lambda topic: self._tell_topic(topic, task))
        made.status = status
        return made

    def _tell_supervised(self, made: TaskSupervisor, task: TaskId) -> None:
        if task in self.running.tasks and made.status.state is not State.UNASSIGNED:
            # What fails may be a zombie that does not know it yet.
            is_failed = made.status.state is State.FAILED
            self._tell_task(task, made.status.state, made.status.trace, safely=is_failed)

    def _tell_connector(self, entry: ConnectorEntry, *, safely: bool = False) -> None:
        status = Status(entry.state.value, self.worker_id, self.generation, entry.trace, entry.version)
        self.backing.tell(entry.name, status, safely=safely)

    def _tell_task(self, task: TaskId, state: State, trace: str | None, *, safely: bool = False) -> None:
        version = self._mirror(task.connector).version
        status = Status(state.value, self.worker_id, self.generation, trace, version)
        self.backing.tell(task, status, safely=safely)

    def _tell_topic(self, topic: str, task: TaskId) -> None:
        if self.settings.topic_tracking_enable:
            self.backing.put_status(topic_record(topic, task, int(self._clock.wall() * 1000)))


def java_task_class(connector: str) -> str:
    """Return the name that a JVM worker finds a connector's task by."""
    simple = connector.rpartition(".")[2].rpartition(":")[2]
    known = JAVA_TASKS.get(simple if simple.endswith("Connector") else f"{simple}Connector")
    if known is not None:
        return known
    if simple in ("FileStreamSource", "FileStreamSink") or "." not in connector:
        stem = simple.removesuffix("Connector")
        return f"org.apache.kafka.connect.file.{stem}Task" if stem.startswith("FileStream") else f"{stem}Task"
    return connector.removesuffix("Connector") + "Task"
