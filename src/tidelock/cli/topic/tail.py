"""`tidelock topic tail NAME`: the last records of a topic, and with `-f` those that come."""

from __future__ import annotations

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock topic tail orders",
        "tidelock topic tail orders -f",
        "tidelock topic tail orders --from beginning -o jsonl | jq .value",
        "tidelock topic tail orders --from -100 -p 0",
    ),
    exits={4: "no such topic"},
)
@click.argument("name")
@click.option(
    "--from",
    "start",
    default="-10",
    show_default=True,
    metavar="WHERE",
    help="beginning, end, -N (the last N records) or an offset.",
)
@click.option("-p", "--partition", type=click.IntRange(0), help="Only this partition.")
@click.option("-f", "--follow", is_flag=True, help="Keep showing what is produced, until Ctrl-C.")
@options.bootstrap
@output.option
def command(
    name: str, start: str, partition: int | None, follow: bool, bootstrap: str, output: output.Output
) -> None:
    """Show the last records of a topic.

    Keys and values are shown as text. Several partitions are shown in order of time when the last records are
    asked for, else as they are read.
    """
    from tidelock.cli import kafka

    rows = kafka.tail(bootstrap, name, start, partition=partition, follow=follow)
    output.stream(rows, columns=("timestamp", "partition", "offset", "key", "value"), key="value")
