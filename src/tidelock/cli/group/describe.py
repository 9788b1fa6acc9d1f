"""`tidelock group describe NAME`: who is in a group, and how far each partition is behind."""

from __future__ import annotations

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock group describe connect-orders-sink", "tidelock group describe billing -o json"),
    exits={4: "no such group"},
)
@click.argument("name")
@options.bootstrap
@output.option
def command(name: str, bootstrap: str, output: output.Output) -> None:
    """Show a group: its members, and the lag of every partition it has committed."""
    from tidelock.cli import kafka

    output.record(kafka.describe_group(bootstrap, name), key="group")
