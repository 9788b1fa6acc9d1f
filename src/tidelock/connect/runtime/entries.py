"""What the herder knows of one connector, and how REST shows it.

Values only: entries are changed by the herder, under the entry's lock, and by the tasks' supervisors; what is
built here is Kafka's JSON. Passwords are never part of it.

Source: Kafka `org.apache.kafka.connect.runtime.rest.entities.{ConnectorInfo, ConnectorStateInfo, TaskInfo}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.api import Connector
from tidelock.connect.runtime import redaction
from tidelock.connect.runtime.supervision import State, TaskStatus, TaskSupervisor

STARTED, PAUSED, STOPPED = "STARTED", "PAUSED", "STOPPED"
TARGET_STATES = {STARTED: State.RUNNING, PAUSED: State.PAUSED, STOPPED: State.STOPPED}


@dataclass(slots=True)
class ConnectorEntry:
    """One connector as the herder knows it.

    Attributes:
        target: the state that a user wants: STARTED, PAUSED or STOPPED.
        kind: source, sink or unknown.
        secrets: the keys whose values are not shown.
        topics: that its tasks have used.
        lock: held while anything but a status changes.
    """

    name: str
    config: dict[str, str]
    target: str
    kind: str = "unknown"
    state: State = State.UNASSIGNED
    trace: str | None = None
    version: str | None = None
    connector: Connector | None = None
    secrets: set[str] = field(default_factory=set)
    tasks: list[TaskSupervisor] = field(default_factory=list)
    topics: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def shown(self, config: Mapping[str, str]) -> dict[str, str]:
        """Return a configuration of this connector or its tasks, without its secrets."""
        return redaction.shown(config, self.secrets)

    def info(self) -> dict[str, Any]:
        """Return Kafka's ConnectorInfo."""
        return {
            "name": self.name,
            "config": self.shown(self.config),
            "tasks": [{"connector": self.name, "task": task.status.number} for task in self.tasks],
            "type": self.kind,
        }

    def status(self, worker_id: str) -> dict[str, Any]:
        """Return Kafka's ConnectorStateInfo."""
        return {
            "name": self.name,
            "connector": self._state(self.state, self.trace, worker_id),
            "tasks": [self.task_state(task.status, worker_id) for task in self.tasks],
            "type": self.kind,
        }

    def task_state(self, status: TaskStatus, worker_id: str) -> dict[str, Any]:
        """Return Kafka's TaskState."""
        return {"id": status.number, **self._state(status.state, status.trace, worker_id)}

    def _state(self, state: State, trace: str | None, worker_id: str) -> dict[str, Any]:
        made = {"state": state.value, "worker_id": worker_id, "version": self.version}
        return made if trace is None else {**made, "trace": trace}

    def task_infos(self) -> list[dict[str, Any]]:
        """Return Kafka's TaskInfo of every task."""
        return [
            {
                "id": {"connector": self.name, "task": task.status.number},
                "config": self.shown(task.status.props),
            }
            for task in self.tasks
        ]

    def progress(self, now: float) -> dict[str, Any]:
        """Return what Kafka has no answer for: processes, records, speed and lag, restarts."""
        return {
            "name": self.name,
            "tasks": [
                {
                    "id": status.number,
                    "state": status.state.value,
                    "pid": status.pid,
                    "memory": status.memory,
                    "silent_seconds": None if status.pid is None else round(now - status.heard_at, 1),
                    "records": status.records,
                    **status.progress,
                    "restarts": status.restarts,
                    "last_error": status.last_error,
                }
                for status in (task.status for task in self.tasks)
            ],
        }
