"""`tidelock verify TABLE`: is the target table the union of the source tables, row by row."""

from __future__ import annotations

import click

from tidelock.cli import output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock verify orders --source sqlite:///orders-1.db --source sqlite:///orders-2.db --target sqlite:///all.db",
        'tidelock verify orders --source "$A" --target "$B" --key invoice_no -o json',
    ),
    exits={
        0: "equal",
        1: "not equal: the differing rows are shown",
        3: "a database does not answer",
        4: "no such table",
    },
)
@click.argument("table")
@click.option(
    "--source", "sources", multiple=True, required=True, metavar="URL", help="SQLAlchemy URL; repeatable."
)
@click.option("--target", required=True, metavar="URL", help="SQLAlchemy URL.")
@click.option("--key", help="The column that identifies a row; the primary key without it.")
@click.option(
    "--ignore", "ignored", multiple=True, metavar="COL", help="A column that is not compared; repeatable."
)
@output.option
def command(
    table: str,
    sources: tuple[str, ...],
    target: str,
    key: str | None,
    ignored: tuple[str, ...],
    output: output.Output,
) -> int:
    """Compare a table of one or more sources with a target, row by row.

    Several sources are compared as their union. Checksums find the parts that differ, so equal tables are
    read once and nothing is copied. A column that only some of them have makes them different, unless it is
    ignored.
    """
    from tidelock.cli.comparison import show, split_key  # SQLAlchemy: 200 ms
    from tidelock.sync import verify

    document = verify(table, sources, target, split_key(key), ignore=ignored).to_dict()
    return show(document, output)
