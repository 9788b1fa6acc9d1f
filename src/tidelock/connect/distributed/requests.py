"""What REST asks of a distributed worker: answers from the three topics, changes as records in them.

Changes are the leader's but for pausing and resuming, which any worker may write; rest/forwarding.py sends a
request to the worker that may do it. A change returns when it is durable; the group takes it up from there.

Source: Kafka `runtime.distributed.DistributedHerder`, `runtime.RestartPlan`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tidelock.connect.distributed import session_keys
from tidelock.connect.distributed.config_state import (
    Restart,
    connector_record,
    logger_record,
    restart_record,
    target_record,
    task_records,
)
from tidelock.connect.distributed.group_protocol import TaskId
from tidelock.connect.distributed.herder import HerderLoop
from tidelock.connect.distributed.status_state import Status, topic_record
from tidelock.connect.runtime.entries import STOPPED
from tidelock.connect.runtime.errors import ConnectorExists, InvalidConfig, TrackingDisabled, UnknownConnector
from tidelock.connect.runtime.exactly_once_task import ENABLED, exactly_once_of
from tidelock.connect.runtime.loggers import name_of_level
from tidelock.connect.runtime.sink_offsets import Items
from tidelock.connect.runtime.supervision import State
from tidelock.connect.runtime.validation import Config


class DistributedHerder(HerderLoop):
    """The whole herder of one worker."""

    # Answers

    def connectors(self) -> list[str]:
        """Return the names, in the order they were made."""
        return list(self.backing.config.connectors)

    def info(self, name: str) -> dict[str, Any]:
        """Return Kafka's ConnectorInfo."""
        entry = self._entry(name)
        tasks = [{"connector": name, "task": number} for number in range(self.backing.config.count(name))]
        return {"name": name, "config": entry.shown(entry.config), "tasks": tasks, "type": entry.kind}

    def status(self, name: str) -> dict[str, Any]:
        """Return Kafka's ConnectorStateInfo, as the workers wrote it."""
        known = self.backing.status
        said = known.connectors.get(name)
        if said is None or name not in self.backing.config.connectors:
            raise UnknownConnector(f"No status found for connector {name}")
        return {
            "name": name,
            "connector": _state(said),
            "tasks": [self.task_status(name, number) for number in known.tasks_of(name)],
            "type": self._entry(name).kind,
        }

    def task_status(self, name: str, number: int) -> dict[str, Any]:
        """Return Kafka's TaskState of one task."""
        said = self.backing.status.tasks.get(TaskId(name, number))
        if said is None:
            raise UnknownConnector(f"No status found for task {name}-{number}")
        return {"id": number, **_state(said)}

    def task_infos(self, name: str) -> list[dict[str, Any]]:
        """Return Kafka's TaskInfo of every task."""
        entry = self._entry(name)
        return [
            {"id": {"connector": name, "task": number}, "config": entry.shown(config)}
            for number, config in enumerate(self.backing.config.tasks(name))
        ]

    def topics(self, name: str) -> list[str]:
        """Return the topics that a connector has used; TrackingDisabled when that is not remembered."""
        super().topics(name)
        return sorted(self.backing.status.topics.get(name, ()))

    def reset_topics(self, name: str) -> None:
        """Empty the memory of used topics."""
        if not (self.settings.topic_tracking_enable and self.settings.topic_tracking_allow_reset):
            raise TrackingDisabled(
                "Topic tracking reset is disabled.", hint="topic.tracking.allow.reset=true"
            )
        self._entry(name)
        for topic in list(self.backing.status.topics.get(name, ())):
            self.backing.put_status(topic_record(topic, TaskId(name, 0), None))

    async def offsets(self, name: str) -> list[dict[str, Any]]:
        """Return a connector's partitions with offsets, read to the topic's present end."""
        await self.backing.read_offsets()
        async with self.backing.looking_into(name, self._own_topic(name)):
            return await super().offsets(name)

    def _own_topic(self, name: str) -> str | None:
        """Return the topic that a connector keeps its offsets in, if it is not the worker's."""
        entry = self._entry(name)
        if entry.kind != "source":
            return None
        once = exactly_once_of(self._worker, entry.config, name, 0)
        return once.topic if once is not None and once.copies else None

    async def set_cluster_log_level(self, logger: str, level: int) -> None:
        """Have every worker set the level of its loggers; any worker may write that."""
        await self.backing.write_config([logger_record(logger, name_of_level(level))])

    # Changes

    async def put_config(
        self, name: str, config: Config, *, target: str | None = None, may_replace: bool = True
    ) -> bool:
        """Make or change a connector; see StandaloneHerder."""
        known = self.backing.config.connectors
        if name in known and not may_replace:
            raise ConnectorExists(f"Connector {name} already exists")
        old = self._entry(name) if name in known else None
        full = self._completed(name, config, old)
        await self._accept(name, full)
        given = {key: value for key, value in full.items() if value is not None}
        is_new = name not in known
        if not is_new and not may_replace:
            raise ConnectorExists(f"Connector {name} already exists")
        first = [] if target is None else [target_record(name, target)]
        await self._write_as_leader([*first, connector_record(name, given)])
        return is_new

    async def delete(self, name: str) -> None:
        """Remove a connector; its offsets are kept."""
        self._entry(name)
        await self._write_as_leader([connector_record(name, None), target_record(name, None)])

    async def set_target(self, name: str, target: str) -> None:
        """Have a connector run, pause or stop; one that stops has no tasks any more."""
        self._entry(name, "Unknown connector {}")
        if target == STOPPED and self.backing.config.count(name):
            await self._write_as_leader(task_records(name, []))
        await self.backing.write_config([target_record(name, target)])  # any worker may: no transaction

    async def restart(self, name: str, *, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """Have each worker restart what it runs of a connector; the answer marks what restarts."""
        self._entry(name, "Unknown connector: {}")
        answer = self.status(name)
        chosen = [answer["connector"], *(answer["tasks"] if include_tasks else ())]
        for one in chosen:
            if not only_failed or one["state"] == State.FAILED.value:
                one["state"] = State.RESTARTING.value
        await self._write_as_leader([restart_record(Restart(name, include_tasks, only_failed))])
        return answer

    async def restart_task(self, name: str, number: int) -> None:
        """Restart a task that runs here."""
        entry = self._entry(name)
        found = [one for one in entry.tasks if one.status.number == number]
        if found:
            await self._restart_tasks(entry, found)
        elif TaskId(name, number) in self.running.tasks:
            await self._start_task(TaskId(name, number))
        else:
            raise UnknownConnector(f"Task {name}-{number} not found")

    async def change_offsets(self, name: str, offsets: Items | None) -> bool:
        """Store other offsets for a stopped connector, or none at all; see ConnectorOffsets.change."""
        entry = self._entry(name)
        if self.backing.config.target(name) != STOPPED or self.backing.config.count(name):
            raise InvalidConfig(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can "
                "be done for the specified connector by issuing a 'PUT' request to the "
                f"'/connectors/{name}/stop' endpoint"
            )
        own = None
        if entry.kind == "source" and self.settings.exactly_once_source_support == ENABLED:
            own = self._own_topic(name)
            await self.leading.fence(name, anyway=True)  # a zombie must not store another offset after this
        await self.backing.read_offsets()
        loaded = await asyncio.to_thread(self._described, entry)
        async with self.backing.looking_into(name, own):
            return await asyncio.to_thread(self._connector_offsets.change, entry, loaded, offsets)

    # What other workers ask

    async def put_tasks(
        self, name: str, configs: list[dict[str, str]], body: bytes, headers: Mapping[str, str]
    ) -> None:
        """Write a task set that another worker submits.

        Args:
            name: of the connector.
            configs: one per task.
            body: of the request, for its signature.
            headers: by name in lower case.

        Raises:
            UnsignedRequest, BadSignature, NoSessionKey: it does not come from a worker.
            UnknownConnector: there is no such connector now.
        """
        self._verify(body, headers)
        self._entry(name)
        if not self._is_written(name, configs):
            await self._write_as_leader(task_records(name, configs))

    async def fence(self, name: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Shut out the tasks of a connector's former task sets, for a worker that runs one of the last.

        Args:
            name: of the connector.
            body: of the request, for its signature.
            headers: by name in lower case.

        Raises:
            UnsignedRequest, BadSignature, NoSessionKey: it does not come from a worker.
            UnknownConnector: there is no such connector now.
            InvalidConfig: it is no source.
            LeaderReplaced: this worker leads no more, or there is a newer task set.
        """
        self._verify(body, headers)
        if self._entry(name).kind != "source":
            raise InvalidConfig(f"Connector {name} is not a source connector")
        await self.leading.fence(name)

    def _verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        if self.membership.version == session_keys.SINCE:
            allowed = self.settings.inter_worker_verification_algorithms
            session_keys.verify(self.backing.config.session_key, body, headers, allowed)


def _state(said: Status) -> dict[str, Any]:
    made = {"state": said.state, "worker_id": said.worker_id, "version": said.version}
    return made if said.trace is None else {**made, "trace": said.trace}
