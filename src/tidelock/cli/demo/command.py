"""`tidelock demo`: the order story in five acts; the exit code is the proof's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tidelock.cli.commands import command as declare

DEFAULT_DATA = "./tidelock-demo"
DEFAULT_COUNT, LEAST_COUNT = 3000, 50


@declare(
    examples=(
        "tidelock demo",
        "tidelock demo --orders online_retail.csv.gz",
        "tidelock demo --db postgresql://shop@localhost:5432/shop -o json",
        "tidelock demo --step",
    ),
    exits={
        0: "PASS: nothing missing, nothing twice, nothing out of order",
        1: "FAIL: the report names the rows",
        2: "the orders file or an option cannot be used; nothing was started",
        3: "the common database does not answer; nothing was started",
        6: "the data folder or the common database is in use",
    },
)
@click.option(
    "--orders",
    "orders_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Replay a CSV file of order lines (may be .gz) instead of made-up orders.",
)
@click.option(
    "--db", metavar="URL", help="The common database instead of SQLite: PostgreSQL, MariaDB or MySQL."
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(DEFAULT_DATA),
    show_default=DEFAULT_DATA,
    help="Keeps the services' source, logs, databases and report.html; cleaned by the next run.",
)
@click.option(
    "--count",
    default=DEFAULT_COUNT,
    show_default=True,
    type=click.IntRange(LEAST_COUNT),
    help="How many orders to make up.",
)
@click.option("--seed", default=1, show_default=True, help="Makes up other orders.")
@click.option("--step", is_flag=True, help="Wait for Enter between the acts.")
@click.option(
    "-o",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one object per act.",
)
def command(**options: Any) -> int:
    """Tell the order story in five acts, with real processes, real kills and a proof.

    Two instances of order-service with a database each, behind user-service: their answers differ (1). With
    an outbox, a topic and a Connect sink into one database they agree (2). An instance is killed under load
    (3), then the broker and the sink (4), and `tidelock verify` proves row by row that nothing was lost (5).
    """
    from tidelock.cli.demo.play import Options, play  # SQLAlchemy and the calls' engine: not for --help

    return play(Options(**options))
