"""`tidelock connect ls`: every connector with the states of its tasks."""

from __future__ import annotations

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock connect ls", "tidelock connect ls -o name", "tidelock connect ls -o json"))
@options.connect_url
@output.option
def command(connect_url: str, output: output.Output) -> None:
    """List the connectors, with the states of their tasks."""
    from tidelock.cli.connect import connectors

    rows = connectors.listed(connect_url)
    output.rows(rows, columns=("name", "type", "state", "tasks", "class"), key="name")
