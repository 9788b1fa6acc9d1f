"""`tidelock connect standalone`: a Connect worker in the foreground, from Kafka's own properties files."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli.commands import command as declare


@declare(
    examples=(
        "tidelock connect standalone connect-standalone.properties connect-file-source.properties",
        "tidelock connect standalone worker.properties",
    ),
    exits={0: "stopped by Ctrl-C", 2: "a file or a configuration is wrong", 6: "the port is taken"},
)
@click.argument("worker", type=click.Path(path_type=Path))
@click.argument("connectors", type=click.Path(path_type=Path), nargs=-1, metavar="[CONNECTOR]...")
def command(worker: Path, connectors: tuple[Path, ...]) -> None:
    """Run a Connect worker from Kafka's own properties files.

    WORKER is a file like Kafka's connect-standalone.properties, each CONNECTOR a file with a name and a
    connector.class. Listens where `listeners` says, by default on http://127.0.0.1:8083.
    """
    from tidelock.cli.connect.worker import run

    run(worker, connectors)
