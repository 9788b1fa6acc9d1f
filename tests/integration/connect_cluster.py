"""What tests ask of workers that share their work, ours and the JVM's, by their URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.connect import ask
from tests.support.waiting import eventually


def request(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask a worker, ours or the JVM's; a 409 is asked again, as clients do. Returns status and body."""

    def once() -> tuple[int, Any] | None:
        status, answer = ask(url, method, path, body)
        return None if status == 409 else (status, answer)

    found: tuple[int, Any] = eventually(once, 60.0)
    return found


def get(url: str, path: str) -> Any:
    status, body = request(url, "GET", path)
    assert status == 200, body
    return body


def states(url: str, name: str) -> list[tuple[str, str]]:
    """State and worker of a connector and its tasks; nothing before there is a status."""
    status, body = request(url, "GET", f"/connectors/{name}/status")
    if status != 200:
        return []
    return [(one["state"], one["worker_id"]) for one in (body["connector"], *body["tasks"])]


def until(url: str, name: str, *wanted: str, timeout: float = 40.0) -> list[str]:
    """Wait until a connector and its tasks are in these states; returns their workers."""

    def reached() -> list[tuple[str, str]] | None:
        found = states(url, name)
        return found if [state for state, _ in found] == list(wanted) else None

    return [worker for _, worker in eventually(reached, timeout)]


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
