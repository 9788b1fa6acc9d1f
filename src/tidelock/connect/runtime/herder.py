"""The herder of a standalone worker: connectors, their tasks, and every request that REST can make.

Order of a change: validated, stored, then applied. One lock per connector: what happens to one never
overlaps, and never waits for another. Reading a status takes no lock. Plugin code of connectors runs in
threads, of tasks in processes of their own, so nothing that a plugin does can hold this up.

Source: Kafka `org.apache.kafka.connect.runtime.standalone.StandaloneHerder`, `RestartPlan`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from tidelock.connect.api import Connector, ConnectorContext
from tidelock.connect.runtime import redaction
from tidelock.connect.runtime.config_providers import Providers, restored
from tidelock.connect.runtime.entries import PAUSED, STARTED, STOPPED, TARGET_STATES, ConnectorEntry
from tidelock.connect.runtime.errors import (
    ConnectorExists,
    InvalidConfig,
    TrackingDisabled,
    UnknownConnector,
    trace_of,
)
from tidelock.connect.runtime.loggers import Loggers
from tidelock.connect.runtime.offset_changes import ConnectorOffsets
from tidelock.connect.runtime.plugins import Plugins
from tidelock.connect.runtime.processes import ForkServer
from tidelock.connect.runtime.restart import RestartPolicy
from tidelock.connect.runtime.settings import ConnectorSettings, WorkerSettings
from tidelock.connect.runtime.sink_offsets import Items, member_of
from tidelock.connect.runtime.stores import StoreError, Stores
from tidelock.connect.runtime.supervision import State, TaskStatus, TaskSupervisor
from tidelock.connect.runtime.validation import (
    Checked,
    Config,
    check,
    check_with_references,
    secret_keys,
)
from tidelock.connect.runtime.watch import Limits, TaskPolicy
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

LEAVES = ("admit", "confirm")


class StandaloneHerder:
    """Runs connectors in one worker.

    Args:
        settings: the worker's.
        worker_id: host:port, shown in status answers.
        stores: what is kept over a restart.
        clock: monotonic time.
        plugins: what can be named.
    """

    survives_fencing = False
    """See TaskPolicy."""

    def __init__(
        self,
        settings: WorkerSettings,
        worker_id: str,
        *,
        stores: Stores,
        clock: Clock,
        plugins: Plugins | None = None,
    ) -> None:
        self.settings = settings
        self.worker_id = worker_id
        self._member_id = stores.member_id
        self.plugins = plugins or Plugins()
        self._configs = stores.configs
        self._offsets = stores.offsets
        self._clock = clock
        self._worker = {"bootstrap.servers": settings.bootstrap_servers, **settings.originals}
        self._providers = Providers.of(self._worker)
        self._connector_offsets = ConnectorOffsets(self._worker, stores.offsets, self._providers)
        self.loggers = Loggers(clock)
        self._fork_server = ForkServer()
        self._entries: dict[str, ConnectorEntry] = {}
        self._jobs: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start the connectors that were configured before, without waiting for them."""
        self._loop = asyncio.get_running_loop()
        for name, (config, target) in self._configs.entries().items():
            entry = self._entries[name] = ConnectorEntry(name, config, target)
            self._spawn(self._start_entry(entry))

    async def stop(self) -> None:
        """Stop every task gracefully, within the graceful timeout and a little more."""
        for job in list(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await asyncio.gather(*(self._stop_entry(entry) for entry in self._entries.values()))
        await self._fork_server.stop()

    # What REST asks

    def connectors(self) -> list[str]:
        """Return the names, in the order they were made."""
        return list(self._entries)

    def info(self, name: str) -> dict[str, Any]:
        """Return Kafka's ConnectorInfo."""
        return self._entry(name).info()

    def config(self, name: str) -> dict[str, str]:
        """Return a connector's configuration; passwords are not shown."""
        entry = self._entry(name)
        return entry.shown(entry.config)

    def status(self, name: str) -> dict[str, Any]:
        """Return Kafka's ConnectorStateInfo."""
        return self._entry(name, "No status found for connector {}").status(self.worker_id)

    def task_status(self, name: str, number: int) -> dict[str, Any]:
        """Return Kafka's TaskState of one task."""
        task = self._task(name, number, "No status found for task {}-{}")
        return self._entry(name).task_state(task.status, self.worker_id)

    def task_infos(self, name: str) -> list[dict[str, Any]]:
        """Return Kafka's TaskInfo of every task."""
        return self._entry(name).task_infos()

    def progress(self, name: str) -> dict[str, Any]:
        """Return, per task, its process, how many records it moved, and its restarts with the last reason."""
        return self._entry(name).progress(self._clock.monotonic())

    async def offsets(self, name: str) -> list[dict[str, Any]]:
        """Return a connector's partitions with offsets: a source's from the store, a sink's from Kafka."""
        entry = self._entry(name)
        return await asyncio.to_thread(lambda: self._connector_offsets.read(entry, self._described(entry)))

    def set_log_level(self, logger: str, level: int) -> list[str]:
        """Set the level of loggers in the worker and its tasks; returns those that changed here."""
        changed = self.loggers.set(logger, level)
        for entry in self._entries.values():
            for task in entry.tasks:
                task.set_log_level(logger, level)
        return changed

    async def set_cluster_log_level(self, logger: str, level: int) -> None:
        """Set the level of loggers on all workers of the cluster; here that is this one."""
        self.set_log_level(logger, level)

    def topics(self, name: str) -> list[str]:
        """Return the topics that a connector has used; TrackingDisabled when that is not remembered."""
        if not self.settings.topic_tracking_enable:
            raise TrackingDisabled("Topic tracking is disabled.", hint="topic.tracking.enable=true")
        return sorted(self._entry(name).topics)

    def reset_topics(self, name: str) -> None:
        """Empty the memory of used topics."""
        if not (self.settings.topic_tracking_enable and self.settings.topic_tracking_allow_reset):
            raise TrackingDisabled(
                "Topic tracking reset is disabled.", hint="topic.tracking.allow.reset=true"
            )
        self._entry(name).topics.clear()

    async def validate(self, config: Config) -> Checked:
        """Check a configuration; the connector's own check runs in a thread."""
        return await asyncio.to_thread(
            check_with_references, self.plugins, config, self._worker, self._providers
        )

    async def _accept(self, name: str, config: Config) -> None:
        """Check a configuration that is to be taken; what nobody reads of it is said in the log."""
        checked = await self.validate(config)
        if checked.error_count:
            raise InvalidConfig(checked.message(), where=f"connector {name}")
        for problem in checked.unknown:
            log.warning("connector %s: %s", name, problem)

    async def change_offsets(self, name: str, offsets: Items | None) -> bool:
        """Store other offsets for a stopped connector, or none at all; see ConnectorOffsets.change."""
        async with self._locked(name) as entry:
            if entry.target != STOPPED or entry.tasks:
                raise InvalidConfig(
                    "Connectors must be in the STOPPED state before their offsets can be modified. This can "
                    "be done for the specified connector by issuing a 'PUT' request to the "
                    f"'/connectors/{name}/stop' endpoint"
                )
            loaded = await asyncio.to_thread(self._described, entry)
            return await asyncio.to_thread(self._connector_offsets.change, entry, loaded, offsets)

    async def put_config(
        self, name: str, config: Config, *, target: str | None = None, may_replace: bool = True
    ) -> bool:
        """Make or change a connector; returns whether it was made.

        Args:
            name: of the connector; `config` may leave it out.
            config: the whole configuration; a hidden password keeps its value.
            target: the state to begin in; the present one, or STARTED, otherwise.
            may_replace: False refuses a name that is taken.

        Raises:
            InvalidConfig: with every problem.
            ConnectorExists: and it may not be replaced.
        """
        old = self._entries.get(name)
        if old is not None and not may_replace:
            raise ConnectorExists(f"Connector {name} already exists")
        full = self._completed(name, config, old)
        await self._accept(name, full)
        if old is None and name in self._entries:  # somebody was faster, while this one was checked
            raise ConnectorExists(f"Connector {name} already exists")
        given = {key: value for key, value in full.items() if value is not None}
        # From here on the name is taken: whoever comes next waits for the same lock.
        entry = self._entries.setdefault(name, ConnectorEntry(name, given, target or STARTED))
        async with entry.lock:
            try:
                self._configs.put(name, given, target or entry.target)
            except StoreError:
                if old is None:
                    del self._entries[name]
                raise
            self._entries[name] = entry
            before = len(entry.tasks)
            await self._stop_entry(entry)
            entry.config, entry.target = given, target or entry.target
            await self._start_locked(entry)
            await self._forget_tasks(entry, range(len(entry.tasks), before))
        return old is None

    def changed_keys(self, name: str, config: Config) -> list[str]:
        """Return the keys that would change; a client that sees secrets hidden cannot tell by itself."""
        entry = self._entry(name)
        full = self._completed(name, config, entry)
        return sorted(key for key in {*full, *entry.config} if full.get(key) != entry.config.get(key))

    def _completed(self, name: str, config: Config, old: ConnectorEntry | None) -> dict[str, str | None]:
        """Return a configuration with its name, and with the secrets that the client saw hidden."""
        if config.get("name", name) != name:
            raise InvalidConfig(
                f"Connector name configuration ({config['name']}) doesn't match "
                f"connector name in the URL ({name})"
            )
        full: dict[str, str | None] = {**config, "name": name}
        if old is not None:
            full = redaction.restored(full, old.config, old.secrets)
        if hidden := redaction.still_hidden(full):
            raise InvalidConfig(
                f"{', '.join(hidden)} of connector {name} is a placeholder for a secret, not the secret",
                hint="give the secret itself, or leave the value exactly as it was shown",
            )
        return full

    async def delete(self, name: str) -> None:
        """Stop and remove a connector; its offsets are kept."""
        async with self._locked(name) as entry:
            self._configs.remove(name)
            self._entries.pop(name, None)
            await self._stop_entry(entry, for_good=True)

    async def set_target(self, name: str, target: str) -> None:
        """Have a connector run (STARTED), pause (PAUSED: the tasks stay) or stop (STOPPED: they end)."""
        async with self._locked(name, "Unknown connector {}") as entry:
            self._configs.put(name, entry.config, target)
            was, entry.target = entry.target, target
            if target == STOPPED:
                await self._stop_entry(entry, for_good=True)
                entry.state, entry.trace = State.STOPPED, None
            elif was == STOPPED or entry.connector is None:
                await self._start_locked(entry)
            else:
                entry.state = TARGET_STATES[target]
                for task in entry.tasks:
                    task.pause(paused=target == PAUSED)

    async def restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """Restart a connector's instance and tasks, as far as asked; the answer marks what restarts."""
        entry = self._entry(name, "Unknown connector: {}")
        instance = not only_failed or entry.state is State.FAILED
        chosen = [
            task
            for task in entry.tasks
            if include_tasks and (not only_failed or task.status.state is State.FAILED)
        ]
        if entry.target != STOPPED:
            entry.state = State.RESTARTING if instance else entry.state
            for task in chosen:
                task.status.state = State.RESTARTING
        answer = self.status(name)
        job = self._spawn(self._restart(entry, instance, chosen))
        if not include_tasks and not only_failed:
            await asyncio.wait((job,))
        return answer

    async def restart_task(self, name: str, number: int) -> None:
        """Restart one task."""
        self._task(name, number)
        async with self._locked(name) as entry:
            await self._restart_tasks(entry, [self._task(name, number)])

    # How it is done

    async def _restart(self, entry: ConnectorEntry, instance: bool, tasks: list[TaskSupervisor]) -> None:
        async with entry.lock:
            if entry.target == STOPPED:
                return
            if instance and (entry.connector is None or not entry.tasks):
                await self._stop_entry(entry)
                await self._start_locked(entry)
                return
            if instance:
                await self._start_instance(entry)
            await self._restart_tasks(entry, tasks)

    async def _restart_tasks(self, entry: ConnectorEntry, tasks: list[TaskSupervisor]) -> None:
        await asyncio.gather(*(task.stop(self._grace) for task in tasks))
        for task in tasks:
            task.status.state = State.RESTARTING
            task.start(paused=entry.target == PAUSED)

    async def _start_entry(self, entry: ConnectorEntry) -> None:
        async with entry.lock:
            await self._start_locked(entry)

    async def _start_locked(self, entry: ConnectorEntry) -> None:
        if entry.target == STOPPED:
            await asyncio.to_thread(self._described, entry)
            entry.state = State.STOPPED
            return
        configs = await self._start_instance(entry)
        if configs is not None:
            self._start_tasks(entry, configs)

    def _start_tasks(self, entry: ConnectorEntry, configs: list[dict[str, str]]) -> None:
        path = self.plugins.connector(entry.config["connector.class"]).path
        for number, props in enumerate(configs):
            task = self._supervisor(entry, number, props, path)
            entry.tasks.append(task)
            task.start(paused=entry.target == PAUSED)

    async def _start_instance(self, entry: ConnectorEntry) -> list[dict[str, str]] | None:
        """Make and start the connector object; its task configurations, or None and FAILED."""
        try:
            configs = await asyncio.to_thread(self._started, entry)
        except TidelockError as error:
            log.error("connector %s failed to start: %s", entry.name, error)
            entry.state, entry.trace = State.FAILED, trace_of(error)
            return None
        except Exception as error:  # a plugin may raise anything; this is its supervisor
            log.exception("connector %s failed to start", entry.name)
            entry.state, entry.trace = State.FAILED, trace_of(error)
            return None
        entry.state, entry.trace = TARGET_STATES[entry.target], None
        return configs

    def _started(self, entry: ConnectorEntry) -> list[dict[str, str]]:
        if entry.connector is not None:
            entry.connector.stop()
            entry.connector = None
        connector = self._described(entry)()
        props = self._providers.resolved(entry.config)
        limit = ConnectorSettings.parse(props, strict=False).tasks_max
        connector.start(ConnectorContext(entry.name, self._reconfiguration_of(entry)), props)
        configs = [restored(one, entry.config, props) for one in connector.task_configs(limit)]
        if len(configs) > limit:
            raise InvalidConfig(
                f"The connector {entry.name} has generated {len(configs)} tasks, which is more than {limit}",
                hint=f"raise tasks.max to {len(configs)}",
            )
        entry.connector = connector
        return configs

    def _reconfiguration_of(self, entry: ConnectorEntry) -> Callable[[], None]:
        """Return what a connector calls, from any of its threads, when its tasks should be divided anew."""
        loop = self._loop

        def request() -> None:
            loop.call_soon_threadsafe(lambda: self._spawn(self._reconfigure(entry)))

        return request

    async def _reconfigure(self, entry: ConnectorEntry) -> None:
        async with entry.lock:
            if entry.connector is None or self._entries.get(entry.name) is not entry:
                return
            props = self._providers.resolved(entry.config)
            limit = ConnectorSettings.parse(props, strict=False).tasks_max
            made = await asyncio.to_thread(entry.connector.task_configs, limit)
            configs = [restored(one, entry.config, props) for one in made]
            if configs != [dict(task.status.props) for task in entry.tasks]:
                tasks, entry.tasks = entry.tasks, []
                await asyncio.gather(*(task.stop(self._grace) for task in tasks))
                self._start_tasks(entry, configs)

    def _described(self, entry: ConnectorEntry) -> type[Connector]:
        checked = check(self.plugins, {"connector.class": entry.config.get("connector.class")}, {})
        if checked.loaded is None:
            raise InvalidConfig(checked.message())
        entry.kind, entry.secrets = checked.kind, secret_keys(checked.loaded)
        entry.version = self.plugins.connector(checked.name).version
        return checked.loaded

    def _supervisor(
        self, entry: ConnectorEntry, number: int, props: Mapping[str, str], path: str
    ) -> TaskSupervisor:
        async def answer(question: dict[str, Any]) -> Any:
            if question["ask"] == "read_offsets":
                return self._offsets.read(entry.name, question["partitions"])
            if question["ask"] in LEAVES:
                return await self._give_leave(entry.name, number, question["ask"])
            offsets = [(partition, offset) for partition, offset in question["offsets"]]
            await asyncio.to_thread(self._offsets.write, entry.name, offsets)
            return True

        spec = {
            "connector": entry.name,
            "task": number,
            "kind": entry.kind,
            "path": path,
            "module": path.partition(":")[0],
            "props": dict(props),
            "config": entry.config,
            "worker": self._worker,
            "member_id": self._member_id,
            "log_levels": self.loggers.chosen,
        }
        settings = ConnectorSettings.parse(self._providers.resolved(entry.config), strict=False)
        return TaskSupervisor(
            TaskStatus(number, props, topics=entry.topics),
            spec,
            fork_server=self._fork_server,
            policy=TaskPolicy(RestartPolicy.of(settings), Limits.of(settings), self.survives_fencing),
            answer=answer,
            clock=self._clock,
        )

    async def _give_leave(self, name: str, number: int, step: str) -> bool:
        """Return when an exactly-once task may take its transactional id (admit), or go on (confirm)."""
        return True

    async def _stop_entry(self, entry: ConnectorEntry, *, for_good: bool = False) -> None:
        tasks, entry.tasks = entry.tasks, []
        await asyncio.gather(*(task.stop(self._grace) for task in tasks))
        if for_good:
            await self._forget_tasks(entry, range(len(tasks)))
        if entry.connector is not None:
            connector, entry.connector = entry.connector, None
            await asyncio.to_thread(connector.stop)

    async def _forget_tasks(self, entry: ConnectorEntry, numbers: range) -> None:
        """Take a sink's tasks that will not come back out of its group: others get their partitions now."""
        if numbers and entry.kind == "sink":
            members = [member_of(self._member_id, entry.name, number) for number in numbers]
            await self._connector_offsets.forget_members(entry, members)

    @property
    def _grace(self) -> float:
        return self.settings.task_shutdown_graceful_timeout_ms / 1000

    @contextlib.asynccontextmanager
    async def _locked(self, name: str, text: str = "Connector {} not found") -> AsyncIterator[ConnectorEntry]:
        """Hold the lock of a connector that still is there when its turn comes."""
        entry = self._entry(name, text)
        async with entry.lock:
            if self._entries.get(name) is not entry:
                raise UnknownConnector(text.format(name))
            yield entry

    def _entry(self, name: str, text: str = "Connector {} not found") -> ConnectorEntry:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownConnector(text.format(name))
        return entry

    def _task(self, name: str, number: int, text: str = "Task {}-{} not found") -> TaskSupervisor:
        entry = self._entries.get(name)
        for task in () if entry is None else entry.tasks:
            if task.status.number == number:
                return task
        raise UnknownConnector(text.format(name, number))

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        job: asyncio.Task[None] = asyncio.ensure_future(work)
        self._jobs.add(job)
        job.add_done_callback(self._done)
        return job

    def _done(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            log.error("a change of a connector failed", exc_info=error)
