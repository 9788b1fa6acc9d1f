"""`tidelock group ls`: the consumer groups of the broker."""

from __future__ import annotations

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock group ls", "tidelock group ls -o json"))
@options.bootstrap
@output.option
def command(bootstrap: str, output: output.Output) -> None:
    """List the consumer groups, with their state."""
    from tidelock.cli import kafka

    output.rows(kafka.groups(bootstrap), columns=("group", "state"), key="group")
