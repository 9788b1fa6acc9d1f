"""The body of `POST /peerreplication/batch/` and its answer: what peers tell each other. No IO.

JSON only, as between Java's peers. May import `fields` and `json`. Readers raise `BadDocumentError` and
nothing else.

Source: Netflix `com.netflix.eureka.cluster.protocol.ReplicationList`, `ReplicationInstance`,
`ReplicationListResponse`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tidelock.discovery.codec import json
from tidelock.discovery.codec.fields import BadDocumentError, Reader, Tree, instance_from, tree_of
from tidelock.discovery.instance import Instance, Status


class Kind(enum.Enum):
    """What happened at a peer; the values travel."""

    REGISTER = "Register"
    HEARTBEAT = "Heartbeat"
    CANCEL = "Cancel"
    OVERRIDE = "StatusUpdate"
    REMOVE_OVERRIDE = "DeleteStatusOverride"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that happened at a peer.

    Args:
        kind: what.
        app: upper case.
        instance_id: exact.
        dirty: the instance's `lastDirtyTimestamp` at the peer; None when it did not say.
        status: the status; for OVERRIDE and REMOVE_OVERRIDE the one set.
        overridden: the override in force.
        instance: for REGISTER.
    """

    kind: Kind
    app: str
    instance_id: str
    dirty: int | None = None
    status: Status = Status.UNKNOWN
    overridden: Status = Status.UNKNOWN
    instance: Instance | None = None

    @classmethod
    def of(cls, kind: Kind, instance: Instance, status: Status | None = None) -> Task:
        """Return the task that tells of an instance as it is listed here."""
        return cls(
            kind,
            instance.app,
            instance.instance_id,
            instance.last_dirty_timestamp,
            status or instance.status,
            instance.overridden,
            instance if kind is Kind.REGISTER else None,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a peer did with one task: a status, and its own copy where that is the younger one."""

    status: int
    instance: Instance | None = None


def write_tasks(tasks: Iterable[Task]) -> bytes:
    """Return the body of a batch."""
    return msgspec.json.encode({"replicationList": [_tree_of(task) for task in tasks]})


def read_tasks(body: bytes) -> list[Task]:
    """Read the body of a batch."""
    found = json.read_tree(body, "").get("replicationList")
    return [_task_from(item, number) for number, item in enumerate(_list(found, "replicationList"))]


def write_results(results: Iterable[Result]) -> bytes:
    """Return the answer to a batch."""
    items: list[Tree] = []
    for result in results:
        item: Tree = {"statusCode": result.status}
        if result.instance is not None:
            item["responseEntity"] = tree_of(result.instance)
        items.append(item)
    return msgspec.json.encode({"responseList": items})


def read_results(body: bytes) -> list[Result]:
    """Read the answer to a batch."""
    results = []
    for number, item in enumerate(_list(json.read_tree(body, "").get("responseList"), "responseList")):
        fields = Reader(item, f"responseList[{number}]")
        entity = fields.part("responseEntity")
        instance = None if entity is None else instance_from(entity, f"responseList[{number}].responseEntity")
        results.append(Result(fields.number("statusCode", 0), instance))
    return results


def _tree_of(task: Task) -> Tree:
    tree: Tree = {
        "appName": task.app,
        "id": task.instance_id,
        "lastDirtyTimestamp": task.dirty,
        "overriddenStatus": task.overridden.value,
        "status": task.status.value,
        "instanceInfo": None if task.instance is None else tree_of(task.instance),
        "action": task.kind.value,
    }
    return {name: value for name, value in tree.items() if value is not None}


def _task_from(item: object, number: int) -> Task:
    where = f"replicationList[{number}]"
    fields = Reader(item, where)
    app, instance_id, action = fields.text("appName"), fields.text("id"), fields.text("action")
    if not app or not instance_id:
        raise BadDocumentError("appName and id are needed", where=where)
    try:
        kind = Kind(action)
    except ValueError:
        kinds = ", ".join(kind.value for kind in Kind)
        raise BadDocumentError(f"action is none of {kinds}", where=where) from None
    info = fields.part("instanceInfo")
    if info is None and kind is Kind.REGISTER:
        raise BadDocumentError("a Register needs its instanceInfo", where=where)
    return Task(
        kind,
        app.upper(),
        instance_id,
        fields.number("lastDirtyTimestamp", 0) if fields.has("lastDirtyTimestamp") else None,
        Status.read(fields.text("status")),
        Status.read(fields.text("overriddenStatus")),
        None if info is None else instance_from(info, f"{where}.instanceInfo"),
    )


def _list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise BadDocumentError("a list is expected", where=where)
    return value
