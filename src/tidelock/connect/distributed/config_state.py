"""What the config topic says, record by record: connectors, task sets, target states, keys, requests. Pure.

    connector-<n>          {"properties":{...}}           null: removed
    task-<n>-<i>           {"properties":{...}}           counts once its set is committed
    commit-<n>             {"tasks":2}
    target-state-<n>       {"state":"PAUSED","state.v2":"STOPPED"}
    tasks-fencing-<n>      {"task-count":2}
    session-key            {"key":"<base64>","algorithm":"HmacSHA256","creation-timestamp":1700000000000}
    restart-connector-<n>  {"include-tasks":true,"only-failed":false}
    logger-cluster-<ns>    {"level":"DEBUG"}

A task set is whole or it is nothing: after compaction, or the death of a leader between two records, a
commit may count tasks that are not there. Such a connector is *inconsistent*: no task of it runs until the
leader has written the set again. What cannot be read is left out and logged, as a JVM worker does.

Source: Kafka `storage.KafkaConfigBackingStore`, `ClusterConfigState`.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.distributed.group_protocol import ConnectorsAndTasks, TaskId
from tidelock.connect.runtime.entries import PAUSED, STARTED, STOPPED
from tidelock.connect.runtime.java_text import java_json, java_order
from tidelock.connect.runtime.offset_state import Keyed

log = logging.getLogger(__name__)

CONNECTOR, TASK, COMMIT = "connector-", "task-", "commit-"
TARGET, FENCING, RESTART = "target-state-", "tasks-fencing-", "restart-connector-"
SESSION_KEY, LOGGER = "session-key", "logger-cluster-"


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What the workers sign their requests with.

    Attributes:
        created: milliseconds since 1970.
    """

    secret: bytes = field(repr=False)
    algorithm: str
    created: int


