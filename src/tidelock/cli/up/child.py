"""Entry point of one part's process: `python -m tidelock.cli.up.child PART CONTROL_FD`.

Imports as little as it can before the part itself. The process ends on SIGTERM, and when the control socket
reaches its end (the parent died): first in order, then, if that takes too long, at once and with everything
in its process group, so that nothing is ever left behind.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from tidelock.cli.up import processes
from tidelock.cli.up.control import Job, Reports
from tidelock.errors import TidelockError
from tidelock.runtime import Service, run_services

STOP_TIMEOUT = 10.0
REPEAT_INTERVAL = 10.0
MOST_TEXTS = 1000

Factory = Callable[[Job, socket.socket], tuple[Service, str | None]]


class Repetitions:
    """Lets a text through once per interval, and then says how often it was held back."""

    def __init__(self, interval: float = REPEAT_INTERVAL) -> None:
        self._interval = interval
        self._seen: dict[str, tuple[float, int]] = {}

    def shown(self, text: str, now: float) -> str | None:
        """Return what to show, or None to hold it back; `now` is in seconds."""
        last, held = self._seen.get(text, (float("-inf"), 0))
        if now - last < self._interval:
            self._seen[text] = (last, held + 1)
            return None
        if len(self._seen) >= MOST_TEXTS:
            self._seen.clear()
        self._seen[text] = (now, 0)
        return f"{text} ({held} more like it)" if held else text


class ReportHandler(logging.Handler):
    """Hands warnings and errors to `up`, which shows them to the user; the log file has every one."""

    def __init__(self, reports: Reports) -> None:
        super().__init__(logging.WARNING)
        self._reports = reports
        self._repetitions = Repetitions()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        first_line = record.getMessage().partition("\n")[0]
        shown = self._repetitions.shown(f"{record.levelname.lower()}: {first_line}", record.created)
        if shown is not None:
            self._reports.log(shown)


def main(arguments: list[str]) -> int:
    """Run one part; returns the process's exit code."""
    part, descriptor = arguments
    processes.name_yourself(f"tide-{part}")
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    job = Job.read(control)
    listener = socket.socket(fileno=job.listen_fd)
    listener.set_inheritable(False)
    reports = Reports(control)
    _configure_logging(reports)
    watch = ParentWatch(control)
    watch.start()
    try:
        asyncio.run(_serve(job, listener, reports))
    except TidelockError as error:
        logging.getLogger(__name__).error("%s cannot run: %s", part, error)
        reports.failed(error)
        return error.exit_code
    finally:
        if watch.orphaned:
            processes.kill_group(os.getpgrp())  # what the part started; and this process, which is done
    return 0


class ParentWatch(threading.Thread):
    """Stops this process when the parent is gone: in order, and after a time-out at once."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__(name="parent-watch", daemon=True)
        self._control = control
        self.orphaned = False

    def run(self) -> None:
        """Wait for the control socket's end."""
        try:
            while self._control.recv(1024):
                continue
        except OSError:
            logging.getLogger(__name__).debug("the control socket broke; the same as its end")
        self.orphaned = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_TIMEOUT)
        processes.kill_group(os.getpgrp())


async def _serve(job: Job, listener: socket.socket, reports: Reports) -> None:
    module, _, function = job.factory.partition(":")
    factory: Factory = getattr(importlib.import_module(module), function)
    service, detail = factory(job, listener)

    async def ready() -> None:
        reports.ready(detail)

    await run_services([service], ready=ready)


def _configure_logging(reports: Reports) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger().addHandler(ReportHandler(reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
