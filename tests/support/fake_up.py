"""`python -m tests.support.fake_up ...`: the real `tidelock`, with parts that only echo what they receive.

A fake part misbehaves on demand, by its settings: `refuse` (it reports an error at start), `die` (it ends at
start without a word), `deaf` (it ignores SIGTERM), `brood` (it starts a process that would outlive it).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import subprocess
import sys

from tidelock.cli.main import main
from tidelock.cli.up import configuration
from tidelock.cli.up.control import Job
from tidelock.cli.up.parts import PARTS
from tidelock.config import Settings, key
from tidelock.errors import ConflictError


class FakeSettings(Settings):
    """What a fake part can be told."""

    refuse: str | None = key(default=None, doc="The error to report at start.")
    die: bool = key(default=False, doc="End at start.")
    deaf: bool = key(default=False, doc="Ignore SIGTERM.")
    brood: bool = key(default=False, doc="Leave a process behind.")
    num_things: int = key(default=1, at_least=1, doc="A number.")


class FakePart:
    """Answers every line with itself."""

    def __init__(self, job: Job, listener: socket.socket) -> None:
        self._settings = FakeSettings.parse(job.settings)
        self._job = job
        self._listener = listener

    async def start(self) -> None:
        if self._settings.die:
            os._exit(7)
        if self._settings.refuse:
            raise ConflictError(self._settings.refuse, where="here", hint="do that")
        if self._settings.brood:
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # noqa: ASYNC220  a fake
        self._server = await asyncio.start_server(self._echo, sock=self._listener)
        self._job.folder.mkdir(exist_ok=True)
        if self._settings.deaf:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        logging.getLogger("fake").warning("%s warns", self._job.part)

    async def stop(self) -> None:
        if hasattr(self, "_server"):
            self._server.close()
        logging.getLogger("fake").info("%s stopped in order", self._job.part)

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()


def part(job: Job, listener: socket.socket) -> tuple[FakePart, str | None]:
    """Build a fake part."""
    return FakePart(job, listener), f"fake {job.part}"


if __name__ == "__main__":
    for name, one in list(PARTS.items()):
        PARTS[name] = dataclasses.replace(one, factory="tests.support.fake_up:part")
        configuration.SETTINGS[name] = "tests.support.fake_up:FakeSettings"
    sys.exit(main())
