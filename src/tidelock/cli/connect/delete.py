"""`tidelock connect delete NAME...`: remove connectors; their offsets are kept."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock connect delete orders-sink", "tidelock connect delete orders-sink --yes"),
    exits={4: "no such connector", 5: "not confirmed"},
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.yes
@options.connect_url
def command(names: tuple[str, ...], yes: bool, connect_url: str) -> None:
    """Delete connectors; their offsets are kept.

    A connector that is created again under the same name goes on where this one was.
    """
    from tidelock.cli.confirm import confirm
    from tidelock.cli.rest import ask, quoted

    confirm(f"delete connector {', '.join(names)}", yes=yes)
    for name in names:
        ask("connect", connect_url, "DELETE", f"/connectors/{quoted(name)}")
        click.echo(f"deleted {name}", err=True)
