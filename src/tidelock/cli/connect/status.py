"""`tidelock connect status NAME`: a connector and its tasks, with the trace of what failed."""

from __future__ import annotations

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock connect status orders-sink", "tidelock connect status orders-sink --trace"),
    exits={0: "nothing has failed", 1: "the connector or a task is FAILED", 4: "no such connector"},
)
@click.argument("name")
@click.option("--trace", is_flag=True, help="Show the whole trace of a failure, not only its first line.")
@options.connect_url
@output.option
def command(name: str, trace: bool, connect_url: str, output: output.Output) -> int:
    """Show a connector and its tasks, and why a task failed."""
    from tidelock.cli.connect import connectors
    from tidelock.cli.rest import ask, quoted

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
