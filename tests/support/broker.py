"""A broker in a process of its own, that can be killed and started again on the same port and data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]


class BrokerProcess:
    """Our broker; the first start picks a free port, later ones keep it.

    Args:
        folder: its data.
        settings: Java keys on top of the test's own.
        flags: of `tests.support.run_broker`.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, flags: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.flags = tuple(flags)
        self.settings = dict(settings or {})
        self.bootstrap = "127.0.0.1:0"
        self.process: subprocess.Popen[str] | None = None
        self.log = folder.parent / f"{folder.name}.log"

    @property
    def port(self) -> int:
        return int(self.bootstrap.rpartition(":")[2])

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> Self:
        # As installed, with the modules compiled: else a start would measure Python's compiler.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        given = {"log.dirs": str(self.folder), "listeners": f"PLAINTEXT://{self.bootstrap}", **self.settings}
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.support.run_broker", *self.flags),
                    *(f"{key}={value}" for key, value in given.items()),
                ],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"the broker did not start:\n{self.errors()}"
        self.bootstrap = line
        return self

    def errors(self) -> str:
        """What the broker wrote to its log; empty when all is well."""
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> int:
        return self._end("terminate")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end("kill")

    def _end(self, how: str) -> int:
        if self.process is None:
            return 0
        getattr(self.process, how)()
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
