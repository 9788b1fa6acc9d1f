"""A standalone Connect worker of ours for tests, in its own process, with its REST interface."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import eventually

PROGRAM = """
import asyncio, json, logging, sys
from pathlib import Path
from tidelock.connect import StandaloneSettings, StandaloneWorker
from tidelock.runtime import bind_loopback, run_services

async def main():
    given = json.loads(sys.argv[1])
    data = Path(given["data"]) if given["data"] else None
    settings = StandaloneSettings.parse(given["worker"])
    worker = StandaloneWorker(settings, given["connectors"], sock=bind_loopback(given["port"]), data_dir=data)
    async def ready():
        print(worker.url, flush=True)
    await run_services([worker], ready=ready)

logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
"""


class Worker:
    """The worker process; `start` after `stop` or `kill` finds the same folder again.

    Args:
        folder: for its data and its log.
        worker: worker properties.
        connectors: connector properties given on the command line, as it were.
        keep: keep connectors and offsets in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        worker: Mapping[str, str],
        connectors: Sequence[Mapping[str, str]] = (),
        *,
        keep: bool = True,
    ) -> None:
        self.folder = folder
        self._given = {
            "worker": dict(worker),
            "connectors": [dict(one) for one in connectors],
            "data": str(folder / "data") if keep else None,
            "port": 0,
        }
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> Self:
        with (self.folder / "worker.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(self._given)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise AssertionError((self.folder / "worker.log").read_text())
        if self._given["data"] is None:  # without a folder the port is what the worker is known by
            self._given["port"] = int(self.url.rpartition(":")[2])

        return self

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

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask REST; returns status and parsed body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                content = response.read()
                return response.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def get(self, path: str) -> Any:
        status, body = self.request("GET", path)
        assert status == 200, body
        return body

    def states(self, name: str) -> list[str]:
        """The connector's state and its tasks'."""
        status = self.get(f"/connectors/{name}/status")
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]

    def until(self, name: str, *states: str, timeout: float = 20.0) -> None:
        eventually(lambda: self.states(name) == list(states), timeout)

    def task_pid(self, name: str, number: int = 0) -> int:
        def pid() -> Any:
            return self.get(f"/connectors/{name}/progress")["tasks"][number]["pid"]

        return int(eventually(pid, 20.0))

    def kill_task(self, name: str, number: int = 0) -> None:
        """Kill a task's process and return when another runs in its place."""
        pid = self.task_pid(name, number)
        with contextlib.suppress(ProcessLookupError):  # somebody else was faster
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.task_pid(name, number) != pid, 20.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
