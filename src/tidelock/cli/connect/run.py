"""`tidelock connect run FILE`: a one-file pipeline in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli import options
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock connect run shop.toml",
        "tidelock connect run shop.toml --data /var/lib/shop --port 8083",
    ),
    exits={
        0: "stopped by Ctrl-C",
        2: "the file or a configuration is wrong: every problem is named",
        6: "the port is taken, or this pipeline runs already",
    },
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--port", type=int, default=0, metavar="PORT", help="Port of the REST interface; any without it."
)
@options.data
def command(file: Path, port: int, data: Path) -> None:
    """Run a one-file pipeline, with a broker of its own where none is named or runs here.

    FILE is TOML, or properties whose names begin with worker., source., transforms. and sink. The broker is
    the one of [worker] bootstrap.servers, else what `tidelock up` runs here, else one made for this run.
    Records and source offsets are kept in DATA/pipelines/NAME, and the next run goes on from there.
    """
    from tidelock.cli.connect.pipelines import run

    run(file, port, data)
