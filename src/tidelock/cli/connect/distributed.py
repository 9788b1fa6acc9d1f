"""`tidelock connect distributed`: one of several Connect workers, in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from tidelock.cli.commands import command as declare


@declare(
    examples=("tidelock connect distributed connect-distributed.properties",),
    exits={0: "stopped by Ctrl-C", 2: "the file is wrong", 6: "the port is taken"},
)
@click.argument("worker", type=click.Path(path_type=Path))
def command(worker: Path) -> None:
    """Run one of several Connect workers that share their work.

    WORKER is a file like Kafka's connect-distributed.properties. Workers with the same group.id and topics
    are one cluster, JVM workers among them. Connectors are made over REST. Listens where `listeners` says.
    """
    from tidelock.cli.connect.worker import run_distributed

    run_distributed(worker)
