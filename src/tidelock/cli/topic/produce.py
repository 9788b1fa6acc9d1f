"""`tidelock topic produce NAME`: one record per line of standard input or of a file."""

from __future__ import annotations

from typing import BinaryIO

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "echo hello | tidelock topic produce greetings",
        "tidelock topic produce orders -K : < orders.txt",
        "tidelock topic tail orders -o jsonl | tidelock topic produce copy --jsonl",
    ),
    exits={
        1: "the broker cannot store the records",
        2: "a line is wrong; the lines before it were sent",
        3: "no broker answers",
    },
)
@click.argument("name")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("-k", "--key", help="The key of every record.")
@click.option("-K", "--key-separator", "separator", help="What stands between key and value in a line.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header; repeatable.")
@click.option("-p", "--partition", type=click.IntRange(0), help="The partition; by key, or any, without it.")
@click.option("--jsonl", "is_json", is_flag=True, help="Lines are as `topic tail -o jsonl` prints them.")
@options.bootstrap
def command(name: str, file: BinaryIO, headers: tuple[str, ...], bootstrap: str, **shape: object) -> None:
    """Produce one record per line of standard input or of a file.

    Returns when the broker has acknowledged every record.
    """
    from typing import Any, cast

    from tidelock.cli import kafka
    from tidelock.cli.records import Shape, outgoing, pairs

    form = Shape(headers=pairs(headers, "-H"), **cast("dict[str, Any]", shape))
    count = kafka.produce(bootstrap, name, outgoing(file, form))
    click.echo(f"produced {count} record{'s' if count != 1 else ''} to {name}", err=True)
