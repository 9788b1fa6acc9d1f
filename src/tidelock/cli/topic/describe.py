"""`tidelock topic describe NAME`: partitions with their offsets, and the settings of its own."""

from __future__ import annotations

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock topic describe orders", "tidelock topic describe orders -o json"),
    exits={4: "no such topic"},
)
@click.argument("name")
@options.bootstrap
@output.option
def command(name: str, bootstrap: str, output: output.Output) -> None:
    """Show a topic: its partitions with their offsets, and its own settings."""
    from tidelock.cli import kafka

    output.record(kafka.describe_topic(bootstrap, name), key="name")
