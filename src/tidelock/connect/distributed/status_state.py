"""What the status topic says of connectors, tasks and the topics they use; what may be written to it. Pure.

    status-connector-<n>    {"state":"RUNNING","trace":null,"worker_id":"host:8083","generation":3,
                             "version":null}
    status-task-<n>-<i>     the same
    status-topic-<topic>:connector-<n>
                            {"topic":{"name":...,"connector":...,"task":0,"discoverTimestamp":...}}

null removes. A worker that was away too long must not undo what its successor has written: it writes only
over its own words, or over those of an older generation.

Source: Kafka `storage.KafkaStatusBackingStore`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from tidelock.connect.distributed.group_protocol import TaskId
from tidelock.connect.runtime.java_text import java_json
from tidelock.connect.runtime.offset_state import Keyed

log = logging.getLogger(__name__)

CONNECTOR, TASK, TOPIC, TOPIC_OF = "status-connector-", "status-task-", "status-topic-", ":connector-"


@dataclass(frozen=True, slots=True)
class Status:
    """What one worker said of a connector or a task.

    Attributes:
        generation: of the group, when it was said.
        version: of the plugin, where its worker says it.
    """

    state: str
    worker_id: str
    generation: int
    trace: str | None = None
    version: str | None = None

    def may_be_replaced_by(self, other: Status) -> bool:
        """Whether another status may be written over this one."""
        return self.worker_id == other.worker_id or self.generation <= other.generation


class StatusState:
    """The status topic."""

    def __init__(self) -> None:
        self.connectors: dict[str, Status] = {}
        self.tasks: dict[TaskId, Status] = {}
        self.topics: dict[str, set[str]] = {}
        """By connector."""

    def tasks_of(self, connector: str) -> list[int]:
        """Return the numbers of the tasks that have a status, in order."""
        return sorted(task.task for task in self.tasks if task.connector == connector)

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record; what cannot be read is left out."""
        try:
            self._apply((key or b"").decode(), None if value is None else json.loads(value))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("status topic: the record %r is left out: %s", key, error)

    def _apply(self, key: str, given: dict[str, Any] | None) -> None:
        if key.startswith(CONNECTOR):
            _put(self.connectors, key.removeprefix(CONNECTOR), given)
        elif key.startswith(TASK):
            name, _, number = key.removeprefix(TASK).rpartition("-")
            _put(self.tasks, TaskId(name, int(number)), given)
        elif key.startswith(TOPIC) and TOPIC_OF in key:
            topic, _, connector = key.removeprefix(TOPIC).partition(TOPIC_OF)
            known = self.topics.setdefault(connector, set())
            if given is None:
                known.discard(topic)
            else:
                known.add(topic)


def _put(known: dict[Any, Status], name: Any, given: dict[str, Any] | None) -> None:
    if given is None:
        known.pop(name, None)
        return
    known[name] = Status(
        str(given["state"]),
        str(given["worker_id"]),
        int(given["generation"]),
        given.get("trace"),
        given.get("version"),
    )


def status_record(of: str | TaskId, status: Status | None) -> Keyed:
    """Return the record of a connector's or a task's status; None removes it."""
    key = f"{TASK}{of.connector}-{of.task}" if isinstance(of, TaskId) else CONNECTOR + of
    if status is None:
        return key.encode(), None
    value = {
        "state": status.state,
        "trace": status.trace,
        "worker_id": status.worker_id,
        "generation": status.generation,
        "version": status.version,
    }
    return key.encode(), java_json(value)


def topic_record(topic: str, by: TaskId, now_ms: int | None) -> Keyed:
    """Return the record that a task has used a topic since `now_ms`; None forgets it."""
    key = f"{TOPIC}{topic}{TOPIC_OF}{by.connector}".encode()
    if now_ms is None:
        return key, None
    value = {"name": topic, "connector": by.connector, "task": by.task, "discoverTimestamp": now_ms}
    return key, java_json({"topic": value})
