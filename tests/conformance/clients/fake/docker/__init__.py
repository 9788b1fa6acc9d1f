"""Stands in for the `docker` package where a suite knows no other way to a broker: starts ours instead.

Only what aiokafka's `tests/conftest.py` calls. The broker's command line comes from the runner in
TIDELOCK_BROKER, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from types import SimpleNamespace
from typing import Any


class Container:
    """A broker that passes for a container."""

    def __init__(self, port: int, partitions: int) -> None:
        command, self._folder = json.loads(os.environ["TIDELOCK_BROKER"]), tempfile.TemporaryDirectory()
        settings = {
            "log.dirs": self._folder.name,
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "num.partitions": partitions,
            "node.id": 0,
        }
        place = command.pop("cwd")
        self._process = subprocess.Popen(
            [*command["argv"], *(f"{key}={value}" for key, value in settings.items())],
            cwd=place,
            stdout=subprocess.DEVNULL,
        )

    def exec_run(self, *_: Any, **__: Any) -> tuple[int, bytes]:
        """Kerberos, ACLs and configs of the image's scripts: not ours."""
        return 0, b""

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._folder.cleanup()


class Containers:
    def run(self, *, environment: dict[str, Any] | None = None, **_: Any) -> Container:
        given = environment or {}
        return Container(int(given["ADVERTISED_PORT"]), int(given["NUM_PARTITIONS"]))


def from_env() -> Any:
    return SimpleNamespace(containers=Containers(), close=lambda: None)


models = SimpleNamespace(containers=SimpleNamespace(Container=Container))
