"""`tidelock connect resume NAME...`: go on where they were paused or stopped."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock connect resume orders-sink",), exits={4: "no such connector"})
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.connect_url
def command(names: tuple[str, ...], connect_url: str) -> None:
    """Resume connectors that are paused or stopped."""
    from tidelock.cli.rest import ask, quoted

    for name in names:
        ask("connect", connect_url, "PUT", f"/connectors/{quoted(name)}/resume")
        click.echo(f"resumed {name}", err=True)
