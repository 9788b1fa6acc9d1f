"""`tidelock topic alter NAME...`: other settings, more partitions."""

from __future__ import annotations

from typing import Any

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock topic alter orders -c retention.ms=3600000",
        "tidelock topic alter orders payments -c retention.bytes=1000000000 --dry-run",
        "tidelock topic alter orders --delete-config retention.ms -p 6",
    ),
    exits={
        2: "a setting, a value or the number of partitions is wrong; nothing is changed",
        4: "no such topic",
    },
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-c",
    "--config",
    "--add-config",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="A topic setting; repeatable.",
)
@click.option(
    "-d",
    "--delete-config",
    "deleted",
    multiple=True,
    metavar="KEY",
    help="A setting that shall be the broker's again; repeatable.",
)
@click.option(
    "-p",
    "--partitions",
    type=options.PARTITIONS,
    metavar="N",
    help="Partitions in all. Keys are spread anew: a key's next record may go to another partition.",
)
@click.option("--dry-run", is_flag=True, help="Have the broker check it, and show what would change.")
@options.bootstrap
@output.option
def command(
    names: tuple[str, ...], dry_run: bool, bootstrap: str, output: output.Output, **asked: Any
) -> None:
    """Change settings of topics, or give them more partitions.

    What is not named stays as it is. Shows each change: what held before, and what holds now. Everything is
    checked for every topic before the first is changed.
    """
    from tidelock.cli import alterations
    from tidelock.cli.records import pairs

    assigned = pairs(asked["assignments"], "-c")
    wanted = alterations.Wanted.of(assigned, asked["deleted"], asked["partitions"])
    rows = alterations.alter(bootstrap, names, wanted, dry_run=dry_run)
    if not rows:
        click.echo("nothing to change", err=True)
    output.rows(rows, columns=("topic", "what", "before", "after"), key="topic")
