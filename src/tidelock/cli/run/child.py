"""Entry point of one instance's process: `python -m tidelock.cli.run.child CONTROL_FD`.

It imports the application, binds its port, serves, and reports over the control socket when it is UP or why
it cannot run. SIGTERM, or the end of the parent, ends it in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import Any

from tidelock.cli.run.assignment import Assignment
from tidelock.cli.run.loading import load
from tidelock.cli.up import processes
from tidelock.cli.up.child import ParentWatch
from tidelock.cli.up.control import Reports
from tidelock.discovery.settings import InstanceSettings
from tidelock.errors import TidelockError
from tidelock.http.announcing import Options
from tidelock.http.registration import Registered
from tidelock.runtime import bind_loopback, run_services
from tidelock.web import HttpServer


class Served:
    """One instance; a `runtime.Service`.

    Args:
        given: what to serve and where.
    """

    def __init__(self, given: Assignment) -> None:
        self._given = given
        app = load(given.app, is_factory=given.is_factory)
        told = InstanceSettings(hostname=given.host, ip_address=given.host)
        if given.host in ("0.0.0.0", "::"):  # every address; callers of this machine use this one
            told = InstanceSettings()
        self._registered = Registered(app, Options(given.name, given.port, given.registry, instance=told))
        sock = bind_loopback(given.port, host=given.host, what=given.name)
        self._server = HttpServer(
            self._registered, sock=sock, what=given.name, lifespan=True, grace=given.grace
        )

    async def start(self) -> None:
        """See Service."""
        await self._server.start()

    async def risen(self) -> None:
        """Return when it was announced as UP."""
        await self._registered.announcement.risen()

    async def stop(self) -> None:
        """Out of service, port closed, requests finished, lease cancelled."""
        await self._registered.announcement.drain(self._given.drain)
        await self._server.stop()


async def serve(given: Assignment, reports: Reports) -> None:
    """Run the instance until a signal comes."""
    served = Served(given)

    async def ready() -> None:
        rising = asyncio.create_task(served.risen(), name="risen")
        rising.add_done_callback(lambda task: None if task.cancelled() else reports.ready(None))
        tasks.append(rising)

    tasks: list[asyncio.Task[Any]] = []
    await run_services([served], ready=ready)


def main(arguments: list[str]) -> int:
    """Run one instance; returns the process's exit code."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    given = Assignment.read(control)
    reports = Reports(control)
    processes.name_yourself(given.name)
    logging.basicConfig(level=logging.WARNING, format=f"{given.name}:{given.port} %(levelname)s %(message)s")
    watch = ParentWatch(control)
    watch.start()
    try:
        asyncio.run(serve(given, reports))
    except TidelockError as error:
        reports.failed(error)
        return error.exit_code
    finally:
        if watch.orphaned:
            processes.kill_group(os.getpgrp())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