@dataclass(frozen=True, slots=True)
class Restart:
    """What was asked for one connector."""

    connector: str
    include_tasks: bool
    only_failed: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What one record has changed; every attribute that is set is a change.

    Attributes:
        connector: whose configuration is new or another; `is_new` if there was none.
        removed: the connector that is gone.
        tasks: the connector that has a new task set.
        target: the connector that is to be in another state.
        session_key: whether it is a new one.
        logger: name and level, in Kafka's words, that every worker is to have from now on.
    """

    connector: str | None = None
    is_new: bool = False
    removed: str | None = None
    tasks: str | None = None
    target: str | None = None
    session_key: bool = False
    restart: Restart | None = None
    logger: tuple[str, str] | None = None


UNCHANGED = Changed()


class ConfigState:
    """The config topic up to `offset`."""

    def __init__(self) -> None:
        self.offset = -1
        """Of the next record: what assignments are compared by."""
        self.divided_at = -1
        """The offset after the last record that changed what is to be given out."""
        self.connectors: dict[str, dict[str, str]] = {}
        self.targets: dict[str, str] = {}
        self.fencing: dict[str, int] = {}
        """By connector: how many tasks may have transactions, of one that is exactly once."""
        self.unfenced: set[str] = set()
        """Connectors whose task set is newer than that count: earlier tasks may still be writing."""
        self.generations: dict[str, int] = {}
        """By connector: how many task sets it has had, counted from where this state began."""
        self.inconsistent: set[str] = set()
        self.session_key: SessionKey | None = None
        self._counts: dict[str, int] = {}
        self._tasks: dict[str, dict[int, dict[str, str]]] = {}
        self._deferred: dict[str, dict[int, dict[str, str]]] = {}

    def tasks(self, connector: str) -> list[dict[str, str]]:
        """Return the task configurations of a connector, by number; none while they are inconsistent."""
        if connector in self.inconsistent:
            return []
        known = self._tasks.get(connector, {})
        return [known[number] for number in range(self._counts.get(connector, 0))]

    def has_tasks(self, connector: str) -> bool:
        """Whether a task set, be it an empty one, was ever committed."""
        return connector in self._counts

    def target(self, connector: str) -> str:
        """Return the state that a user wants."""
        return self.targets.get(connector, STARTED)

    def configured(self) -> ConnectorsAndTasks:
        """Return everything that is to be given out."""
        return ConnectorsAndTasks(
            frozenset(self.connectors),
            frozenset(TaskId(name, number) for name in self.connectors for number in range(self.count(name))),
        )

    def count(self, connector: str) -> int:
        """Return how many tasks a connector has."""
        return 0 if connector in self.inconsistent else self._counts.get(connector, 0)

    def apply(self, offset: int, key: bytes | None, value: bytes | None) -> Changed:
        """Take one record.

        Args:
            offset: of the record.
            key: None is left out.
            value: None removes.
        """
        self.offset = offset + 1
        try:
            name = (key or b"").decode()
            given = None if value is None else json.loads(value)
            if given is not None and not isinstance(given, dict):
                raise ValueError("it is no JSON object")
            return self._apply(name, given)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            log.error("config topic: the record %r at offset %d is left out: %s", key, offset, error)
            return UNCHANGED

    def _apply(self, key: str, given: dict[str, Any] | None) -> Changed:
        for prefix, take in (
            (TARGET, self._target),
            (CONNECTOR, self._connector),
            (FENCING, self._fencing),
            (COMMIT, self._commit),
            (RESTART, _restart),
            (LOGGER, _logger),
        ):
            if key.startswith(prefix):
                return take(key.removeprefix(prefix), given)
        if key.startswith(TASK):
            return self._task(key.removeprefix(TASK), given)
        if key == SESSION_KEY and given is not None:
            secret = base64.b64decode(given["key"], validate=True)
            self.session_key = SessionKey(secret, str(given["algorithm"]), int(given["creation-timestamp"]))
            return Changed(session_key=True)
        return UNCHANGED

    def _connector(self, name: str, given: dict[str, Any] | None) -> Changed:
        if given is None:
            for known in (self.connectors, self._counts, self._tasks, self._deferred):
                known.pop(name, None)
            self.inconsistent.discard(name)
            self.divided_at = self.offset
            return Changed(removed=name)  # its count of transactional tasks stays, as in Kafka
        is_new = name not in self.connectors
        self.divided_at = self.offset if is_new else self.divided_at
        self.connectors[name] = _properties(given)
        self.targets.setdefault(name, STARTED)
        return Changed(connector=name, is_new=is_new)

    def _task(self, key: str, given: dict[str, Any] | None) -> Changed:
        name, _, number = key.rpartition("-")
        if given is not None and name:
            self._deferred.setdefault(name, {})[int(number)] = _properties(given)
        return UNCHANGED

    def _commit(self, name: str, given: dict[str, Any] | None) -> Changed:
        if given is None:
            return UNCHANGED
        count = int(given["tasks"])
        deferred = self._deferred.pop(name, {})
        self._counts[name] = count
        self.divided_at = self.offset
        if not set(range(count)) <= deferred.keys():
            self.inconsistent.add(name)
            return UNCHANGED
        self.inconsistent.discard(name)
        self._tasks[name] = deferred
        self.generations[name] = self.generations.get(name, 0) + 1
        self.unfenced.add(name)
        return Changed(tasks=name)

    def _target(self, name: str, given: dict[str, Any] | None) -> Changed:
        if given is None:
            self.targets.pop(name, None)
            return UNCHANGED
        state = str(given.get("state.v2") or given["state"])
        if state not in (STARTED, PAUSED, STOPPED):
            raise ValueError(f"{state!r} is no target state")
        has_changed = self.targets.get(name) != state
        self.targets[name] = state
        return Changed(target=name) if has_changed else UNCHANGED

    def _fencing(self, name: str, given: dict[str, Any] | None) -> Changed:
        if given is not None:
            self.fencing[name] = int(given["task-count"])
            self.unfenced.discard(name)
        return UNCHANGED


def _restart(name: str, given: dict[str, Any] | None) -> Changed:
    if given is None:
        return UNCHANGED
    return Changed(restart=Restart(name, bool(given["include-tasks"]), bool(given["only-failed"])))


def _logger(name: str, given: dict[str, Any] | None) -> Changed:
    return UNCHANGED if given is None else Changed(logger=(name, str(given["level"])))


def _properties(given: Mapping[str, Any]) -> dict[str, str]:
    found = given["properties"]
    if not isinstance(found, dict):
        raise ValueError("its properties are no JSON object")
    return {str(name): str(value) for name, value in found.items() if value is not None}


# Records, as a JVM worker writes them


def connector_record(name: str, config: Mapping[str, str] | None) -> Keyed:
    """Return the record of a connector's configuration; None removes it."""
    return _record(CONNECTOR + name, None if config is None else {"properties": config})


def task_records(name: str, configs: list[dict[str, str]]) -> list[Keyed]:
    """Return the records of a whole task set, the commit last."""
    made = [
        _record(f"{TASK}{name}-{number}", {"properties": {key: one[key] for key in java_order(one)}})
        for number, one in enumerate(configs)
    ]
    return [*made, _record(COMMIT + name, {"tasks": len(configs)})]


def target_record(name: str, state: str | None) -> Keyed:
    """Return the record of a target state; old workers read `state`, and take STOPPED for PAUSED."""
    if state is None:
        return _record(TARGET + name, None)
    return _record(TARGET + name, {"state": PAUSED if state == STOPPED else state, "state.v2": state})


def fencing_record(name: str, tasks: int) -> Keyed:
    """Return the record that a connector's last `tasks` tasks may have transactions, and no earlier ones."""
    return _record(FENCING + name, {"task-count": tasks})


def session_key_record(key: SessionKey) -> Keyed:
    """Return the record of a session key."""
    secret = base64.b64encode(key.secret).decode()
    value = {"key": secret, "algorithm": key.algorithm, "creation-timestamp": key.created}
    return _record(SESSION_KEY, value)


def logger_record(name: str, level: str) -> Keyed:
    """Return the record that a logger is to have a level on every worker."""
    return _record(LOGGER + name, {"level": level})


def restart_record(request: Restart) -> Keyed:
    """Return the record of a request to restart."""
    value = {"include-tasks": request.include_tasks, "only-failed": request.only_failed}
    return _record(RESTART + request.connector, value)


def _record(key: str, value: Mapping[str, Any] | None) -> Keyed:
    return key.encode(), None if value is None else java_json(value)
