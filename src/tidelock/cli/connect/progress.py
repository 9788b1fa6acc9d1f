"""How far the tasks of a connector are, again and again: what `connect status --watch` shows.

Rows are functions of the worker's document; `looks` asks for it. The worker must be ours: Kafka's has no such
answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tidelock.cli.rest import ask, quoted

COLUMNS = ("task", "state", "records", "rate", "lag_records", "lag_seconds", "eta_seconds", "restarts")


def looks(url: str, name: str, interval: float, count: int | None) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of every task, each `interval` seconds, `count` times or for ever."""
    done = 0
    while True:
        _, found = ask("connect", url, "GET", f"/connectors/{quoted(name)}/progress")
        yield rows(found)
        done += 1
        if count is not None and done >= count:
            return
        time.sleep(interval)


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per task; what a task has not told is None."""
    return [
        {"task": task["id"], **{column: task.get(column) for column in COLUMNS[1:]}}
        for task in document["tasks"]
    ]
