"""`tidelock connect restart NAME`: a connector with its tasks, only what failed, or one task."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare
from tidelock.errors import UsageError


@declare(
    examples=(
        "tidelock connect restart orders-sink",
        "tidelock connect restart orders-sink --only-failed",
        "tidelock connect restart orders-sink --task 0",
    ),
    exits={4: "no such connector or task"},
)
@click.argument("name")
@click.option("--only-failed", is_flag=True, help="Leave alone what runs.")
@click.option("--task", type=click.IntRange(0), help="Restart this task only.")
@options.connect_url
def command(name: str, only_failed: bool, task: int | None, connect_url: str) -> None:
    """Restart a connector and its tasks, or what of it failed."""
    from tidelock.cli.rest import ask, quoted

    if only_failed and task is not None:
        raise UsageError("--only-failed and --task exclude each other", where="tidelock connect restart")
    path = f"/connectors/{quoted(name)}"
    if task is not None:
        ask("connect", connect_url, "POST", f"{path}/tasks/{task}/restart")
    else:
        query = f"includeTasks=true&onlyFailed={'true' if only_failed else 'false'}"
        ask("connect", connect_url, "POST", f"{path}/restart?{query}")
    click.echo(f"restarted {name}" + (f" task {task}" if task is not None else ""), err=True)
