"""Distributed Connect workers of ours for tests, each in its own process, with its REST interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import eventually

PROGRAM = """
import asyncio, json, logging, sys
from tidelock.connect import DistributedSettings, DistributedWorker
from tidelock.runtime import bind_loopback, run_services

async def main():
    given = json.loads(sys.argv[1])
    worker = DistributedWorker(DistributedSettings.parse(given), sock=bind_loopback(0))
    async def ready():
        print(worker.url, flush=True)
    await run_services([worker], ready=ready)

logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
"""


class DistributedProcess:
    """One worker process; `start` after `stop` or `kill` is the same worker on another port.

    Args:
        log: a file for what it says.
        properties: worker properties.
    """

    def __init__(self, log: Path, properties: Mapping[str, str]) -> None:
        self.log = log
        self._properties = dict(properties)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> Self:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(self._properties)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, self.log.read_text()
        return self

    @property
    def worker_id(self) -> str:
        return self.url.partition("://")[2]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def request(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask a worker, ours or the JVM's; a 409 is asked again, as clients do. Returns status and body."""

    def once() -> tuple[int, Any] | None:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            with error:
                return None if error.code == 409 else (error.code, json.loads(error.read()))

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


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
