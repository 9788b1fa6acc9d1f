"""`tidelock topic delete NAME...`: topics and everything in them."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock topic delete orders", "tidelock topic delete orders payments --yes"),
    exits={4: "no such topic", 5: "not confirmed"},
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.yes
@options.bootstrap
def command(names: tuple[str, ...], yes: bool, bootstrap: str) -> None:
    """Delete topics and everything in them."""
    from tidelock.cli import kafka
    from tidelock.cli.confirm import confirm

    confirm(f"delete topic {', '.join(names)} and everything in it", yes=yes)
    for name in names:
        kafka.delete_topic(bootstrap, name)
        click.echo(f"deleted {name}", err=True)
