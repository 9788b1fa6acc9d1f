"""`tidelock connect pause NAME...`: tasks stay and do nothing."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(examples=("tidelock connect pause orders-sink",), exits={4: "no such connector"})
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.connect_url
def command(names: tuple[str, ...], connect_url: str) -> None:
    """Pause connectors: their tasks stay, and do nothing until they are resumed."""
    from tidelock.cli.rest import ask, quoted

    for name in names:
        ask("connect", connect_url, "PUT", f"/connectors/{quoted(name)}/pause")
        click.echo(f"paused {name}", err=True)
