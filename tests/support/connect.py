"""Connect workers of ours for tests, each in its own process, with its REST interface."""

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
from tidelock.connect import DistributedSettings, DistributedWorker, StandaloneSettings, StandaloneWorker
from tidelock.runtime import bind_loopback, run_services

def standalone(given, sock):
    data = Path(given["data"]) if given["data"] else None
    settings = StandaloneSettings.parse(given["worker"])
    return StandaloneWorker(settings, given["connectors"], sock=sock, data_dir=data)

def distributed(given, sock):
    return DistributedWorker(DistributedSettings.parse(given["worker"]), sock=sock)

async def main():
    given = json.loads(sys.argv[1])
    worker = globals()[given["kind"]](given, bind_loopback(given["port"]))
    async def ready():
        print(worker.url, flush=True)
    await run_services([worker], ready=ready)

logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
"""


def ask(url: str, method: str, path: str, body: Any = None, *, timeout: float = 60.0) -> tuple[int, Any]:
    """Ask a worker's REST, ours or another; returns status and parsed body."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=timeout) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


class WorkerProcess:
    """A worker's process: started, known by its URL, stopped.

    Args:
        log: a file for what it says.
        given: what PROGRAM gets.
    """

    def __init__(self, log: Path, given: Mapping[str, Any]) -> None:
        self.log = log
        self._given = {"port": 0, **given}
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> Self:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(self._given)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, self.log.read_text()
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

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class DistributedProcess(WorkerProcess):
    """A distributed worker; `start` after `stop` or `kill` is the same worker on another port.

    Args:
        log: a file for what it says.
        properties: worker properties.
    """

    def __init__(self, log: Path, properties: Mapping[str, str]) -> None:
        super().__init__(log, {"kind": "distributed", "worker": dict(properties)})

    @property
    def worker_id(self) -> str:
        return self.url.partition("://")[2]


class Worker(WorkerProcess):
    """A standalone worker; `start` after `stop` or `kill` finds the same folder again.

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
        given = {
            "kind": "standalone",
            "worker": dict(worker),
            "connectors": [dict(one) for one in connectors],
            "data": str(folder / "data") if keep else None,
        }
        super().__init__(folder / "worker.log", given)
        self.folder = folder

    def start(self) -> Self:
        super().start()
        if self._given["data"] is None:  # without a folder the port is what the worker is known by
            self._given["port"] = int(self.url.rpartition(":")[2])
        return self

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask REST; returns status and parsed body."""
        return ask(self.url, method, path, body, timeout=30)

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


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
