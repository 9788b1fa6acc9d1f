"""`tidelock down`: ask the `up` of a data folder to stop, and wait until it has."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare
from tidelock.errors import UnreachableError

SLACK = 5.0
PER_PART = 10.0


class DoesNotStopError(UnreachableError):
    """`tidelock up` does not end although it was asked to."""

    code = "TID-708"


@declare(
    examples=("tidelock down", "tidelock down --data /var/lib/shop"),
    exits={0: "stopped, no process left", 3: "does not stop in time", 4: "nothing runs in the data folder"},
)
@options.data
def command(data: Path) -> None:
    """Stop what `tidelock up` runs in a data folder.

    Waits until every part has finished what it was doing and made it durable. The data stays.
    """
    from tidelock.cli.up import processes, state
    from tidelock.runtime import SystemClock

    running = state.require(data)
    clock = SystemClock()
    processes.send(running.pid, signal.SIGTERM)
    deadline = clock.monotonic() + PER_PART * len(running.addresses) + SLACK
    while processes.is_alive(running.pid, running.started.get("up", 0)):
        if clock.monotonic() > deadline:
            raise DoesNotStopError(
                f"tidelock up (pid {running.pid}) does not stop",
                where=running.data,
                hint=f"kill -9 {running.pid}; its parts notice and stop by themselves",
            )
        processes.pause(0.02)
    click.echo(f"stopped {', '.join(running.addresses)}", err=True)
