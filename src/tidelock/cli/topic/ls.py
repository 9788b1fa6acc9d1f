"""`tidelock topic ls`: the topics of the broker."""

from __future__ import annotations

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock topic ls", "tidelock topic ls --internal -o json", "tidelock topic ls -o name"))
@click.option("--internal", is_flag=True, help="Show the broker's own topics too.")
@options.bootstrap
@output.option
def command(internal: bool, bootstrap: str, output: output.Output) -> None:
    """List the topics."""
    from tidelock.cli import kafka

    rows = [row for row in kafka.topics(bootstrap) if internal or not row["internal"]]
    output.rows(rows, columns=("name", "partitions", "replicas"), key="name")
