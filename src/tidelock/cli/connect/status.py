"""`tidelock connect status NAME`: a connector and its tasks, with the trace of what failed."""

from __future__ import annotations

from typing import Any

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock connect status orders-sink",
        "tidelock connect status orders-sink --trace",
        "tidelock connect status orders-sink --watch",
    ),
    exits={0: "nothing has failed", 1: "the connector or a task is FAILED", 4: "no such connector"},
)
@click.argument("name")
@click.option("--trace", is_flag=True, help="Show the whole trace of a failure, not only its first line.")
@click.option("--watch", is_flag=True, help="Show records, speed and lag again and again, until Ctrl-C.")
@click.option("--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds.")
@click.option("--count", type=click.IntRange(1), help="Look that many times, then end.")
@options.connect_url
@output.option
def command(
    name: str, connect_url: str, output: output.Output, *, trace: bool, watch: bool, **looks: Any
) -> int:
    """Show a connector and its tasks, and why a task failed.

    With --watch: per task the records it moved, how many it moves a second, how many wait and how old the
    newest that it delivered is (lag), and the seconds until it will have caught up (eta).
    """
    from tidelock.cli.connect import connectors
    from tidelock.cli.rest import ask, quoted

    if watch:
        _watch(connect_url, name, output, **looks)
        return 0
    _, status = ask("connect", connect_url, "GET", f"/connectors/{quoted(name)}/status")
    if output.format != "table":
        output.record(status, key="name")
        return int(connectors.failed(status))
    parts = [status["connector"], *status["tasks"]]
    shown = {
        "name": name,
        "type": status.get("type"),
        "state": status["connector"]["state"],
        "tasks": [
            {"id": task["id"], "state": task["state"], "worker": task["worker_id"]}
            for task in status["tasks"]
        ],
    }
    output.record(shown, key="name")
    for part in parts:
        if part.get("trace"):
            who = f"task {part['id']}" if "id" in part else "connector"
            text = part["trace"] if trace else part["trace"].strip().partition("\n")[0]
            click.echo(f"{who}: {text}", err=True)
    return int(connectors.failed(status))


def _watch(url: str, name: str, output: output.Output, *, interval: float, count: int | None) -> None:
    from tidelock.cli.connect import progress

    for rows in progress.looks(url, name, interval, count):
        if output.format == "table" and output.terminal:
            click.clear()
            output.rows(rows, columns=progress.COLUMNS, key="task")
        else:
            output.stream(rows, columns=progress.COLUMNS, key="task")
