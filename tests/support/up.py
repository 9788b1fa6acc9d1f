"""A `tidelock up` as a subprocess: start it, read its ready file, kill it, see that nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from tidelock.cli.up import processes

FAKE = [sys.executable, "-m", "tests.support.fake_up"]
REAL = [sys.executable, "-m", "tidelock.cli"]
ROOT = Path(__file__).resolve().parents[2]


class Up:
    """One `tidelock up` as a subprocess."""

    def __init__(self, folder: Path, *arguments: str, command: list[str] = FAKE) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.data = folder / "data"
        line = [*command, "up", "--any-port", "--data", str(self.data), "--ready-file", str(self.ready_file)]
        self.process = subprocess.Popen(
            [*line, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.seen: dict[str, Any] = {}

    def ready(self) -> dict[str, Any]:
        self.seen = eventually(self._own_ready_file, 20)
        return self.seen

    def _own_ready_file(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.process.communicate()
        if not self.ready_file.exists():
            return None
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found if found["pids"]["up"] == self.process.pid else None

    def again(self, part: str, old: int) -> dict[str, Any]:
        """Wait until a part has another process and answers."""
        eventually(lambda: json.loads(self.ready_file.read_text())["pids"].get(part, old) != old, 20)
        self.seen = json.loads(self.ready_file.read_text())
        return self.seen

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextmanager
def starter(folder: Path) -> Iterator[Callable[..., Up]]:
    """Gives a function that starts `tidelock up`; whatever it started is killed at the end."""
    started: list[Up] = []

    def one(*arguments: str, **how: Any) -> Up:
        started.append(Up(folder, *arguments, **how))
        return started[-1]

    yield one
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
            up.process.communicate()
        eventually(lambda up=up: gone(up.seen.get("pids", {})), 20)


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts `tidelock up --any-port` with data folder and ready file in tmp_path; kills it at the end."""
    with starter(tmp_path) as start:
        yield start


def gone(pids: dict[str, int]) -> bool:
    return not any(list(processes.group_members(pid)) for pid in pids.values())
