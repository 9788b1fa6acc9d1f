"""`tidelock status`: is everything that should run alive, answering, and how big is it."""

from __future__ import annotations

from pathlib import Path

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock status", "tidelock status -o json", "tidelock status || tidelock logs"),
    exits={0: "everything is up", 1: "something is down", 4: "nothing runs in the data folder"},
)
@options.data
@output.option
def command(data: Path, output: output.Output) -> int:
    """Show what runs: parts, processes, addresses, health, memory.

    A part is UP when its process lives and it answers on its port. Memory is the resident memory of the
    part's process and of the processes it started.
    """
    from tidelock.cli.up import health, state

    running = state.require(data)
    rows = [health.of(name, running) for name in ("up", *running.addresses)]
    output.rows(rows, columns=("part", "state", "pid", "processes", "memory_mb", "address"), key="part")
    return 0 if all(row["state"] == "UP" for row in rows) else 1
