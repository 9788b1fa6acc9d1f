"""`tidelock topic create NAME...`: topics with partitions and settings."""

from __future__ import annotations

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock topic create orders -p 3",
        "tidelock topic create customers -c cleanup.policy=compact",
        "tidelock topic create orders --if-not-exists",
    ),
    exits={2: "a name or a setting is wrong", 6: "the topic exists"},
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-p", "--partitions", type=options.PARTITIONS, help="Partitions; the broker decides by default."
)
@click.option("-c", "--config", "assignments", multiple=True, metavar="KEY=VALUE", help="A topic setting.")
@click.option("--if-not-exists", is_flag=True, help="A topic that exists is no error.")
@options.bootstrap
def command(
    names: tuple[str, ...],
    partitions: int | None,
    assignments: tuple[str, ...],
    if_not_exists: bool,
    bootstrap: str,
) -> None:
    """Create topics."""
    from tidelock.cli import kafka
    from tidelock.cli.records import pairs

    configs = pairs(assignments, "-c")
    for name in names:
        created = kafka.create_topic(bootstrap, name, partitions, configs, if_not_exists=if_not_exists)
        click.echo(f"{'created' if created else 'exists'} {name}", err=True)
