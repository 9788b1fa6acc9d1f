"""`tidelock connect validate FILE...`: check configurations, and try real records without a trace."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock connect validate orders-sink.properties",
        "tidelock connect validate orders-sink.json --sample 20",
        "tidelock connect validate shop.toml --sample 5 -o json",
    ),
    exits={
        0: "no problem found",
        1: "a sampled record would fail; each error is told on standard error",
        2: "a file or a configuration is wrong: every problem is named",
    },
)
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE...")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Try this many real records.")
@click.option(
    "--from",
    "start",
    metavar="WHERE",
    help="Where a sink's records begin in each partition: beginning, -N or an offset; the newest without it.",
)
@click.option(
    "--worker",
    "worker_file",
    type=click.Path(path_type=Path),
    help="The worker's properties file: brokers, default converters.",
)
@options.bootstrap
@output.option
def command(
    files: tuple[Path, ...],
    sample: int | None,
    start: str | None,
    worker_file: Path | None,
    bootstrap: str,
    output: output.Output,
) -> int:
    """Check connectors and pipelines, and show what would become of real records.

    FILE is a connector (JSON, properties) or a pipeline (TOML). With --sample a source is polled once, from
    its beginning, and a sink gets what it sent, or records of its topics, read without a group. They go
    through converters and transforms; a SQL sink writes them in a transaction and rolls it back. Nothing is
    produced, committed, registered or moved. A key that nobody reads is a warning.
    """
    from tidelock.cli.connect import dry_run  # SQLAlchemy and the client: 300 ms

    connectors = dry_run.wanted(files, worker_file, lambda: bootstrap)
    if sample is None:
        rows = [{"connector": config["name"], "result": "valid"} for _, config in connectors]
        output.rows(rows, columns=("connector", "result"), key="connector")
        return 0
    found = list(dry_run.sampled(connectors, sample, start))
    short = output.format == "table"
    output.rows(
        [dry_run.row(name, one, short=short) for name, one in found],
        columns=("connector", "record", "input", "output", "result"),
        key="record",
    )
    if not found:
        click.echo("There is no record to try.", err=True)
    errors = list(dict.fromkeys(f"Error {one.error.code}: {one.error}" for _, one in found if one.error))
    for text in errors:
        click.echo(text, err=True)
    return 1 if errors else 0
